"""Real runs on real media, and everything that must be true of them when they have ended, whatever happened."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from shared.model.delivery import DeliveryState
from shared.model.run import NodeState, Run, RunEventType, RunState, notifiable
from shared.model.task import Task, TaskState
from shared.model.upload import output_id
from tests.e2e.stack import CLIP, Callbacks, raw_transcode, snapshots_at, wait_for
from tests.fault.rig import Rig

ENCODE_AND_SNAPSHOTS = (raw_transcode(180), snapshots_at("0s", "2s"))
"""Two nodes side by side: a second of encoding with one output, two pictures."""
OUTPUTS = {"_180.mp4": 1, ".jpg": 2}
"""What they write, by the ends of the keys."""


def looped_clip(folder: Path, times: int) -> Path:
    """The clip so many times in a row, without encoding: about a megabyte and ten seconds each."""
    path = folder / f"clip-{times}.mp4"
    if not path.exists():
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-stream_loop", str(times - 1)]
        command += ["-i", str(CLIP), "-c", "copy", str(path)]
        subprocess.run(command, check=True, timeout=120)
    return path


class Work:
    """A pipeline with notifications of every change, and the uploads that start it."""

    def __init__(
        self,
        rig: Rig,
        callbacks: Callbacks,
        name: str,
        actions: tuple[dict[str, Any], ...] = ENCODE_AND_SNAPSHOTS,
        outputs: dict[str, int] = OUTPUTS,
    ) -> None:
        self.rig = rig
        self.name = name
        self._callbacks = callbacks
        self._actions = len(actions)
        self._outputs = outputs
        self.keys: list[str] = []
        rig.create_pipeline(
            name,
            f"/{name}/",
            list(actions),
            OutputDir=f"/{name}-out/",
            TaskNotifyConfig={
                "NotifyType": "URL",
                "NotifyMode": "Change",
                "NotifyUrl": callbacks.url,
                "NotifyKey": "k",
            },
        )

    def upload(self, count: int = 1, source: Path = CLIP) -> None:
        """Puts so many more files under the trigger's directory."""
        for number in range(len(self.keys), len(self.keys) + count):
            key = f"{self.name}/clip-{number}.mp4"
            self.rig.upload(key, source)
            self.keys.append(key)

    def runs(self) -> list[Run]:
        """The runs there are."""
        return self.rig.state(lambda records: records.runs.find({"input.key": {"$in": self.keys}}, limit=10_000))

    def wait_begun(self, within_s: float = 60) -> list[Run]:
        """Until each upload has its run."""
        return wait_for(
            f"runs of {self.name}", lambda: (r := self.runs()) and len(r) >= len(self.keys) and r, within_s=within_s
        )

    def wait_held(self, *kinds: str, count: int = 1, within_s: float = 60) -> list[Task]:
        """Until so many tasks of these kinds are being worked on; those tasks."""

        def held() -> list[Task]:
            ids = {run.id for run in self.runs()}
            return [task for task in self.rig.running(*kinds) if task.run_id in ids]

        return wait_for(f"{kinds} at work", lambda: (h := held()) and len(h) >= count and h, within_s=within_s)

    def tasks(self) -> list[Task]:
        """All tasks of all runs."""
        ids = [run.id for run in self.runs()]
        return self.rig.state(lambda records: records.tasks.find({"run_id": {"$in": ids}}, limit=10_000))

    # -- the end --------------------------------------------------------------------------------------------------

    def wait_ended(self, within_s: float = 240) -> list[Run]:
        """Until every run is final."""

        def ended() -> list[Run] | None:
            runs = self.runs()
            return runs if len(runs) >= len(self.keys) and all(run.state.final for run in runs) else None

        return wait_for(f"end of {self.name}", ended, within_s=within_s)

    def wait_settled(self, within_s: float = 60) -> list[Run]:
        """Until nobody will ever write one of these runs again: no outbox and no timer is left."""

        def settled() -> list[Run] | None:
            runs = self.runs()
            done = all(run.state.final and not run.outbox and not (run.due_at or run.notify_due_at) for run in runs)
            return runs if done else None

        return wait_for(f"{self.name} to settle", settled, within_s=within_s)

    def check(self, within_s: float = 240) -> list[Run]:
        """Waits for the end and asserts all that must be true then; returns the runs."""
        runs = self.wait_ended(within_s)
        assert Counter(run.input.key for run in runs) == Counter(self.keys), "one run per upload"
        for run in runs:
            self._check_run(run)
            self._check_notifications(run)
        self._check_tasks(runs)
        self._check_outputs(runs)
        wait_for("empty scratch", lambda: not self.rig.leftovers_in_scratch(), within_s=20)
        return runs

    def _check_run(self, run: Run) -> None:
        assert run.state is RunState.SUCCEEDED, run.history
        assert {node.state for node in run.node_runs} == {NodeState.SUCCEEDED}
        assert [event.sequence for event in run.history] == list(range(1, len(run.history) + 1))
        told = Counter(event.type for event in run.history)
        assert told[RunEventType.RUN_STARTED] == told[RunEventType.RUN_FINISHED] == 1
        assert run.history[-1].type is RunEventType.RUN_FINISHED
        ended = Counter(event.node for event in run.history if event.type is RunEventType.NODE_SUCCEEDED)
        assert ended == dict.fromkeys(range(self._actions + 1), 1), "one result per node"
        detail = self.rig.detail(run.id)
        assert (detail.Status, detail.ScheduleTask.ErrCode) == ("FINISH", 0)
        results = [
            member
            for item in detail.ScheduleTask.ActivityResultSet
            for member in vars(item.ActivityResItem).values()
            if member is not None
        ]
        assert [member.Status for member in results] == ["SUCCESS"] * self._actions

    def _check_notifications(self, run: Run) -> None:
        """Each change told under one id, in order, the end under one; a repetition may follow a death."""
        wanted = [f"{run.id}:{event.sequence}:URL" for event in run.history if notifiable(run, event)]
        deliveries = wait_for("deliveries", lambda: self._delivered(run, len(wanted)), within_s=60)
        assert deliveries == wanted
        told = self._callbacks.of(run.id)
        assert list(dict.fromkeys(headers["webhook-id"] for headers, _ in told)) == wanted
        ends = {headers["webhook-id"] for headers, body in told if body["ScheduleTaskEvent"]["Status"] == "FINISH"}
        assert ends == {wanted[-1]}

    def _delivered(self, run: Run, count: int) -> list[str] | None:
        found = self.rig.state(lambda records: records.deliveries.find({"run_id": run.id}, limit=1000))
        assert len(found) <= count
        done = [delivery for delivery in found if delivery.state is DeliveryState.DELIVERED]
        return [d.id for d in sorted(done, key=lambda d: d.sequence)] if len(done) == count else None

    def _check_tasks(self, runs: list[Run]) -> None:
        tasks = self.tasks()
        assert all(task.state.final and task.lease_until is None for task in tasks), "no lease is left"
        done = Counter((task.run_id, task.node) for task in tasks if task.state is TaskState.SUCCEEDED)
        assert set(done.values()) == {1}
        assert len(done) == len(runs) * (self._actions + 1)

    def _check_outputs(self, runs: list[Run]) -> None:
        """What lies in the bucket is what the results name, and is known to be ours."""
        written = {
            found.key: found
            for task in self.tasks()
            if task.state is TaskState.SUCCEEDED and task.result
            for found in task.result.outputs
        }
        listed = (
            self.rig.s3().get_paginator("list_objects_v2").paginate(Bucket=self.rig.bucket, Prefix=f"{self.name}-out/")
        )
        there = {item["Key"]: item["ETag"].strip('"') for page in listed for item in page.get("Contents", [])}
        assert there == {key: found.etag for key, found in written.items()}
        for end, count in self._outputs.items():
            assert sum(key.endswith(end) for key in there) == count * len(runs), end
        ids = [output_id(self.rig.bucket, key) for key in there]
        records = self.rig.state(lambda records: records.outputs.get_many(ids))
        assert {record.key: record.etag for record in records.values()} == there
