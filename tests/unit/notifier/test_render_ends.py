"""What the wire shows of rules, of runs that somebody ended or paused, and of nodes that were tried again."""

from __future__ import annotations

import json
import warnings
from typing import Any

from tencentcloud.mps.v20190612 import models

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Obey
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node
from shared.model.run import Command, CommandKind, Run
from shared.model.task import NodeResult, TaskState
from shared.mps.render import mps_task, task_event
from tests.builders import T0, a_graph, a_run, ended

RULES = {
    "Rules": [
        {"Id": "hd", "Conditions": [{"Key": "MetaData.Width", "Value": ">=1080"}], "RearDriveIndexs": [2]},
        {"Id": "sd", "Conditions": [{"Key": "MetaData.Width", "Value": "<1080"}], "RearDriveIndexs": [3]},
    ]
}
TRANSCODE = Node(kind="transcode", params={"Definition": 100010})
BROKEN = Failure(code=ErrCode.SOURCE_FILE, message="damaged")


def forked() -> tuple[Node, ...]:
    """0 input -> 1 rules -> 2, 3 transcode -> 4 output."""
    return a_graph([[1], [2, 3], [4], [4], []], n1=Node(kind="rules", params=RULES), n2=TRANSCODE, n3=TRANSCODE)


class Told:
    """A run and the tasks that it has queued."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.run = a_run(nodes)
        self.tasks: dict[int, Any] = {}
        self.happens(Begin())

    def happens(self, event: Event) -> None:
        self.run, messages = advance(self.run, event, T0)
        self.tasks |= {entry.task.node: entry.task for entry in messages if entry.task is not None}

    def ends(self, node: int, **members: Any) -> None:
        self.happens(Ended(ended(self.tasks[node], **members)))

    def command(self, kind: CommandKind, node: int | None = None) -> None:
        self.run = self.run.with_changes(commands=(Command(kind=kind, at=T0, node=node),))
        self.happens(Obey())

    def probed(self, width: int = 640) -> Told:
        self.ends(0, result=NodeResult(metadata={"Width": width}))
        return self


def results(task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for item in task["ActivityResultSet"]:
        (member,) = [member for member in item["ActivityResItem"].values() if member is not None]
        found[item["ActivityType"]] = member
    return found


def test_rules_show_what_they_chose() -> None:
    told = Told(forked()).probed(width=640)
    task = mps_task(told.run, {3: told.tasks[3].with_changes(claimed_at=T0)})
    assert list(results(task)) == ["ExecRules", "Transcode"]
    assert results(task)["ExecRules"] == {
        "Status": "SUCCESS",
        "ErrCodeExt": "",
        "Message": "SUCCESS",
        "Input": RULES,
        "Output": {"RearDriveIndex": [3]},
    }
    told.ends(3)
    assert told.run.state.final
    assert list(results(mps_task(told.run))) == ["ExecRules", "Transcode"]


def test_rules_go_through_the_official_sdk_without_loss() -> None:
    told = Told(forked()).probed()
    told.ends(3)
    event = task_event(told.run, up_to=told.run.sequence, notify_key="k", now=T0)
    parsed = models.ParseNotificationResponse()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed.from_json_string(json.dumps(event))
    (rules, _) = parsed.ScheduleTaskEvent.ActivityResultSet
    found = rules.ActivityResItem.ExecRuleTask
    assert (rules.ActivityType, found.Status, found.Output.RearDriveIndex) == ("ExecRules", "SUCCESS", [3])
    assert [rule.Conditions[0].Value for rule in found.Input.Rules] == [">=1080", "<1080"]


def test_a_cancelled_run_does_not_look_as_if_all_had_been_done() -> None:
    told = Told(forked()).probed()
    told.command(CommandKind.CANCEL)
    for task in (mps_task(told.run), mps_task(told.run, up_to=told.run.sequence)):
        assert (task["Status"], task["ErrCode"]) == ("FINISH", 40001)
        assert task["Message"] == "Cancelled: the task was ended on request"
        assert list(results(task)) == ["ExecRules"]
    before = mps_task(told.run, up_to=told.run.sequence - 2)
    assert (before["Status"], before["ErrCode"], before["Message"]) == ("PROCESSING", 0, "")


def test_a_paused_run_is_processing() -> None:
    told = Told(forked()).probed()
    told.command(CommandKind.PAUSE)
    assert mps_task(told.run)["Status"] == "PROCESSING"


def test_a_failure_is_still_told_after_somebody_tried_the_node_again() -> None:
    told = Told(forked()).probed()
    told.ends(3, state=TaskState.FAILED, failure=BROKEN)
    assert told.run.state.final  # nothing else was at work: that run cannot be helped any more

    two = Told(a_graph([[1, 2], [3], [3], []], n1=TRANSCODE, n2=TRANSCODE)).probed()
    two.ends(1, state=TaskState.FAILED, failure=BROKEN)
    failed_at = two.run.sequence
    two.command(CommandKind.RETRY_NODE, 1)
    two.ends(1)
    two.ends(2)
    late = mps_task(two.run, up_to=failed_at)["ActivityResultSet"][0]["ActivityResItem"]["TranscodeTask"]
    assert (late["Status"], late["ErrCodeExt"], late["Message"]) == ("FAIL", "SourceFileError", "damaged")
    now = mps_task(two.run)["ActivityResultSet"][0]["ActivityResItem"]["TranscodeTask"]
    assert now["Status"] == "SUCCESS"


def test_a_source_that_was_read_at_the_second_try_is_no_failure_of_the_task() -> None:
    nodes = a_graph([[1], [2], []], n1=TRANSCODE)
    told = Told(nodes)
    told.command(CommandKind.PAUSE)
    told.ends(0, state=TaskState.FAILED, failure=Failure(code=ErrCode.INTERNAL, message="away", retryable=True))
    waiting: Run = told.run
    assert mps_task(waiting)["ErrCode"] == 0
    told.command(CommandKind.RESUME)
    told.command(CommandKind.RETRY_NODE, 0)
    told.probed()
    told.ends(1)
    assert mps_task(told.run)["ErrCode"] == 0
