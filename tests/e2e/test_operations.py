"""Operations on runs on the real system: REST, and the command that speaks to it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import psutil
import pytest

from shared.adapters.state_url import open_state
from shared.cores import cores
from shared.model import collections
from shared.model.task import TaskState
from shared.state.records import Records
from tests.e2e.stack import CLIP, ROOT, Callbacks, Stack, raw_transcode, snapshots_at, wait_for

pytestmark = pytest.mark.timeout(300)


class Rest:
    """The REST interface of a stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._http = httpx.Client(trust_env=False, timeout=70)

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, *, expect: int = 200, **how: Any) -> Any:
        ready = self._stack.ready
        answer = self._http.request(
            method, f"{ready['api']}/api/v1{path}", auth=(ready["secret_id"], ready["secret_key"]), **how
        )
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def run(self, run: str) -> Any:
        return self.ask("GET", f"/runs/{run}")

    def command(self, run: str, what: str) -> Any:
        shown = self.ask("POST", f"/runs/{run}/{what}", params={"wait": 20}, expect=202)
        assert shown["commands"] == [], "nobody took the command in"
        return shown

    def rerun(self, run: str, **wish: Any) -> Any:
        return self.ask("POST", f"/runs/{run}/rerun", json=wish, expect=201)

    def run_of(self, key: str) -> str:
        """The newest run on an object."""

        def look() -> str | None:
            page = self.ask("GET", "/runs", params={"limit": 100})
            return next((run["id"] for run in page["runs"] if run["input"]["key"] == key), None)

        return wait_for(f"run of {key}", look)

    def ended(self, run: str, *, within_s: float = 120) -> Any:
        def look() -> Any:
            shown = self.run(run)
            return shown if shown["state"] in ("succeeded", "failed", "cancelled") else None

        return wait_for(f"end of {run}", look, within_s=within_s)

    def node_is(self, run: str, node: int, *states: str, within_s: float = 60) -> Any:
        def look() -> Any:
            shown = self.run(run)
            return shown if shown["nodes"][node]["state"] in states else None

        return wait_for(f"node {node} of {run} {states}", look, within_s=within_s)


@pytest.fixture
def rest(stack: Stack) -> Iterator[Rest]:
    client = Rest(stack)
    yield client
    client.close()


def looped(folder: Path, times: int) -> Path:
    made = folder / f"{times}.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-stream_loop", str(times), "-i", str(CLIP)]
    subprocess.run([*command, "-c", "copy", str(made)], check=True, timeout=60)
    return made


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of film: an encode of it takes far longer than any of these tests looks at it."""
    return looped(tmp_path_factory.mktemp("long"), 112)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of film: even a small encode of it takes long enough to be stopped."""
    return looped(tmp_path_factory.mktemp("film"), 11)


def states(run: Any) -> list[str]:
    return [node["state"] for node in run["nodes"]]


def events(run: Any) -> list[str]:
    return [event["type"] for event in run["history"]]


def ffmpegs(stack: Stack) -> set[int]:
    """The ffmpeg processes below the workers."""
    stack.refresh()
    found = set()
    for name, pid in stack.ready["pids"].items():
        if name.startswith("workers"):
            for child in psutil.Process(pid).children(recursive=True):
                try:
                    if "ffmpeg" in child.name() or any("ffmpeg" in part for part in child.cmdline()[:1]):
                        found.add(child.pid)
                except psutil.Error:
                    continue
    return found


def attempts(stack: Stack) -> list[str]:
    """Folders of attempts in scratch; what the source cache keeps is none."""
    return [path.name for path in (stack.data / "scratch").glob("*/attempt-*")]


# -- cancel, pause, retry -----------------------------------------------------------------------------------------


