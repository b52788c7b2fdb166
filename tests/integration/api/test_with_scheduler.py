"""API, scheduler and queue together: ManageTask, paused runs, priorities, rules."""

import asyncio

import pytest

from services.scheduler.orchestrator import Orchestrator
from shared.messages.messages import RunRequested
from shared.messages.topics import Topics
from shared.model.commands import MAX_PENDING
from shared.model.run import Command, CommandKind, RunState
from shared.model.task import Lane, NodeResult, TaskState
from shared.state.task_queue import Holder, TaskQueue
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, REGION, schedule

VALUE = "InvalidParameterValue"
INPUT = {"Type": "COS", "CosInputInfo": {"Bucket": BUCKET, "Region": REGION, "Object": "/in/a.mp4"}}
HOLDER = Holder("worker-1", "process-1")


@pytest.fixture
async def number(stand):
    stand.objects.put(BUCKET, "in/a.mp4")
    return await stand.create(TaskNotifyConfig={"QueueName": "q", "NotifyMode": "Change"})


@pytest.fixture
def queue(stand):
    return TaskQueue(stand.records)


@pytest.fixture
def scheduler(stand, queue):
    return Orchestrator(stand.records, queue, stand.publisher, Topics())


async def process(stand, number, **changes):
    return (await stand.call("ProcessMedia", {"InputInfo": INPUT, "ScheduleId": number, **changes})).TaskId


async def rung(stand, scheduler):
    """The scheduler takes in what was sent to it."""
    sent = [outgoing.message for outgoing in stand.publisher.sent]
    stand.publisher.sent.clear()
    await scheduler.requested([message for message in sent if isinstance(message, RunRequested)])


async def abort(stand, task, **client):
    return await stand.call("ManageTask", {"OperationType": "Abort", "TaskId": task}, **client)


async def test_a_waiting_task_is_aborted(stand, number, scheduler, queue):
    task = await process(stand, number)
    await abort(stand, task)
    run = await stand.records.runs.get(task)
    assert [command.kind for command in run.commands] == [CommandKind.CANCEL]
    assert run.due_at == stand.store_clock.now()
    await rung(stand, scheduler)
    detail = await stand.call("DescribeTaskDetail", {"TaskId": task})
    assert (detail.Status, detail.ScheduleTask.Status) == ("FINISH", "FINISH")
    assert detail.ScheduleTask.ErrCode == 40001
    assert detail.ScheduleTask.Message.startswith("Cancelled: ")
    assert detail.FinishTime == "2026-11-23T10:00:00Z"
    assert await queue.claim_next(Lane.LIGHT, HOLDER, 5) == []
    assert [found.TaskId for found in (await stand.call("DescribeTasks", {"Status": "FINISH"})).TaskSet] == [task]


async def test_a_processing_task_is_aborted_and_its_worker_loses_it(stand, number, scheduler, queue):
    task = await process(stand, number)
    await rung(stand, scheduler)
    (probe,) = await queue.claim_next(Lane.LIGHT, HOLDER, 5)
    await abort(stand, task)
    await rung(stand, scheduler)
    assert await queue.lost(HOLDER, {probe.id: probe.fence}) == {probe.id}
    assert (await stand.records.tasks.get(probe.id)).state is TaskState.CANCELLED
    assert (await stand.records.runs.get(task)).state is RunState.CANCELLED


async def test_an_abort_is_not_lost_with_the_bus(stand, number, scheduler):
    task = await process(stand, number)
    stand.publisher.down = True
    await abort(stand, task)
    stand.publisher.down = False
    await scheduler.sweep(10)
    assert (await stand.records.runs.get(task)).state is RunState.CANCELLED


async def test_aborting_twice_is_one_command(stand, number):
    task = await process(stand, number)
    await asyncio.gather(*(abort(stand, task) for _ in range(5)))
    assert len((await stand.records.runs.get(task)).commands) == 1


