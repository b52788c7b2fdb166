"""Request bodies, flattened parameters, answers."""

import json

import pytest

from services.api.domain.errors import ApiError
from services.api.domain.language import localised
from services.api.domain.wire import MAX_DEPTH, common_and_own, failure, read_form, read_json, success, unflatten


def code_of(call, *args):
    with pytest.raises(ApiError) as caught:
        call(*args)
    return caught.value.wire_code


def test_null_is_absent_and_empty_is_not():
    assert read_json(b'{"A": null, "B": "", "C": [], "D": {"E": null, "F": 0}}') == {"B": "", "C": [], "D": {"F": 0}}


def test_empty_body_is_an_empty_request():
    assert read_json(b"") == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b'{"A": NaN}', b'{"A": "\\ud800"}', b"[" * 100_000])
def test_body_that_is_no_json_object_is_refused(body):
    assert code_of(read_json, body) == "InvalidParameter"


def test_deep_bodies_are_refused():
    def nested(levels: int) -> bytes:
        return b'{"A":' * levels + b"1" + b"}" * levels

    read_json(nested(MAX_DEPTH - 1))
    assert code_of(read_json, nested(MAX_DEPTH)) == "InvalidParameter"
    assert code_of(read_json, nested(900)) == "InvalidParameter"


def test_flattened_parameters_become_structures_and_lists():
    flat = {
        "Name": "x",
        "A.B": "1",
        "A.C.D": "2",
        "List.0": "a",
        "List.1": "b",
        "Activities.0.ReardriveIndex.0": "1",
        "Activities.1.ActivityPara.TranscodeTask.Definition": "10",
    }
    assert unflatten(flat) == {
        "Name": "x",
        "A": {"B": "1", "C": {"D": "2"}},
        "List": ["a", "b"],
        "Activities": [
            {"ReardriveIndex": ["1"]},
            {"ActivityPara": {"TranscodeTask": {"Definition": "10"}}},
        ],
    }


def test_flattened_lists_keep_their_order_beyond_ten():
    flat = {f"List.{index}": str(index) for index in (11, 3, 10, *range(3), *range(4, 10))}
    assert unflatten(flat) == {"List": [str(index) for index in range(12)]}


@pytest.mark.parametrize(
    "flat",
    [
        {"List.1": "a"},
        {"List.0": "a", "List.2": "b"},
        {"List.00": "a"},
        {"List.999999999999": "a"},
        {"A": "1", "A.B": "2"},
        {"A.B": "2", "A": "1"},
        {"A..B": "1"},
        {".": "1"},
        {"": "1"},
        {".".join("A" * 40): "1"},
    ],
)
def test_flattened_parameters_that_make_no_sense_are_refused(flat):
    assert code_of(unflatten, flat) == "InvalidParameter"


def test_form_keeps_blank_values_and_decodes_once():
    assert read_form("A=&B=%25+x&C=%E6%B5%8B") == {"A": "", "B": "% x", "C": "测"}


@pytest.mark.parametrize("text", ["A=1&A=2", "A=%ff"])
def test_form_that_is_ambiguous_or_no_text_is_refused(text):
    assert code_of(read_form, text) == "InvalidParameter"


def test_common_parameters_of_a_v1_call_are_not_the_actions_own():
    common, own = common_and_own({"Action": "X", "Nonce": "1", "Signature": "s", "Status": "FINISH"})
    assert common == {"Action": "X", "Nonce": "1", "Signature": "s"}
    assert own == {"Status": "FINISH"}


def test_every_answer_has_a_request_id():
    assert json.loads(success({"A": 1}, "r")) == {"Response": {"A": 1, "RequestId": "r"}}
    refused = json.loads(failure("C", "m", "r"))
    assert refused == {"Response": {"Error": {"Code": "C", "Message": "m"}, "RequestId": "r"}}


def test_messages_are_chinese_only_when_asked_for():
    assert localised("MissingParameter", "X: is required", "zh-CN") == "缺少参数。X: is required"
    assert localised("InvalidParameterValue.Unheard", "X: no", "zh-CN").startswith("参数取值错误。")
    for language in ("", "en-US"):
        assert localised("MissingParameter", "X: is required", language) == "X: is required"
