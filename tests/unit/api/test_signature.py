"""Signatures: the vectors of the contract (MPS_API §15), the real SDK's signer, and every trap of §2.1."""

import base64
import dataclasses
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from tencentcloud.common import credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import mps_client

from services.api.domain.errors import ApiError
from services.api.domain.signature import SignedRequest, check_tc3, check_v1, read_tc3
from services.api.domain.wire import read_form

SECRET = "localsecret"
SIGNED_AT = 1795459607
NOW = datetime.fromtimestamp(SIGNED_AT, UTC)
CREATE_BODY = (
    rb'{"ScheduleName": "\u6d4b\u8bd5_demo-1", "Trigger": {"Type": "CosFileUpload", "CosFileUploadTrigger": '
    rb'{"Bucket": "media-1250000000", "Region": "ap-guangzhou", "Dir": "/in/", "Formats": ["mp4", "mov"]}}, '
    rb'"Activities": [{"ActivityType": "input", "ReardriveIndex": [1, 2]}, {"ActivityType": "action-trans", '
    rb'"ReardriveIndex": [3], "ActivityPara": {"TranscodeTask": {"Definition": 100020}}}, {"ActivityType": '
    rb'"action-samplesnapshot", "ReardriveIndex": [3], "ActivityPara": {"SampleSnapshotTask": {"Definition": 10}}}, '
    rb'{"ActivityType": "output"}], "OutputStorage": {"Type": "COS", "CosOutputStorage": {"Bucket": '
    rb'"media-1250000000", "Region": "ap-guangzhou"}}, "OutputDir": "/out/", "TaskNotifyConfig": {"NotifyType": "URL", '
    rb'"NotifyMode": "Finish", "NotifyUrl": "http://127.0.0.1:9/cb", "NotifyKey": "k"}}'
)
VECTORS = {
    "CreateSchedule": (CREATE_BODY, "2728171bd8fef1a9526e0c53036ae4b0c078c186f56648e03f4f9d64b2b5bb13"),
    "DescribeSchedules": (
        b'{"ScheduleIds": [12345], "Limit": 10}',
        "e36e47fa2785b3fa67d0771a832ef7c0546810bd6a073e460b23ec1ec8fb2dec",
    ),
}


def captured(action: str = "DescribeSchedules") -> SignedRequest:
    """A request as the contract shows it."""
    body, signature = VECTORS[action]
    return SignedRequest(
        method="POST",
        path="/",
        query="",
        headers={
            "content-type": "application/json",
            "host": "127.0.0.1:18123",
            "x-tc-action": action,
            "x-tc-timestamp": str(SIGNED_AT),
            "x-tc-version": "2019-06-12",
            "authorization": "TC3-HMAC-SHA256 Credential=AKIDlocal/2026-11-23/mps/tc3_request, "
            f"SignedHeaders=content-type;host, Signature={signature}",
        },
        body=body,
    )


def with_headers(request: SignedRequest, **headers: str) -> SignedRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dataclasses.replace(request, headers={**request.headers, **named})


def verify(request: SignedRequest, secret: str = SECRET, now: datetime = NOW) -> str:
    claim = read_tc3(request)
    check_tc3(request, claim, [secret], now)
    return claim.secret_id


def refusal(request: SignedRequest, secret: str = SECRET, now: datetime = NOW) -> str:
    with pytest.raises(ApiError) as caught:
        verify(request, secret, now)
    return caught.value.wire_code