async def test_too_many_waiting_commands_are_refused(stand, number):
    task = await process(stand, number)
    many = tuple(Command(kind=CommandKind.PAUSE, at=stand.store_clock.now()) for _ in range(MAX_PENDING))
    await stand.records.runs.change(task, lambda run: run.with_changes(commands=many))
    error = await stand.refusal("ManageTask", {"OperationType": "Abort", "TaskId": task})
    assert (error.code, "20 commands" in error.message) == (f"{VALUE}.NotProcessingTask", True)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"OperationType": "Pause"}, f"{VALUE}.InvalidOperationType", "OperationType:"),
        ({"OperationType": "abort"}, f"{VALUE}.InvalidOperationType", "OperationType:"),
        ({"OperationType": None}, "MissingParameter", "OperationType:"),
        ({"TaskId": None}, "MissingParameter", "TaskId:"),
        ({"TaskId": "nobody"}, f"{VALUE}.TaskId", "TaskId:"),
    ],
)
async def test_refused_operations_change_nothing(stand, number, changes, code, field):
    task = await process(stand, number)
    request = {"OperationType": "Abort", "TaskId": task, **changes}
    request = {name: value for name, value in request.items() if value is not None}
    error = await stand.refusal("ManageTask", request)
    assert (error.code, error.message.startswith(field)) == (code, True), error.message
    assert (await stand.records.runs.get(task)).commands == ()


async def test_a_finished_task_cannot_be_aborted(stand, number, scheduler):
    task = await process(stand, number)
    await abort(stand, task)
    await rung(stand, scheduler)
    before = await stand.records.runs.get(task)
    error = await stand.refusal("ManageTask", {"OperationType": "Abort", "TaskId": task})
    assert error.code == f"{VALUE}.NotProcessingTask"
    assert error.message == "TaskId: the run has ended (cancelled)"
    assert await stand.records.runs.get(task) == before


async def test_somebody_elses_task_is_not_there(stand, number):
    task = await process(stand, number)
    request = {"OperationType": "Abort", "TaskId": task}
    error = await stand.refusal("ManageTask", request, secret_id=OTHER_ID, secret_key=OTHER_KEY)
    assert error.code == f"{VALUE}.TaskId"
    assert (await stand.records.runs.get(task)).commands == ()


async def test_a_paused_task_is_processing(stand, number, scheduler):
    task = await process(stand, number)
    await rung(stand, scheduler)
    pause = Command(kind=CommandKind.PAUSE, at=stand.store_clock.now())
    await stand.records.runs.change(task, lambda run: run.with_changes(commands=(pause,)))
    await scheduler.requested([RunRequested(run_id=task)])
    assert (await stand.records.runs.get(task)).state is RunState.PAUSED
    detail = await stand.call("DescribeTaskDetail", {"TaskId": task})
    assert (detail.Status, detail.ScheduleTask.Status) == ("PROCESSING", "PROCESSING")
    assert [found.TaskId for found in (await stand.call("DescribeTasks", {"Status": "PROCESSING"})).TaskSet] == [task]


async def test_a_run_goes_on_by_its_definition_after_its_schedule_was_edited_and_deleted(
    stand, number, scheduler, queue
):
    task = await process(stand, number)
    await rung(stand, scheduler)
    await stand.call(
        "ModifySchedule", {"ScheduleId": number, "Activities": GONE, "TaskNotifyConfig": {"TopicName": "t"}}
    )
    later = await process(stand, number)
    await stand.call("DeleteSchedule", {"ScheduleId": number})
    await rung(stand, scheduler)
    worked = {}
    for lane in (Lane.LIGHT, Lane.MEDIA):
        for work in await queue.claim_next(lane, HOLDER, 10):
            worked.setdefault(work.run_id, []).append(work.params)
            done = await queue.succeed(work.id, HOLDER.owner, work.fence, NodeResult())
            await scheduler.announce([done])
    old, new = [await stand.records.runs.get(one) for one in (task, later)]
    assert (old.state, old.definition, new.state, new.definition) == (RunState.SUCCEEDED, 1, RunState.SUCCEEDED, 2)
    assert worked == {task: [{}, {"Definition": 100020}, {"Definition": 10}], later: [{}, {"Definition": 100040}]}
    assert (old.notification.target, new.notification.target) == ("q", "t")


GONE = [
    {"ActivityType": "input", "ReardriveIndex": [1]},
    {"ActivityType": "action-trans", "ReardriveIndex": [2], "ActivityPara": {"TranscodeTask": {"Definition": 100040}}},
    {"ActivityType": "output"},
]


# -- priority -------------------------------------------------------------------------------------------------------


async def claimed(queue, lane):
    """The runs and nodes of all queued tasks, in the order in which workers get them."""
    found = []
    while batch := await queue.claim_next(lane, HOLDER, 1):
        found += [(task.run_id, task.node) for task in batch]
    return found