def test_cancel_during_an_encode_leaves_nothing_and_frees_its_slot(
    stack: Stack, rest: Rest, callbacks: Callbacks, long_clip: Path
) -> None:
    notify = {"NotifyType": "URL", "NotifyUrl": callbacks.url}
    stack.create_pipeline("cancel", "/cancel/", [raw_transcode(360)], OutputDir="/cancel-out/", TaskNotifyConfig=notify)
    stack.create_pipeline("behind", "/behind/", [snapshots_at("0s")], OutputDir="/behind-out/")
    before = ffmpegs(stack)
    stack.upload("cancel/first.mp4", long_clip)
    first = rest.run_of("cancel/first.mp4")
    rest.node_is(first, 1, "running")
    mine = wait_for("ffmpeg", lambda: ffmpegs(stack) - before)
    # All slots of the machine, unless it is a large one; then what comes behind need not wait for a slot.
    slots = cores()
    others = []
    for number in range(1, min(slots, 4)):
        stack.upload(f"cancel/other-{number}.mp4", long_clip)
        others.append(rest.run_of(f"cancel/other-{number}.mp4"))
        rest.node_is(others[-1], 1, "running")
    stack.upload("behind/clip.mp4")
    behind = rest.run_of("behind/clip.mp4")
    if slots <= 4:
        rest.node_is(behind, 1, "queued")

    asked = time.monotonic()
    shown = rest.command(first, "cancel")
    assert shown["state"] == "cancelled"
    assert states(shown)[1:] == ["cancelled", "cancelled"]
    wait_for("death of ffmpeg", lambda: not mine & ffmpegs(stack), within_s=5)
    assert time.monotonic() - asked < 5
    rest.node_is(behind, 1, "running", "succeeded", within_s=10)
    assert rest.ended(behind)["state"] == "succeeded"
    assert [rest.run(other)["nodes"][1]["state"] for other in others] == ["running"] * len(others)

    for other in others:
        rest.command(other, "cancel")
    wait_for("death of all ffmpegs", lambda: not ffmpegs(stack) - before, within_s=5)
    wait_for("empty scratch", lambda: not attempts(stack), within_s=5)
    assert stack.keys("cancel-out/") == {}
    assert stack.s3().list_multipart_uploads(Bucket=stack.bucket).get("Uploads", []) == []
    for run in (first, *others):
        assert events(rest.run(run))[-2:] == ["node.cancelled", "run.finished"]
        wait_for("callback", lambda run=run: callbacks.of(run, "FINISH"))
    rest.ask("POST", f"/runs/{first}/cancel", expect=409)


def test_paused_run_starts_nothing_and_goes_on_when_resumed(stack: Stack, rest: Rest) -> None:
    graph = [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {**raw_transcode(360), "ReardriveIndex": [2]},
        {**snapshots_at("1s"), "ReardriveIndex": [3]},
        {"ActivityType": "output"},
    ]
    stack.create_graph("pause", "/pause/", graph, OutputDir="/pause-out/")
    stack.create_pipeline("meanwhile", "/meanwhile/", [snapshots_at("0s")], OutputDir="/meanwhile-out/")
    stack.upload("pause/clip.mp4")
    run = rest.run_of("pause/clip.mp4")
    rest.node_is(run, 1, "running")
    assert rest.command(run, "pause")["state"] == "paused"
    # What a worker was at goes on to its end; what would follow does not, although others pass it by.
    rest.node_is(run, 1, "succeeded")
    stack.upload("meanwhile/clip.mp4")
    assert rest.ended(rest.run_of("meanwhile/clip.mp4"))["state"] == "succeeded"
    shown = rest.run(run)
    assert (shown["state"], states(shown)[2:]) == ("paused", ["pending", "pending"])
    assert stack.detail(run).Status == "PROCESSING"
    assert rest.command(run, "resume")["state"] == "running"
    shown = rest.ended(run)
    assert (shown["state"], set(states(shown))) == ("succeeded", {"succeeded"})
    assert [event for event in events(shown) if event.startswith("run.")] == [
        "run.started",
        "run.paused",
        "run.resumed",
        "run.finished",
    ]


