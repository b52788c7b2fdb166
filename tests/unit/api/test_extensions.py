"""`Activity.Extension` and `action-exec-rules`: into nodes and back, and what is refused at save."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.domain.activities import Graph, read_activities, render_activities
from services.api.domain.errors import ApiError
from services.api.domain.parsing import parse
from services.api.domain.wire import unflatten
from shared.model.pipeline import Join, RetryRule, Timeouts
from shared.mps.schedule import CreateScheduleRequest

TRANSCODE = {"ActivityType": "action-trans", "ActivityPara": {"TranscodeTask": {"Definition": 100010}}}
ALL = {
    "Name": "渲染_1",
    "Join": "any",
    "Source": "original",
    "Retry": {"MaxAttempts": 5, "BaseSeconds": 0.5, "CapSeconds": 30.0, "On": ["InternalError.Timeout"]},
    "Timeouts": {"QueuedSeconds": 60.0, "RunningSeconds": 600.0, "StalledSeconds": 5.5},
    "Priority": -3,
}


def rules(following: list[int], expression: str, other: list[int] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"Rules": [{"Id": "r", "Expression": expression, "RearDriveIndexs": following}]}
    return found if other is None else found | {"ElseRearDriveIndexs": other}


def activity(*following: int, extension: Any = None, **changes: Any) -> dict[str, Any]:
    found = {**TRANSCODE, "ReardriveIndex": list(following), **changes}
    return found if extension is None else found | {"Extension": extension}


def joined(extension: Any, kind: str = "action-trans") -> list[dict[str, Any]]:
    """0 input -> 1, 2 -> 3 (with the extension) -> 4 output."""
    node = activity(4, extension=extension)
    if kind == "action-exec-rules":
        node |= {"ActivityType": kind, "ActivityPara": {"ExecRulesTask": rules([4], "true")}}
    return [
        {"ActivityType": "input", "ReardriveIndex": [1, 2]},
        activity(3),
        activity(3),
        node,
        {"ActivityType": "output"},
    ]


def read(activities: list[dict[str, Any]]) -> Graph:
    request = {"ScheduleName": "a", "Trigger": {"Type": "x"}, "Activities": activities}
    return read_activities(parse(CreateScheduleRequest, request).activities, "1250000000", "r")


def refused(activities: list[dict[str, Any]]) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        read(activities)
    return caught.value.wire_code, caught.value.message


def test_every_member_reaches_the_node_and_comes_back() -> None:
    graph = read(joined(ALL))
    node = graph.nodes[3]
    assert (node.name, node.join, node.source, node.priority) == ("渲染_1", Join.ANY, "original", -3)
    assert node.retry == RetryRule(max_attempts=5, base_s=0.5, cap_s=30, on=("InternalError.Timeout",))
    assert node.timeouts == Timeouts(queued_s=60, running_s=600, stalled_s=5.5)
    shown = render_activities(graph.nodes)
    assert shown[3]["Extension"] == ALL
    assert all("Extension" not in shown[index] for index in (0, 1, 2, 4))
    assert read(shown).nodes == graph.nodes


@pytest.mark.parametrize("extension", [{}, {"Join": "all", "Source": "previous"}, {"Retry": {}, "Timeouts": {}}])
def test_what_says_nothing_new_makes_a_plain_node(extension: dict[str, Any]) -> None:
    assert read(joined(extension)).nodes == read(joined(None)).nodes


def test_flattened_requests_carry_extensions_as_text() -> None:
    flat = {
        "ScheduleName": "a",
        "Trigger.Type": "x",
        "Activities.0.ActivityType": "input",
        "Activities.0.ReardriveIndex.0": "1",
        "Activities.0.Extension.Name": "probe",
        "Activities.1.ActivityType": "action-trans",
        "Activities.1.ReardriveIndex.0": "2",
        "Activities.1.ActivityPara.TranscodeTask.Definition": "100010",
        "Activities.1.Extension.Priority": "7",
        "Activities.1.Extension.Retry.BaseSeconds": "1.5",
        "Activities.1.Extension.Retry.On.0": "InternalError",
        "Activities.2.ActivityType": "output",
    }
    nodes = read_activities(parse(CreateScheduleRequest, unflatten(flat)).activities, "1250000000", "r").nodes
    assert (nodes[0].name, nodes[1].priority, nodes[1].retry) == (
        "probe",
        7,
        RetryRule(base_s=1.5, on=("InternalError",)),
    )


@pytest.mark.parametrize("name", ["a", "_", "Review_1", "审核", "〇_9", "x" * 64])
def test_good_names(name: str) -> None:
    assert read(joined({"Name": name})).nodes[3].name == name


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a.b", "é", "x" * 65, "a\n", "\ud800"])
def test_bad_names(name: str) -> None:
    code, message = refused(joined({"Name": name}))
    assert code == "InvalidParameterValue"
    assert message.startswith("Activities[3].Extension.Name: ")


@pytest.mark.parametrize(
    ("extension", "field", "rule"),
    [
        ({"Nam": "a"}, "Nam", "must be absent: there is no such parameter"),
        ({"Name": 5}, "Name", "should be a valid string"),
        ({"Join": "some"}, "Join", "'all' or 'any'"),
        ({"Source": "next"}, "Source", "'previous' or 'original'"),
        ({"Priority": 11}, "Priority", "less than or equal to 10"),
        ({"Priority": -11}, "Priority", "greater than or equal to -10"),
        ({"Priority": 0.5}, "Priority", "integer"),
        ({"Retry": {"MaxAttempts": 0}}, "Retry.MaxAttempts", "greater than or equal to 1"),
        ({"Retry": {"MaxAttempts": 21}}, "Retry.MaxAttempts", "less than or equal to 20"),
        ({"Retry": {"BaseSeconds": -1}}, "Retry.BaseSeconds", "greater than or equal to 0"),
        ({"Retry": {"BaseSeconds": "nan"}}, "Retry.BaseSeconds", "finite"),
        ({"Retry": {"CapSeconds": 86401}}, "Retry.CapSeconds", "less than or equal to 86400"),
        ({"Retry": {"BaseSeconds": 9, "CapSeconds": 8}}, "Retry", "CapSeconds must not be less than BaseSeconds"),
        ({"Retry": {"On": []}}, "Retry.On", "at least 1 item"),
        ({"Retry": {"On": ["Internal"]}}, "Retry.On[0]", "is not an error code; they are InvalidInput, "),
        ({"Retry": {"On": ["SourceFileError"]}}, "Retry.On[0]", "is never tried again"),
        ({"Timeouts": {"RunningSeconds": 0}}, "Timeouts.RunningSeconds", "greater than 0"),
        ({"Timeouts": {"QueuedSeconds": 2592001}}, "Timeouts.QueuedSeconds", "less than or equal to 2592000"),
        ({"Timeouts": {"Stalled": 1}}, "Timeouts.Stalled", "must be absent"),
        ("any", "", "object"),
    ],
)
def test_members_that_do_not_fit_are_named(extension: Any, field: str, rule: str) -> None:
    code, message = refused(joined(extension))
    assert code == "InvalidParameterValue"
    path, _, text = message.partition(": ")
    assert path == "Activities[3].Extension" + (f".{field}" if field else "")
    assert rule in text or rule == "object"


def with_end(index: int, extension: dict[str, Any]) -> list[dict[str, Any]]:
    activities = joined(None)
    activities[index] = {**activities[index], "Extension": extension}
    return activities


@pytest.mark.parametrize(
    ("activities", "message"),
    [
        (with_end(0, {"Source": "original"}), "Activities[0].Extension.Source: must be absent: the input activity"),
        (with_end(0, {"Join": "any"}), "Activities[0].Extension.Join: any needs an activity that follows several"),
        (
            with_end(4, {"Join": "any"}),
            "Activities[4].Extension.Join: must be absent: the output activity does no work",
        ),
        (with_end(4, {"Priority": 1}), "Activities[4].Extension.Priority: must be absent"),
        (with_end(1, {"Join": "any"}), "Activities[1].Extension.Join: any needs an activity that follows several"),
        (joined({"Retry": {"MaxAttempts": 1}}, "action-exec-rules"), "Activities[3].Extension.Retry: must be absent: "),
        (joined({"Timeouts": {}}, "action-exec-rules"), "Activities[3].Extension.Timeouts: must be absent: rules are"),
    ],
)
def test_members_that_would_mean_nothing_are_refused(activities: list[dict[str, Any]], message: str) -> None:
    code, text = refused(activities)
    assert (code, text.startswith(message)) == ("InvalidParameterValue", True), text


def test_input_output_and_rules_take_what_means_something_there() -> None:
    activities = joined({"Join": "any", "Source": "original", "Name": "gate"}, "action-exec-rules")
    activities[0]["Extension"] = {"Name": "probe", "Retry": {"MaxAttempts": 1}, "Timeouts": {"RunningSeconds": 9}}
    activities[4]["Extension"] = {"Name": "end"}
    nodes = read(activities).nodes
    assert [node.name for node in nodes] == ["probe", None, None, "gate", "end"]
    assert (nodes[3].join, nodes[3].source) == (Join.ANY, "original")


def test_a_name_is_taken_once() -> None:
    activities = joined({"Name": "one"})
    activities[1]["Extension"] = {"Name": "one"}
    assert refused(activities) == (
        "InvalidParameterValue",
        "Activities[3].Extension.Name: 'one' is the name of Activities[1] already",
    )


# -- rules ----------------------------------------------------------------------------------------------------------


def forked(task: dict[str, Any], **names: str) -> list[dict[str, Any]]:
    """0 input -> 1 transcode -> 2 rules -> 3, 4 transcode -> 5 output."""
    activities = [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        activity(2),
        {"ActivityType": "action-exec-rules", "ReardriveIndex": [3, 4], "ActivityPara": {"ExecRulesTask": task}},
        activity(5),
        activity(5),
        {"ActivityType": "output"},
    ]
    for node, name in names.items():
        activities[int(node[1:])]["Extension"] = {"Name": name}
    return activities


def test_rules_come_back_as_sent() -> None:
    task = {
        "Rules": [
            {
                "Id": "1",
                "Linker": "&&",
                "Conditions": [{"Key": "MetaData.Width", "Value": ">=1080"}, {"Key": "MetaData.Height", "Value": "5"}],
                "RearDriveIndexs": [3],
            },
            {"Id": "2", "Expression": "nodes.first.Output.Width > 1 or nodes.1.error != null", "RearDriveIndexs": [3]},
        ],
        "ElseRearDriveIndexs": [4],
    }
    graph = read(forked(task, n1="first"))
    assert (graph.nodes[2].kind, graph.nodes[2].params) == ("rules", task)
    assert graph.parameters[1].index == 2
    shown = render_activities(graph.nodes)
    assert shown[2]["ActivityType"] == "action-exec-rules"
    assert shown[2]["ActivityPara"] == {"ExecRulesTask": task}


TASK = "Activities[2].ActivityPara.ExecRulesTask"


@pytest.mark.parametrize(
    ("task", "code", "message"),
    [
        ({}, "MissingParameter", f"{TASK}.Rules: "),
        ({"Rules": []}, "InvalidParameterValue", f"{TASK}.Rules: "),
        (rules([3, 4], "MetaData.Width >"), "InvalidParameterValue", f"{TASK}.Rules[0].Expression: line 1, column 17"),
        (rules([3, 4], "MetaData.Widht > 1"), "InvalidParameterValue", f"{TASK}.Rules[0].Expression"),
        (rules([3, 4], "nodes.nobody.state == 'x'"), "InvalidParameterValue", f"{TASK}.Rules[0].Expression"),
        (rules([3, 4], "nodes.later.state == 'x'"), "InvalidParameterValue", f"{TASK}.Rules[0].Expression"),
        (rules([3, 4], "nodes.3.state == 'x'"), "InvalidParameterValue", f"{TASK}.Rules[0].Expression"),
        (rules([5], "true", [3, 4]), "InvalidParameterValue", f"{TASK}.Rules[0].RearDriveIndexs"),
        (rules([3, 4], "true", [1]), "InvalidParameterValue", f"{TASK}.ElseRearDriveIndexs"),
        (rules([3], "true"), "InvalidParameterValue", f"{TASK}.Rules: successor 4"),
        (rules([3, 3], "true", [4]), "InvalidParameterValue", f"{TASK}.Rules[0].RearDriveIndexs: "),
        (rules([3, 4], "true") | {"Typo": 1}, "InvalidParameterValue", f"{TASK}.Typo: must be absent"),
    ],
)
def test_rules_that_do_not_fit_the_graph_are_refused(task: dict[str, Any], code: str, message: str) -> None:
    got, text = refused(forked(task, n4="later"))
    assert (got, text.startswith(message)) == (code, True), text


def test_a_rules_node_without_its_parameters_is_refused() -> None:
    activities = forked(rules([3], "true", [4]))
    activities[2]["ActivityPara"] = {"TranscodeTask": {"Definition": 100010}}
    assert refused(activities)[1].startswith("Activities[2].ActivityPara.TranscodeTask: must be absent")