async def test_tasks_priority_decides_who_is_claimed_first(stand, number, scheduler, queue):
    tasks = {}
    for priority in (0, -10, 10, 3):
        changes = {} if priority == 0 else {"TasksPriority": priority}
        tasks[priority] = await process(stand, number, **changes)
    await rung(stand, scheduler)
    assert await claimed(queue, Lane.LIGHT) == [(tasks[priority], 0) for priority in (10, 3, 0, -10)]


async def test_the_priority_of_an_activity_replaces_that_of_the_task(stand, scheduler, queue):
    stand.objects.put(BUCKET, "in/a.mp4")
    activities = schedule()["Activities"]
    activities[2]["Extension"] = {"Priority": 9}
    made = await stand.call_json("CreateSchedule", schedule(Activities=activities))
    low = await process(stand, made["ScheduleId"], TasksPriority=-5)
    high = await process(stand, made["ScheduleId"], TasksPriority=5)
    await rung(stand, scheduler)
    for probe in await queue.claim_next(Lane.LIGHT, HOLDER, 5):
        done = await queue.succeed(probe.id, HOLDER.owner, probe.fence, NodeResult(metadata={"Width": 1}))
        await scheduler.announce([done])
    # Node 2 goes by its own priority in both runs; the other one by that of its run.
    order = await claimed(queue, Lane.MEDIA)
    assert sorted(order[:2]) == sorted([(low, 2), (high, 2)])
    assert order[2:] == [(high, 1), (low, 1)]


# -- rules ----------------------------------------------------------------------------------------------------------


def transcode(number, following, **extension):
    """Transcodes that write different objects."""
    path = f"{{inputName}}_{number}.{{format}}"
    para = {"TranscodeTask": {"Definition": 100010, "OutputObjectPath": path}}
    return {
        "ActivityType": "action-trans",
        "ReardriveIndex": following,
        "ActivityPara": para,
        "Extension": extension,
    }


RULES = {
    "Rules": [{"Id": "wide", "Expression": "MetaData.Width >= 1000 and input.ext == 'mp4'", "RearDriveIndexs": [2]}],
    "ElseRearDriveIndexs": [3],
}
FORKED = [
    {"ActivityType": "input", "ReardriveIndex": [1]},
    {"ActivityType": "action-exec-rules", "ReardriveIndex": [2, 3], "ActivityPara": {"ExecRulesTask": RULES}},
    transcode(2, [4]),
    transcode(3, [4]),
    transcode(4, [5], Name="join"),
    {"ActivityType": "output"},
]


@pytest.mark.parametrize(("width", "chosen"), [(1280, 2), (640, 3), (None, 3)])
async def test_rules_choose_a_branch_and_the_join_runs(stand, scheduler, queue, width, chosen):
    stand.objects.put(BUCKET, "in/a.mp4")
    made = await stand.call_json("CreateSchedule", schedule(Activities=FORKED))
    task = await process(stand, made["ScheduleId"])
    await rung(stand, scheduler)
    worked = []
    for lane in (Lane.LIGHT, Lane.MEDIA, Lane.MEDIA):
        (work,) = await queue.claim_next(lane, HOLDER, 5)
        metadata = {"Width": width} if width and work.node == 0 else None
        done = await queue.succeed(work.id, HOLDER.owner, work.fence, NodeResult(metadata=metadata))
        await scheduler.announce([done])
        worked.append(work.node)
    assert worked == [0, chosen, 4]
    answer = await stand.call_json("DescribeTaskDetail", {"TaskId": task})
    assert answer["Status"] == "FINISH"
    results = answer["ScheduleTask"]["ActivityResultSet"]
    assert [item["ActivityType"] for item in results] == ["ExecRules", "Transcode", "Transcode"]
    rules = results[0]["ActivityResItem"]["ExecRuleTask"]
    assert (rules["Status"], rules["Input"], rules["Output"]) == ("SUCCESS", RULES, {"RearDriveIndex": [chosen]})
    run = await stand.records.runs.get(task)
    skipped = run.node_runs[5 - chosen]
    assert (skipped.state.value, skipped.unchosen) == ("skipped", True)
    simple = (await stand.call("DescribeTasks", {"Status": "FINISH"})).TaskSet[0]
    assert simple.SubTaskTypes == ["ExecRules", "Transcode"]