def lose_between(stack: Stack, rest: Rest, run: str, maker: int, reader: int, key: str) -> bytes:
    """Makes `reader` fail: what `maker` wrote for it is deleted before it is read. Returns what was deleted; put it
    back, and all is well again."""
    rest.node_is(run, maker, "running")
    rest.command(run, "pause")
    shown = rest.node_is(run, maker, "succeeded")
    assert (shown["state"], shown["nodes"][reader]["state"]) == ("paused", "pending")
    body: bytes = stack.s3().get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    stack.s3().delete_object(Bucket=stack.bucket, Key=key)
    rest.command(run, "resume")
    shown = rest.node_is(run, reader, "failed")
    assert shown["nodes"][reader]["failure"]["message"].endswith("does not exist any more")
    return body


def test_failed_node_is_tried_again_while_the_rest_runs(stack: Stack, rest: Rest, film: Path) -> None:
    graph = [
        {"ActivityType": "input", "ReardriveIndex": [1, 2]},
        {**raw_transcode(144), "ReardriveIndex": [3]},
        {**raw_transcode(720, bitrate=4000), "ReardriveIndex": [4]},
        {**snapshots_at("1s"), "ReardriveIndex": [4]},
        {"ActivityType": "output"},
    ]
    stack.create_graph("retry", "/retry/", graph, OutputDir="/retry-out/")
    stack.upload("retry/film.mp4", film)
    run = rest.run_of("retry/film.mp4")
    body = lose_between(stack, rest, run, 1, 3, "retry-out/film_144.mp4")
    rest.ask("POST", f"/runs/{run}/nodes/1/retry", expect=409)
    stack.s3().put_object(Bucket=stack.bucket, Key="retry-out/film_144.mp4", Body=body)
    rest.command(run, "nodes/3/retry")
    shown = rest.node_is(run, 3, "succeeded")
    assert shown["state"] == "running"
    assert shown["nodes"][2]["state"] in ("queued", "running"), "the rest had ended already"
    assert [node["attempt"] for node in shown["nodes"]] == [1, 1, 1, 2, 0]
    assert (shown["nodes"][3]["failure"], "node.reset" in events(shown)) == (None, True)
    rest.command(run, "cancel")


# -- rerun --------------------------------------------------------------------------------------------------------


def seen(stack: Stack, prefix: str) -> dict[str, tuple[str, datetime]]:
    """Etag and time of writing of each object."""
    found = stack.s3().list_objects_v2(Bucket=stack.bucket, Prefix=prefix).get("Contents", [])
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in found}


async def tasks_of(stack: Stack, run: str) -> list[int]:
    """The nodes that tasks were made for in a run."""
    store = await open_state(stack.ready["state"], collections.ALL)
    try:
        return sorted(task.node for task in await Records(store).tasks.find({"run_id": run}))
    finally:
        await store.close()