def sign(
    *,
    method: str = "POST",
    uri: str = "/",
    query: str = "",
    headers: dict[str, str],
    payload: bytes = b"{}",
    service: str = "mps",
) -> str:
    """An independent signer: the formula of the contract, with the headers as the client believes they are."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join((method, uri, query, lines, names, hashlib.sha256(payload).hexdigest()))
    scope = f"2026-11-23/{service}/tc3_request"
    text = "\n".join(("TC3-HMAC-SHA256", str(SIGNED_AT), scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"TC3{SECRET}".encode()
    for part in ("2026-11-23", service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential=AKIDlocal/{scope}, SignedHeaders={names}, Signature={signature}"


def sent(authorization: str, *, host: str = "127.0.0.1:18123", path: str = "/", **more: str) -> SignedRequest:
    """A request as the server sees it."""
    headers = {
        "content-type": "application/json",
        "host": host,
        "x-tc-timestamp": str(SIGNED_AT),
        "authorization": authorization,
    }
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return SignedRequest("POST", path, "", headers, b"{}")


@pytest.mark.parametrize("action", VECTORS)
def test_captured_requests_of_the_contract_are_good(action):
    assert verify(captured(action)) == "AKIDlocal"


def test_wrong_secret_is_refused():
    assert refusal(captured(), secret="other") == "AuthFailure.SignatureFailure"


def test_changed_body_is_refused():
    changed = dataclasses.replace(captured(), body=b'{"ScheduleIds": [12346], "Limit": 10}')
    assert refusal(changed) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_timestamp_within_the_window_is_good(seconds):
    verify(captured(), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301, 90_000])
def test_timestamp_outside_the_window_is_expired(seconds):
    assert refusal(captured(), now=NOW + timedelta(seconds=seconds)) == "AuthFailure.SignatureExpire"


def test_timestamp_is_covered_by_the_signature():
    moved = with_headers(captured(), x_tc_timestamp=str(SIGNED_AT + 1))
    assert refusal(moved) == "AuthFailure.SignatureFailure"


def test_date_of_another_day_is_refused():
    authorization = captured().headers["authorization"].replace("2026-11-23", "2026-11-22")
    assert refusal(with_headers(captured(), authorization=authorization)) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "SKIP",
        "Bearer abc",
        "TC3-HMAC-SHA256 Credential=a/2026-11-23/mps/tc3_request, SignedHeaders=content-type;host, Signature=zz",
        f"TC3-HMAC-SHA256 Credential=a/2026-11-23/mps/aws4, SignedHeaders=content-type;host, Signature={'0' * 64}",
        f"TC3-HMAC-SHA256 Credential=a/2026-11-23/mps/tc3_request, SignedHeaders=host, Signature={'0' * 64}",
    ],
)
def test_malformed_authorization_is_named_so(authorization):
    request = with_headers(captured(), authorization=authorization)
    assert refusal(request) == "AuthFailure.InvalidAuthorization"


def test_missing_timestamp_is_a_missing_parameter():
    request = captured()
    headers = {name: value for name, value in request.headers.items() if name != "x-tc-timestamp"}
    assert refusal(dataclasses.replace(request, headers=headers)) == "MissingParameter"


def test_timestamp_that_is_no_number_is_refused():
    assert refusal(with_headers(captured(), x_tc_timestamp="soon")) == "AuthFailure.InvalidAuthorization"


def test_host_signed_without_its_port_is_good():
    headers = {"content-type": "application/json", "host": "127.0.0.1"}
    verify(sent(sign(headers=headers)))


def test_host_signed_with_a_default_port_that_was_not_sent_is_good():
    headers = {"content-type": "application/json", "host": "mps.local:80"}
    verify(sent(sign(headers=headers), host="mps.local"))


def test_host_of_somebody_else_is_refused():
    headers = {"content-type": "application/json", "host": "elsewhere:18123"}
    assert refusal(sent(sign(headers=headers))) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("service", ["127", "localhost:9000", "mps"])
def test_service_is_taken_from_the_scope(service):
    headers = {"content-type": "application/json", "host": "127.0.0.1:18123"}
    verify(sent(sign(headers=headers, service=service)))


@pytest.mark.parametrize("uri", ["/", "/gateway/mps"])
def test_path_signed_as_root_or_as_it_is_is_good(uri):
    headers = {"content-type": "application/json", "host": "127.0.0.1:18123"}
    verify(sent(sign(headers=headers, uri=uri), path="/gateway/mps"))


def test_more_signed_headers_are_covered():
    headers = {"content-type": "application/json", "host": "127.0.0.1:18123", "x-tc-action": "DeleteSchedule"}
    authorization = sign(headers=headers)
    verify(sent(authorization, x_tc_action="DeleteSchedule"))
    assert refusal(sent(authorization, x_tc_action="EnableSchedule")) == "AuthFailure.SignatureFailure"


def test_header_values_signed_in_lower_case_are_good():
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": "mps.local:1",
        "x-tc-action": "describeschedules",
    }
    verify(
        sent(
            sign(headers=headers),
            host="MPS.local:1",
            content_type="application/json; charset=utf-8",
            x_tc_action="DescribeSchedules",
        )
    )


def test_unsigned_payload_counts_only_if_it_was_signed_so():
    headers = {"content-type": "application/json", "host": "127.0.0.1:18123"}
    unsigned = sign(headers=headers, payload=b"UNSIGNED-PAYLOAD")
    verify(sent(unsigned, x_tc_content_sha256="UNSIGNED-PAYLOAD"))
    assert refusal(sent(unsigned)) == "AuthFailure.SignatureFailure"
    with_body = sign(headers=headers)
    assert refusal(sent(with_body, x_tc_content_sha256="UNSIGNED-PAYLOAD")) == "AuthFailure.SignatureFailure"


def test_query_of_a_get_is_covered_as_it_was_sent():
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1:18123"}
    query = "Name=%E6%B5%8B+a%2Fb&Limit=10"
    authorization = sign(method="GET", query=query, headers=headers, payload=b"")
    request = sent(authorization, content_type="application/x-www-form-urlencoded")
    request = dataclasses.replace(request, method="GET", query=query, body=b"")
    verify(request)
    assert refusal(dataclasses.replace(request, query=f"{query}0")) == "AuthFailure.SignatureFailure"


def sdk_request(sign_method: str, http_method: str, *, unsigned: bool = False) -> RequestInternal:
    """What the official SDK would send now."""
    profile = ClientProfile(
        signMethod=sign_method,
        httpProfile=HttpProfile(protocol="http", endpoint="127.0.0.1:9000", reqMethod=http_method),
    )
    profile.unsignedPayload = unsigned
    client = mps_client.MpsClient(credential.Credential("AKIDlocal", SECRET), "ap-guangzhou", profile)
    request = RequestInternal("127.0.0.1:9000", http_method, "/")
    params = {"Status": "FINISH", "SubTaskHasFailed": True, "Name": "测 试/+%&=~"}
    client._build_req_inter("DescribeTasks", params, request)
    return request


def as_received(request: RequestInternal) -> SignedRequest:
    headers = {name.lower(): value for name, value in request.header.items()}
    headers.setdefault("host", "127.0.0.1:9000")
    get = request.method == "GET"
    return SignedRequest(
        request.method, "/", request.data if get else "", headers, b"" if get else request.data.encode()
    )


@pytest.mark.parametrize("http_method", ["POST", "GET"])
@pytest.mark.parametrize("unsigned", [False, True])
def test_tc3_of_the_official_sdk_is_good(http_method, unsigned):
    received = as_received(sdk_request("TC3-HMAC-SHA256", http_method, unsigned=unsigned))
    verify(received, now=datetime.now(UTC))


@pytest.mark.parametrize("http_method", ["POST", "GET"])
@pytest.mark.parametrize("sign_method", ["HmacSHA256", "HmacSHA1"])
def test_v1_of_the_official_sdk_is_good(http_method, sign_method):
    received = as_received(sdk_request(sign_method, http_method))
    params = read_form(received.query or received.body.decode())
    now = datetime.now(UTC)
    check_v1(received, params, [SECRET], now)
    for secret, changed, code in [
        ("other", params, "AuthFailure.SignatureFailure"),
        (SECRET, {**params, "Status": "WAITING"}, "AuthFailure.SignatureFailure"),
        (SECRET, {**params, "SignatureMethod": "HmacMD5"}, "AuthFailure.InvalidAuthorization"),
        (SECRET, {**params, "Timestamp": "1"}, "AuthFailure.SignatureExpire"),
    ]:
        with pytest.raises(ApiError) as caught:
            check_v1(received, changed, [secret], now)
        assert caught.value.wire_code == code


def test_v1_signs_underscores_in_names_as_dots_and_defaults_to_sha1():
    params = {"Action": "DescribeTasks", "Timestamp": str(SIGNED_AT), "A_B": "1", "SecretId": "AKIDlocal"}
    text = f"GETh:1/?A.B=1&Action=DescribeTasks&SecretId=AKIDlocal&Timestamp={SIGNED_AT}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    request = SignedRequest("GET", "/", "", {"host": "h:1"}, b"")
    check_v1(request, {**params, "Signature": signature}, [SECRET], NOW)
