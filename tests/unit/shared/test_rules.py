"""The rules node: what is taken at save, what is refused, and what is chosen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from services.scheduler.domain.rules import decide
from shared.conditions import parse
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node
from shared.model.run import NodeState, Run
from shared.model.task import NodeResult
from shared.mps.rules import MAX_EXPLANATION, ExecRulesTask, check_rules, choose
from shared.mps.scope import ROOTS, ancestors, scope_of, suggestion
from tests.builders import a_graph, a_media, a_run
from tests.unit.conditions.strategies import JSON, SCOPES

QUALITY = {
    "NoAudio": False,
    "NoVideo": False,
    "QualityEvaluationScore": 71,
    "QualityEvaluationMeanOpinionScore": 3.9,
    "QualityControlResultSet": [
        {"Type": "Blur", "QualityControlItems": [{"Confidence": 60}, {"Confidence": 93}]},
        {"Type": "NoVoice", "QualityControlItems": [{"StartTimeOffset": 1.0}]},
    ],
    "ContainerDiagnoseResultSet": [{"Category": "TimeStampException", "Type": "DtsJitter", "SeverityLevel": "Warning"}],
}
REVIEW = [
    {"Type": "Porn", "PornTask": {"Status": "SUCCESS", "Output": {"Confidence": 3.0, "Suggestion": "pass"}}},
    {"Type": "Terrorism", "TerrorismTask": {"Status": "SUCCESS", "Output": {"Suggestion": "review"}}},
    {"Type": "Political", "PoliticalTask": {"Status": "FAIL", "Output": None}},
]


def the_nodes() -> tuple[Node, ...]:
    """0 input -> 1 quality control -> 2 "review" -> 3 rules -> 4, 5, 6 -> 7 output."""
    return a_graph(
        [[1], [2], [3], [4, 5, 6], [7], [7], [7], []],
        n1=Node(kind="quality_control"),
        n2=Node(kind="content_review", name="审核-1"),
        n3=Node(kind="rules", name="gate"),
        n4=Node(kind="noop", name="later"),
    )


def the_run(**results: Any) -> Run:
    """A run at its rules node; `n1=payload` is what node 1 came to."""
    run = a_run(the_nodes(), source=a_media("in/夜 1.MP4"))
    nodes = list(run.node_runs)
    for name, payload in ({"n1": QUALITY, "n2": REVIEW} | results).items():
        nodes[int(name[1:])] = nodes[int(name[1:])].model_copy(
            update={
                "state": NodeState.SUCCEEDED,
                "attempt": 1,
                "result": NodeResult(payload=payload, echo={"Definition": 10}),
            }
        )
    return run.with_changes(node_runs=tuple(nodes), metadata={"Width": 640, "VideoStreamSet": [{"Codec": "h264"}]})


def a_task(*rules: dict[str, Any], **members: Any) -> ExecRulesTask:
    """Rules that lead to 4, 5, ... unless they say otherwise."""
    given = [{"Id": f"r{at}", "RearDriveIndexs": [3 + at]} | rule for at, rule in enumerate(rules, start=1)]
    return ExecRulesTask.model_validate({"Rules": given} | members)


def when(key: str, value: str) -> dict[str, Any]:
    """A rule of one condition."""
    return {"Conditions": [{"Key": key, "Value": value}]}


@pytest.mark.parametrize(
    ("key", "value", "holds"),
    [
        ("QualityEvaluationScore", ">=60", True),
        ("QualityEvaluationScore", " < 60 ", False),
        ("QualityEvaluationScore", "71", True),
        ("QualityEvaluationScore", "==71.0", True),
        ("QualityEvaluationScore", "!=71", False),
        ("QualityEvaluationMeanOpinionScore", "> 3.5", True),
        ("NoAudio", "false", True),
        ("NoVideo", "!=true", True),
        ("Blur", ">=90", True),
        ("Blur", "true", True),
        ("Blur", "!=true", False),
        ("Mosaic", "0", True),
        ("Mosaic", "false", True),
        ("NoVoice", "==100", True),
        ("DtsJitter", ">0", True),
        ("MetaData.Width", "<=640", True),
        ("MetaData.Width", ">-1", True),
        ("MetaData.Height", ">=0", False),
        ("MetaData.VideoStreamSet[0].Codec", "h264", True),
        ("MetaData.VideoStreamSet.0.Codec", "=='h264'", True),
        ("MetaData.VideoStreamSet[0].Codec", '!="a or true"', True),
    ],
)
def test_condition_of_the_contract(key: str, value: str, holds: bool) -> None:
    task = a_task(when(key, value))
    assert choose(task, scope_of(the_run(), 3)).chosen == ((4,) if holds else ())


def test_linker_joins_conditions() -> None:
    both = [{"Key": "NoAudio", "Value": "false"}, {"Key": "Blur", "Value": "<50"}]
    scope = scope_of(the_run(), 3)
    assert choose(a_task({"Conditions": both, "Linker": "&&"}), scope).held == ()
    either = choose(a_task({"Conditions": both, "Linker": "||"}), scope)
    assert either.held == ("r1",)
    assert either.explanation == "rule r1 holds: NoAudio (false) == false is true"


def test_all_rules_that_hold_are_followed_and_nothing_else() -> None:
    task = a_task(
        {"Expression": "MetaData.Width >= 640", "RearDriveIndexs": [6, 4]},
        {"Expression": "MetaData.Width >= 1080", "RearDriveIndexs": [5]},
        {"Expression": 'nodes["审核-1"].suggestion == "review"', "RearDriveIndexs": [4]},
        ElseRearDriveIndexs=[5],
    )
    choice = choose(task, scope_of(the_run(), 3))
    assert choice.chosen == (4, 6)
    assert choice.held == ("r1", "r3")
    assert choice.payload == {"RearDriveIndex": [4, 6]}
    assert choice.explanation.splitlines() == [
        "rule r1 holds: MetaData.Width (640) >= 640 is true",
        "rule r2 does not hold: MetaData.Width (640) >= 1080 is false",
        'rule r3 holds: nodes["审核-1"].suggestion ("review") == "review" is true',
    ]


def test_else_branch_is_taken_when_nothing_holds_or_is_known() -> None:
    task = a_task({"Expression": "MetaData.Width != 640"}, when("Blur", ">=0"), ElseRearDriveIndexs=[6])
    choice = choose(task, scope_of(a_run(the_nodes()), 3))
    assert (choice.chosen, choice.held) == ((6,), ())
    assert choice.explanation.splitlines() == [
        "rule r1 does not hold: MetaData.Width (missing) != 640 is unknown",
        "rule r2 does not hold: Blur (missing) >= 0 is unknown",
        "no rule holds: the else branch is taken",
    ]
    without = choose(a_task({"Expression": "MetaData.Width != 640"}), {})
    assert (without.chosen, without.payload) == ((), {"RearDriveIndex": []})


def test_explanation_is_bounded() -> None:
    rules = [{"Id": str(at), "Expression": " or ".join(["input.key == 'x'"] * 90)} for at in range(100)]
    assert len(choose(a_task(*rules), {}).explanation) == MAX_EXPLANATION


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "rule 'r1' has neither Conditions nor Expression: give one of them"),
        ({"Conditions": []}, "rule 'r1' has neither Conditions nor Expression: give one of them"),
        ({"Expression": "NoAudio", **when("NoAudio", "true")}, "rule 'r1' has both Conditions and Expression"),
        ({"Expression": "NoAudio", "Linker": "&&"}, "rule 'r1': Linker joins Conditions"),
        ({"Conditions": when("Blur", "1")["Conditions"] * 2}, "rule 'r1' has several Conditions and needs a Linker"),
        ({"Conditions": when("Blur", "1")["Conditions"], "Linker": "and"}, "Input should be '&&', '||'"),
        ({"Expression": "MetaData.Width > "}, "line 1, column 17: ends too early"),
        ({"Expression": "NoAudio", "RearDriveIndexs": []}, "at least 1 item"),
        ({"Expression": "NoAudio", "RearDriveIndexs": [4, 4]}, "names the same index twice"),
        ({"Expression": "NoAudio", "RearDriveIndexs": [-1]}, "greater than or equal to 0"),
        ({"Expression": "NoAudio", "Id": ""}, "at least 1 character"),
        (when("Blurr", "1"), "Key is neither a quality-control item nor MetaData.<member>"),
        (when("input.size", "1"), "Key is neither a quality-control item nor MetaData.<member>"),
        (when("NoAudio or true", "1"), "Key is neither a quality-control item nor MetaData.<member>"),
        (when("", "1"), "Key: line 1, column 1: is empty"),
        (when("MetaData.Widht", "1"), "Key: line 1, column 10: unknown member 'Widht': did you mean Width?"),
        (when("MetaData.VideoStreamSet", "1"), "Key names a list or an object, not a value"),
        (when("MetaData.VideoStreamSet.Codec", "1"), "this is a list, write [0] for its first item"),
        (when("Blur", ">="), "Value has no literal: write for example >=60"),
        (when("Blur", ">=much"), "Value: 'much' is not a number"),
        (when("Blur", "1 or true"), "Value: '1 or true' is not a number"),
        (when("Blur", "<true"), "Value: true cannot be compared by <"),
        (when("NoAudio", "1"), "Value: '1' is neither true nor false"),
        (when("NoAudio", ">=true"), "Value: a truth value cannot be compared by >="),
        ({"Expression": "NoAudio", "Other": 1}, "Extra inputs are not permitted"),
    ],
)
def test_bad_rule_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        a_task(rule)
    assert message in str(caught.value)


def test_rules_need_different_ids() -> None:
    with pytest.raises(ValidationError, match=r"Rules\[1\]\.Id: 'r' is the name of an earlier rule"):
        a_task({"Id": "r", "Expression": "NoAudio"}, {"Id": "r", "Expression": "NoVideo"})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"Expression": "NoAudio", "RearDriveIndexs": [2]},
            "Rules[0].RearDriveIndexs (rule 'r1'): 2 is not a successor of this node (they are 4, 5, 6)",
        ),
        (
            {"Expression": "nodes.later.state == 'failed'"},
            "Rules[0].Expression (rule 'r1'): line 1, column 7: 'later' is not the name of a node that comes before "
            "this one",
        ),
        (
            {"Expression": "true or nodes[3].state == 'failed'"},
            "Rules[0].Expression (rule 'r1'): line 1, column 15: 3 is not the index of a node that comes before this "
            "one",
        ),
        (
            {"Expression": "nodes.审核.suggestion == 'block'"},
            "Rules[0].Expression (rule 'r1'): line 1, column 7: '审核' is not the name of a node that comes before "
            'this one: did you mean ["审核-1"]?',
        ),
        (
            {"Expression": "MetaData.VideoStreamSet[0].Width > 1 and MetaData.Videos == 1"},
            "Rules[0].Expression (rule 'r1'): line 1, column 51: unknown member 'Videos': did you mean VideoStreamSet?",
        ),
    ],
)
def test_rule_that_does_not_fit_the_graph_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^Rules") as caught:
        check_rules(a_task(rule, ElseRearDriveIndexs=[4, 5, 6]), 3, the_nodes())
    assert str(caught.value) == message


def test_else_branch_and_successors_are_checked() -> None:
    nodes = the_nodes()
    rule = {"Expression": "NoAudio", "RearDriveIndexs": [4]}
    with pytest.raises(ValueError, match="ElseRearDriveIndexs: 7 is not a successor"):
        check_rules(a_task(rule, ElseRearDriveIndexs=[7]), 3, nodes)
    with pytest.raises(ValueError, match="Rules: successor 6 is chosen by no rule and not by ElseRearDriveIndexs"):
        check_rules(a_task(rule, ElseRearDriveIndexs=[5]), 3, nodes)
    check_rules(a_task(rule, ElseRearDriveIndexs=[5, 6]), 3, nodes)


@pytest.mark.parametrize(
    ("rule", "member"), [(when("Blur", "1"), "Conditions[0].Key"), ({"Expression": "Blur > 1"}, "Expression")]
)
def test_quality_items_need_a_quality_control_node(rule: dict[str, Any], member: str) -> None:
    nodes = a_graph([[1], [2], []], n1=Node(kind="rules"))
    with pytest.raises(ValueError, match="Blur needs a quality-control node before this one") as caught:
        check_rules(a_task(rule | {"RearDriveIndexs": [2]}), 1, nodes)
    assert str(caught.value).startswith(f"Rules[0].{member} (rule 'r1')")


@pytest.mark.parametrize(
    "text",
    [
        'input.bucket == "media-1250000000" and input.key endswith "1.MP4" and input.ext == "mp4"',
        'input.name == "夜 1.MP4" and input.size == 1000',
        'nodes[1].state == "succeeded" and nodes[1].attempt == 1 and nodes[1].error == null',
        "nodes[1].Output.QualityEvaluationScore == 71 and nodes[1].QualityEvaluationScore == 71",
        "nodes[1].Input.Definition == 10",
        'nodes["审核-1"].Output[0].PornTask.Output.Confidence == 3',
        "Blur == 93 and NoVoice == 100 and DtsJitter == 100 and Mosaic == 0 and not NoAudio",
        "nodes.gate.state == null and nodes.later.state == null and nodes[7].state == null",
        "len(MetaData.VideoStreamSet) == 1 and MetaData.Height == null",
    ],
)
def test_scope_shows_what_came_before(text: str) -> None:
    assert parse(text).explain(scope_of(the_run(), 3)).holds


def test_scope_of_the_whole_run_shows_all_nodes_and_failures() -> None:
    run = the_run()
    failed = run.node_runs[4].model_copy(
        update={"state": NodeState.FAILED, "failure": Failure(code=ErrCode.NO_VIDEO, message="no picture")}
    )
    run = run.with_changes(node_runs=(*run.node_runs[:4], failed, *run.node_runs[5:]))
    text = 'nodes.later.error == "SourceFileError.NoVideoMedia" and nodes[4].state == "failed" and Blur == 93'
    assert parse(text).evaluate(scope_of(run))


def test_nearest_quality_control_with_a_result_is_asked() -> None:
    nodes = a_graph(
        [[1], [2], [3], [4], []],
        n1=Node(kind="quality_control"),
        n2=Node(kind="quality_control"),
        n3=Node(kind="rules"),
    )
    run = a_run(nodes)
    scores: list[NodeResult | None] = [None, *(NodeResult(payload={"QualityEvaluationScore": s}) for s in (10, 20))]
    scores += [None, None]
    both = [each.model_copy(update={"result": score}) for each, score in zip(run.node_runs, scores, strict=True)]
    text = parse("QualityEvaluationScore == 20")
    assert text.evaluate(scope_of(run.with_changes(node_runs=tuple(both)), 3))
    both[2] = both[2].model_copy(update={"result": None})
    older = parse("QualityEvaluationScore == 10")
    assert older.evaluate(scope_of(run.with_changes(node_runs=tuple(both)), 3))


def test_ancestors_are_the_nodes_before_nearest_first() -> None:
    assert ancestors(the_nodes(), 3) == (2, 1, 0)
    assert ancestors(the_nodes(), 7) == (4, 5, 6, 3, 2, 1, 0)


def test_strictest_suggestion_counts() -> None:
    assert suggestion(REVIEW) == "review"
    assert suggestion([*REVIEW, {"PoliticalTask": {"Output": {"Suggestion": "block"}}}]) == "block"
    assert suggestion({"Suggestion": "pass"}) == "pass"
    assert suggestion([]) is None


@given(SCOPES, JSON, JSON)
def test_choice_is_total_whatever_the_nodes_left_behind(metadata: dict[str, Any], quality: Any, review: Any) -> None:
    task = a_task(
        *(when(key, ">=1") for key, shape in ROOTS.items() if shape == "number"),
        {"Expression": 'nodes[2].suggestion == "block" and NoAudio or MetaData.VideoStreamSet[0].Fps > 1'},
        {"Expression": "nodes[1].Output.QualityControlResultSet[0].Type == 'Blur' or nodes[1].x > 1"},
        ElseRearDriveIndexs=[4],
    )
    quality_set = {"QualityControlResultSet": quality, "ContainerDiagnoseResultSet": [quality]}
    for payload in (
        quality,
        quality_set,
        {"QualityControlResultSet": [{"Type": "Blur", "QualityControlItems": quality}]},
    ):
        run = the_run(n1=payload, n2=review).with_changes(metadata=metadata)
        assert choose(task, scope_of(run, 3)).chosen
        assert set(scope_of(run, 3)["nodes"]) == {"审核-1", "0", "1", "2"}


def test_decision_is_the_node_result() -> None:
    params = {"Rules": [{"Id": "big", "RearDriveIndexs": [5], "Expression": "MetaData.Width > 1"}]}
    nodes = list(the_nodes())
    nodes[3] = nodes[3].model_copy(update={"params": params})
    decision = decide(the_run().with_changes(nodes=tuple(nodes)), 3)
    assert decision.node_result.chosen == (5,)
    assert decision.node_result.echo == params
    assert decision.node_result.payload == {"RearDriveIndex": [5]}
    assert decision.explanation == "rule big holds: MetaData.Width (640) > 1 is true"


def test_rules_that_cannot_be_read_any_more_choose_nothing() -> None:
    nodes = list(the_nodes())
    nodes[3] = nodes[3].model_copy(update={"params": {"Rules": []}})
    decision = decide(the_run().with_changes(nodes=tuple(nodes)), 3)
    assert decision.node_result.chosen == ()
    assert decision.explanation.startswith("the rules cannot be read any more")