async def test_rerun_redoes_what_is_asked_for_and_leaves_the_rest_alone(stack: Stack, rest: Rest, film: Path) -> None:
    # 1 transcode -> 3 snapshots of it; 2 other snapshots of the source
    others = snapshots_at("2s")
    others["ActivityPara"]["SnapshotByTimeOffsetTask"]["OutputObjectPath"] = "other_{inputName}_{number}.{format}"
    graph = [
        {"ActivityType": "input", "ReardriveIndex": [1, 2]},
        {**raw_transcode(144), "ReardriveIndex": [3]},
        {**others, "ReardriveIndex": [4]},
        {**snapshots_at("1s"), "ReardriveIndex": [4]},
        {"ActivityType": "output"},
    ]
    pipeline = stack.create_graph("rerun", "/rerun/", graph, OutputDir="/rerun-out/")
    stack.upload("rerun/film.mp4", film)
    first = rest.run_of("rerun/film.mp4")
    made_of_1 = "rerun-out/film_144.mp4"
    body = lose_between(stack, rest, first, 1, 3, made_of_1)
    shown = rest.ended(first)
    assert (shown["state"], states(shown)) == ("failed", ["succeeded", "succeeded", "succeeded", "failed", "succeeded"])
    stack.s3().put_object(Bucket=stack.bucket, Key=made_of_1, Body=body)
    written = seen(stack, "rerun-out/")
    assert len(written) == 2

    # From its failed nodes: the one node, and nothing of the others is touched.
    made = rest.rerun(first, scope="failed")
    assert [node["action"] for node in made["nodes"]] == ["reused", "reused", "reused", "redone", "redone"]
    second = made["run"]["id"]
    assert rest.ask("POST", f"/runs/{first}/rerun", json={}, expect=409)["run_id"] == second
    shown = rest.ended(second)
    assert (shown["state"], set(states(shown))) == ("succeeded", {"succeeded"})
    assert {node["reused"]["run_id"] for node in shown["nodes"] if node["reused"]} == {first}
    assert events(shown).count("node.reused") == 3
    assert await tasks_of(stack, second) == [3]
    now = seen(stack, "rerun-out/")
    assert {key: now[key] for key in written} == written
    assert len(now) == 3
    assert stack.detail(second).ScheduleTask.MetaData.Width == 1280

    # One node and what follows it.
    made = rest.rerun(second, scope="node", node=1)
    assert [node["action"] for node in made["nodes"]] == ["reused", "redone", "reused", "redone", "redone"]
    assert made["nodes"][2]["reused"]["run_id"] == first
    third = made["run"]["id"]
    assert rest.ended(third)["state"] == "succeeded"
    assert await tasks_of(stack, third) == [1, 3]

    # By the latest definition: what is new is done, what is the same work is reused.
    stack.call("DisableSchedule", ScheduleId=pipeline)
    latest = [*graph[:3], {**snapshots_at("3s"), "ReardriveIndex": [4]}, graph[4]]
    stack.call("ModifySchedule", ScheduleId=pipeline, Activities=latest)
    made = rest.rerun(third, definition="latest")
    assert [node["action"] for node in made["nodes"]] == ["reused", "reused", "reused", "redone", "redone"]
    assert made["run"]["definition"] == 2
    fourth = made["run"]["id"]
    assert rest.ended(fourth)["state"] == "succeeded"
    assert await tasks_of(stack, fourth) == [3]

    # An output that is gone is made again, with what follows it; nothing else.
    assert rest.ask("POST", f"/runs/{fourth}/rerun", json={}, expect=409)["code"] == "nothing_to_redo"
    stack.s3().delete_object(Bucket=stack.bucket, Key=made_of_1)
    made = rest.rerun(fourth)
    assert [node["action"] for node in made["nodes"]] == ["reused", "redone", "reused", "redone", "redone"]
    assert made["nodes"][1]["reason"].endswith("does not exist any more")
    fifth = made["run"]["id"]
    assert rest.ended(fifth)["state"] == "succeeded"
    assert made_of_1 in seen(stack, "rerun-out/")

    # Whole.
    made = rest.rerun(fifth, scope="all")
    assert {node["action"] for node in made["nodes"]} == {"redone"}
    sixth = made["run"]["id"]
    shown = rest.ended(sixth)
    assert (shown["state"], shown["epoch"], shown["root"]) == ("succeeded", 5, first)
    assert await tasks_of(stack, sixth) == [0, 1, 2, 3]

    # What cannot be: an input that was overwritten, a pipeline that is gone.
    stack.upload("rerun/film.mp4", ROOT / "LICENSE")
    refused = rest.ask("POST", f"/runs/{sixth}/rerun", json={"scope": "all"}, expect=409)
    assert refused["code"] == "input_overwritten"
    stack.call("DeleteSchedule", ScheduleId=pipeline)
    refused = rest.ask("POST", f"/runs/{sixth}/rerun", json={"scope": "all"}, expect=409)
    assert refused["code"] == "pipeline_deleted"


