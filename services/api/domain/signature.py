"""Who is calling: TC3-HMAC-SHA256 and the older HmacSHA256/HmacSHA1 (contract MPS_API §2).

Real SDKs differ in what they sign, so each request has several canonical forms; a signature is good if it fits one of
them. That gives nothing away: all forms bind the same method, body and key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from services.api.domain.errors import ApiError, auth_failure, missing

CLOCK_WINDOW_S = 300
"""How far X-TC-Timestamp may be from our clock (contract §2.1)."""

_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256\s+Credential=(?P<id>[^/,\s]+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<service>[^/,\s]+)/tc3_request"
    r"\s*,\s*SignedHeaders=(?P<signed>[a-z0-9;_-]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})\s*",
    re.IGNORECASE,
)
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of an HTTP request that a signature may cover. `headers` have lower-case names; `path` and `query` are
    as they came on the wire."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Tc3Claim:
    """What an Authorization header says, before anybody believed it."""

    secret_id: str
    date: str
    service: str
    signed_headers: str
    signature: str
    timestamp: str


def read_tc3(request: SignedRequest) -> Tc3Claim:
    """Parses the headers. Raises ApiError `AuthFailure.InvalidAuthorization` or `MissingParameter`."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise auth_failure("InvalidAuthorization", "the Authorization header is not a TC3-HMAC-SHA256 signature")
    signed = found["signed"].lower()
    if not {"content-type", "host"} <= set(signed.split(";")):
        raise auth_failure("InvalidAuthorization", "SignedHeaders must have content-type and host")
    timestamp = request.headers.get("x-tc-timestamp")
    if timestamp is None:
        raise missing("X-TC-Timestamp", "the header is required")
    return Tc3Claim(found["id"], found["date"], found["service"], signed, found["signature"].lower(), timestamp)


def check_time(timestamp: str, now: datetime) -> datetime:
    """The moment of signing. Raises ApiError `AuthFailure.SignatureExpire` unless it is within the clock window."""
    if re.fullmatch(r"\d{1,12}", timestamp, re.ASCII) is None:
        raise auth_failure("InvalidAuthorization", "the timestamp must be Unix seconds")
    if abs(now.timestamp() - int(timestamp)) > CLOCK_WINDOW_S:
        raise auth_failure("SignatureExpire", f"the timestamp is more than {CLOCK_WINDOW_S} s from the server's time")
    return datetime.fromtimestamp(int(timestamp), UTC)


def check_tc3(request: SignedRequest, claim: Tc3Claim, secret_keys: Sequence[str], now: datetime) -> None:
    """Returns if the signature was made with one of these keys, for this request, within the clock window; raises
    ApiError."""
    signed_at = check_time(claim.timestamp, now)
    if claim.date != signed_at.strftime("%Y-%m-%d"):
        raise auth_failure("SignatureFailure", "the date of the credential scope is not that of X-TC-Timestamp")
    keys = [_signing_key(secret_key, claim) for secret_key in secret_keys]
    good = False
    for canonical in _canonical_requests(request, claim.signed_headers):
        text = "\n".join(
            (
                "TC3-HMAC-SHA256",
                claim.timestamp,
                f"{claim.date}/{claim.service}/tc3_request",
                hashlib.sha256(canonical.encode()).hexdigest(),
            )
        )
        for key in keys:
            good |= hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), claim.signature)
    if not good:
        raise _wrong_signature()


def _signing_key(secret_key: str, claim: Tc3Claim) -> bytes:
    key = f"TC3{secret_key}".encode()
    for part in (claim.date, claim.service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _canonical_requests(request: SignedRequest, signed_headers: str) -> Iterator[str]:
    if request.headers.get("x-tc-content-sha256") == _UNSIGNED:
        payload = _UNSIGNED.encode()
    else:
        payload = b"" if request.method == "GET" else request.body
    body_hash = hashlib.sha256(payload).hexdigest()
    query = request.query if request.method == "GET" else ""
    # The Python SDK signs "/" even when its endpoint has a path; header values may be signed lower-cased.
    paths = dict.fromkeys(("/", request.path))
    for path, host, lower in product(paths, _hosts(request), (False, True)):
        lines = []
        for name in signed_headers.split(";"):
            value = host if name == "host" else request.headers.get(name, "").strip()
            lines.append(f"{name}:{value.lower() if lower else value}\n")
        yield "\n".join((request.method, path, query, "".join(lines), signed_headers, body_hash))


def _hosts(request: SignedRequest) -> list[str]:
    """Host as it came; without its port (the Node SDK signs so); with the default port that an HTTP client dropped."""
    host = request.headers.get("host", "").strip()
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return [host, name]
    return [host, f"{host}:80", f"{host}:443"]


def check_v1(request: SignedRequest, params: Mapping[str, str], secret_keys: Sequence[str], now: datetime) -> None:
    """The same for the parameters of an HmacSHA256 or HmacSHA1 call, query or form (contract §2.2)."""
    check_time(params.get("Timestamp", ""), now)
    method = params.get("SignatureMethod") or "HmacSHA1"
    algorithm = {"HmacSHA256": "sha256", "HmacSHA1": "sha1"}.get(method)
    if algorithm is None:
        raise auth_failure("InvalidAuthorization", "SignatureMethod must be HmacSHA256 or HmacSHA1")
    pairs = sorted((name.replace("_", "."), value) for name, value in params.items() if name != "Signature")
    listed = "&".join(f"{name}={value}" for name, value in pairs)
    given = params.get("Signature", "").encode()
    good = False
    for path, host in product(dict.fromkeys(("/", request.path)), _hosts(request)):
        text = f"{request.method}{host}{path}?{listed}"
        for secret_key in secret_keys:
            wanted = base64.b64encode(hmac.digest(secret_key.encode(), text.encode(), algorithm))
            good |= hmac.compare_digest(wanted, given)
    if not good:
        raise _wrong_signature()


def _wrong_signature() -> ApiError:
    return auth_failure("SignatureFailure", "the signature does not fit the request and the secret key")