# -- limits -------------------------------------------------------------------------------------------------------


async def test_pipeline_with_a_limit_of_one_never_has_two_leases(stack: Stack, rest: Rest) -> None:
    actions = [raw_transcode(144), snapshots_at("0s"), snapshots_at("2s")]
    actions[2]["ActivityPara"]["SnapshotByTimeOffsetTask"]["OutputObjectPath"] = "second_{inputName}_{number}.{format}"
    pipeline = stack.create_pipeline("limited", "/limited/", actions, OutputDir="/limited-out/")
    assert rest.ask("PUT", f"/limits/pipelines/{pipeline}", json={"max_running": 1})["max_running"] == 1
    for number in range(3):
        stack.upload(f"limited/{number}.mp4")
    runs = [rest.run_of(f"limited/{number}.mp4") for number in range(3)]
    store = await open_state(stack.ready["state"], collections.ALL)
    most = looks = 0
    try:
        records = Records(store)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            at_work = await records.tasks.count({"state": TaskState.RUNNING.value, "pipeline_id": str(pipeline)})
            most, looks = max(most, at_work), looks + 1
            if looks % 20 == 0 and all(rest.run(run)["state"] == "succeeded" for run in runs):
                break
    finally:
        await store.close()
    assert [rest.run(run)["state"] for run in runs] == ["succeeded"] * 3
    assert (most, looks > 20) == (1, True)
    rest.ask("DELETE", f"/limits/pipelines/{pipeline}", expect=204)
    assert rest.ask("GET", f"/limits/pipelines/{pipeline}") == {"max_running": None, "running": 0}


# -- the command --------------------------------------------------------------------------------------------------


def reelway(stack: Stack, *arguments: str, exit_code: int = 0) -> str:
    """What the command prints."""
    program = Path(sys.executable).with_name("reelway")
    done = subprocess.run(
        [str(program), *arguments, "--ready-file", str(stack.ready_file)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout if exit_code == 0 else done.stderr


def test_prefix_is_processed_by_the_command_although_the_pipeline_is_disabled(stack: Stack, rest: Rest) -> None:
    # No OutputDir: outputs lie beside their sources, where a second pass finds them.
    pipeline = stack.create_pipeline("prefix", "/prefix/", [snapshots_at("0s")], enable=False)
    # Snapshots are no format of the trigger; this one could be anything.
    for key in ("prefix/a.mp4", "prefix/子/b 1%.mp4", "prefix/c.txt"):
        stack.upload(key)
    said = reelway(stack, "pipelines", "process", str(pipeline))
    assert said.endswith("2 started, 0 known, 1 skipped\n")
    runs = [rest.run_of(key) for key in ("prefix/a.mp4", "prefix/子/b 1%.mp4")]
    assert [rest.ended(run)["state"] for run in runs] == ["succeeded"] * 2
    assert reelway(stack, "pipelines", "process", str(pipeline)).endswith("0 started, 2 known, 3 skipped\n")

    # The trigger, once enabled, takes them for what was there before, and the same files for the same runs.
    stack.call("EnableSchedule", ScheduleId=pipeline)
    said = reelway(stack, "pipelines", "process", str(pipeline), "--prefix", "prefix/a", "--again")
    assert "again, after run" in said or "started" in said
    again = rest.run_of("prefix/a.mp4")
    assert again != runs[0]
    shown = rest.ended(again)
    assert (shown["state"], shown["rerun_of"], shown["nodes"][1]["reused"]) == ("succeeded", runs[0], None)


def test_outputs_of_our_runs_are_not_processed(stack: Stack, rest: Rest) -> None:
    pipeline = stack.create_pipeline("own", "/own/", [raw_transcode(144)], enable=False)
    stack.upload("own/clip.mp4")
    reelway(stack, "pipelines", "process", str(pipeline))
    run = rest.run_of("own/clip.mp4")
    assert rest.ended(run)["state"] == "succeeded"
    assert "own/clip_144.mp4" in stack.keys("own/")
    said = reelway(stack, "pipelines", "process", str(pipeline))
    assert f"skipped  own/clip_144.mp4  written by run {run}" in said
    assert said.endswith("0 started, 1 known, 1 skipped\n")


def test_failed_runs_are_rerun_by_the_command(stack: Stack, rest: Rest, tmp_path: Path) -> None:
    pipeline = str(stack.create_pipeline("bulk", "/bulk/", [snapshots_at("1s")], OutputDir="/bulk-out/"))
    no_film = tmp_path / "text.mp4"
    no_film.write_text("this is not a film\n" * 100)
    keys = [f"bulk/{number}.mp4" for number in range(3)]
    for key in keys:
        stack.upload(key, no_film)
    stack.upload("bulk/good.mp4")
    runs = [rest.run_of(key) for key in keys]
    assert [rest.ended(run)["state"] for run in runs] == ["failed"] * 3
    good = rest.run_of("bulk/good.mp4")
    assert rest.ended(good)["state"] == "succeeded"
    newest = max(datetime.fromisoformat(rest.run(run)["created_at"]) for run in (*runs, good))
    just_after = newest + timedelta(microseconds=1)
    arguments = ("runs", "rerun-failed", "--pipeline", pipeline, "--to", just_after.isoformat())
    said = reelway(stack, *arguments)
    assert said.count("(0 reused, 3 redone)") == 3
    assert said.endswith("3 started, 0 refused\n")
    again = [rest.run_of(key) for key in keys]
    assert all(f"{run} -> {other} " in said for run, other in zip(runs, again, strict=True))
    assert rest.run_of("bulk/good.mp4") == good
    assert [rest.ended(run)["state"] for run in again] == ["failed"] * 3
    # The reruns failed as well, but they are not of that time.
    assert reelway(stack, *arguments) == "0 started, 0 refused\n"


def test_life_of_a_run_on_the_command_line(stack: Stack, rest: Rest, long_clip: Path) -> None:
    stack.create_pipeline("command", "/command/", [raw_transcode(360)], OutputDir="/command-out/")
    stack.upload("command/long.mp4", long_clip)
    run = rest.run_of("command/long.mp4")
    rest.node_is(run, 1, "running")
    assert run in reelway(stack, "runs", "list", "--state", "running")
    assert reelway(stack, "runs", "pause", run) == f"{run} paused\n"
    assert reelway(stack, "runs", "resume", run) == f"{run} running\n"
    assert "not paused" in reelway(stack, "runs", "resume", run, exit_code=4)
    assert reelway(stack, "runs", "cancel", run) == f"{run} cancelled\n"
    shown = reelway(stack, "runs", "show", run, "--history")
    for text in ("run.paused", "run.resumed", "node.cancelled", "run.finished", "transcode"):
        assert text in shown
    assert json.loads(reelway(stack, "runs", "show", run, "--json"))["state"] == "cancelled"
    # A short limit keeps the rerun from starting; then it is let go and cancelled for good.
    assert reelway(stack, "limits", "set", "0") == "at most 0, 0 at work\n"
    try:
        said = reelway(stack, "runs", "rerun", run)
        again = said.split()[1]
        assert rest.node_is(again, 0, "succeeded")["nodes"][0]["reused"]["run_id"] == run
        assert rest.node_is(again, 1, "queued")["state"] == "running"
        assert reelway(stack, "runs", "cancel", again) == f"{again} cancelled\n"
    finally:
        assert reelway(stack, "limits", "clear") == "no limit\n"
    assert "there is no run" in reelway(stack, "runs", "show", "nothing", exit_code=3)
