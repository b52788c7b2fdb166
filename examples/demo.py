"""The main job, start to end, as a user does it: `reelway up`, the official Tencent MPS SDK, an S3 client, a callback.

Uploads a real clip to the trigger directory of a pipeline with three renditions, ten snapshots and one HLS stream,
shows the progress of every node, takes the HTTP callback itself, decodes every output and prints what came out.

    make demo                 run it, stop everything, exit 0 if all is right
    make demo ARGS=--keep     leave it running and say how to use it
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import imageio_ffmpeg
from botocore.config import Config
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import models, mps_client

CLIP = Path(__file__).with_name("bigbuckbunny.mp4")
NOTIFY_KEY = "demo-notify-key"
TRIGGER_DIR = "/demo/in/"
OUTPUT_DIR = "/demo/out/"
LABELS = ("360p MP4", "540p MP4", "720p MP4", "360p HLS", "10 snapshots")
RUN_TIMEOUT_S = 120
console = Console()


class DemoFailed(Exception):
    """Something did not come out as it should."""


class Callback:
    """An HTTP server that takes the notification."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        events = self.events

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stays quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/reelway"

    def close(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Checked:
    """One output, decoded."""

    key: str
    size: int
    what: str


@dataclass
class Demo:
    """The running system and what the demo does with it."""

    data: Path
    process: subprocess.Popen[bytes]
    ready: dict[str, Any] = field(default_factory=dict)

    def sdk(self) -> mps_client.MpsClient:
        """The official SDK, pointed at us."""
        endpoint = self.ready["api"].removeprefix("http://")
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=endpoint))
        keys = credential.Credential(self.ready["secret_id"], self.ready["secret_key"])
        return mps_client.MpsClient(keys, self.ready["region"], profile)

    def s3(self) -> Any:
        """A plain S3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.ready["s3_endpoint"],
            aws_access_key_id=self.ready["s3_access_key"],
            aws_secret_access_key=self.ready["s3_secret_key"],
            region_name=self.ready["region"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def call(self, action: str, **members: Any) -> Any:
        """One API call."""
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(members))
        return getattr(self.sdk(), action)(request)

    def create_pipeline(self, callback_url: str | None) -> int:
        """Three renditions, ten snapshots and one HLS stream side by side; created disabled, then enabled."""
        notify = {"NotifyType": "URL", "NotifyMode": "Finish", "NotifyUrl": callback_url, "NotifyKey": NOTIFY_KEY}
        actions: list[dict[str, Any]] = [
            {"ActivityType": "action-trans", "ActivityPara": {"TranscodeTask": {"Definition": definition}}}
            for definition in (100010, 100020, 100030, 100210)
        ]
        actions.append(
            {"ActivityType": "action-samplesnapshot", "ActivityPara": {"SampleSnapshotTask": {"Definition": 10}}}
        )
        last = len(actions) + 1
        activities = [
            {"ActivityType": "input", "ReardriveIndex": list(range(1, last))},
            *({**action, "ReardriveIndex": [last]} for action in actions),
            {"ActivityType": "output"},
        ]
        bucket = {"Bucket": self.ready["bucket"], "Region": self.ready["region"]}
        made = self.call(
            "CreateSchedule",
            ScheduleName=f"demo-{int(time.time() * 1000)}",
            Trigger={
                "Type": "CosFileUpload",
                "CosFileUploadTrigger": {**bucket, "Dir": TRIGGER_DIR, "Formats": ["mp4"]},
            },
            Activities=activities,
            OutputStorage={"Type": "COS", "CosOutputStorage": bucket},
            OutputDir=OUTPUT_DIR,
            **({"TaskNotifyConfig": notify} if callback_url else {}),
        )
        self.call("EnableSchedule", ScheduleId=made.ScheduleId)
        return int(made.ScheduleId)

    def task_of(self, key: str) -> str | None:
        """The task that this upload started, if it has."""
        for status in ("PROCESSING", "WAITING", "FINISH"):
            for task in self.call("DescribeTasks", Status=status, Limit=20).TaskSet or []:
                info = self.call("DescribeTaskDetail", TaskId=task.TaskId).ScheduleTask.InputInfo.CosInputInfo
                if info.Object == f"/{key}":
                    return str(task.TaskId)
        return None


def start(data: Path) -> Demo:
    """`reelway up`, until its ready file is there."""
    ready_file = data / "demo-ready.json"
    ready_file.unlink(missing_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with (data / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("reelway")),
                "up",
                "--data",
                str(data),
                "--ready-file",
                str(ready_file),
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    demo = Demo(data, process)
    deadline = time.monotonic() + 90
    try:
        with console.status("Starting broker, storage and services …"):
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DemoFailed(f"the stack did not start; see {data / 'demo.log'}")
                time.sleep(0.1)
    except BaseException:
        stop(demo)
        raise
    demo.ready = json.loads(ready_file.read_text())
    return demo


def progress_table(detail: Any, began: float) -> Table:
    """One line a node."""
    table = Table(title=f"Run after {time.monotonic() - began:4.1f} s", expand=False)
    table.add_column("Node")
    table.add_column("Result")
    table.add_column("State")
    table.add_column("Progress", width=32)
    results = list(detail.ScheduleTask.ActivityResultSet or []) if detail is not None else []
    if detail is not None:
        probed = detail.ScheduleTask.MetaData is not None
        table.add_row("input", "metadata", "done" if probed else "reading", ProgressBar(100, 100 if probed else 30))
    for index, label in enumerate(LABELS):
        item = results[index] if index < len(results) else None
        member = next((m for m in vars(item.ActivityResItem).values() if m is not None), None) if item else None
        status = getattr(member, "Status", "waiting")
        percent = 100 if status == "SUCCESS" else (getattr(member, "Progress", None) or 0)
        colour = {"SUCCESS": "green", "FAIL": "red", "PROCESSING": "yellow"}.get(status, "dim")
        table.add_row(item.ActivityType if item else "…", label, f"[{colour}]{status}", ProgressBar(100, percent))
    return table


def watch(demo: Demo, key: str, began: float) -> tuple[str, Any]:
    """Follows the run to its end, with a live table."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    task: str | None = None
    detail: Any = None
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while time.monotonic() < deadline:
            if task is None:
                live.update(Spinner("dots", f"waiting for the upload to be noticed ({time.monotonic() - began:.1f} s)"))
                task = demo.task_of(key)
            else:
                detail = demo.call("DescribeTaskDetail", TaskId=task)
                live.update(Group(f"Task {task}", progress_table(detail, began)))
                if detail.Status == "FINISH":
                    break
            time.sleep(0.15)
    console.print()
    if task is not None and detail is not None and detail.Status == "FINISH":
        return task, detail
    raise DemoFailed(f"the run did not end within {RUN_TIMEOUT_S} s")


def verify(demo: Demo, detail: Any, stem: str) -> list[Checked]:
    """Every node succeeded, and a decoder reads every output without a complaint."""
    failed = [
        f"{item.ActivityType}: {member.ErrCodeExt} {member.Message}"
        for item in detail.ScheduleTask.ActivityResultSet or []
        for member in vars(item.ActivityResItem).values()
        if member is not None and member.Status != "SUCCESS"
    ]
    if failed or detail.ScheduleTask.ErrCode:
        raise DemoFailed("; ".join(failed) or detail.ScheduleTask.Message)
    prefix = OUTPUT_DIR.removeprefix("/") + stem
    pages = demo.s3().get_paginator("list_objects_v2").paginate(Bucket=demo.ready["bucket"], Prefix=prefix)
    objects = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}
    checked = []
    with tempfile.TemporaryDirectory() as folder:
        for key in objects:
            demo.s3().download_file(demo.ready["bucket"], key, str(Path(folder) / Path(key).name))
        for key, size in sorted(objects.items()):
            if Path(key).suffix == ".ts":
                checked.append(Checked(key, size, "through its playlist"))
                continue
            decode = subprocess.run(
                [
                    imageio_ffmpeg.get_ffmpeg_exe(),
                    *("-v", "error", "-nostdin", "-i", str(Path(folder) / Path(key).name), "-f", "null", "-"),
                ],
                capture_output=True,
                timeout=60,
                check=False,
            )
            if decode.returncode or decode.stderr.strip():
                raise DemoFailed(f"{key} does not decode: {decode.stderr.decode(errors='replace')[:300]}")
            checked.append(Checked(key, size, "decodes"))
    kinds = [Path(item.key).suffix for item in checked]
    if (kinds.count(".mp4"), kinds.count(".jpg"), kinds.count(".m3u8")) != (3, 10, 1):
        raise DemoFailed(f"expected 3 MP4, 10 JPG and 1 HLS playlist, found {sorted(kinds)}")
    return checked


def take_callback(callback: Callback, task: str) -> dict[str, Any]:
    """The Finish event, with its signature checked as a consumer should."""
    event = callback.events.get(timeout=30)
    expected = hashlib.md5(f"{event['Timestamp']}{NOTIFY_KEY}".encode(), usedforsecurity=False).hexdigest()
    if event["Sign"] != expected or event["Timestamp"] < time.time():
        raise DemoFailed("the callback's signature is wrong")
    if event["ScheduleTaskEvent"]["TaskId"] != task or event["ScheduleTaskEvent"]["Status"] != "FINISH":
        raise DemoFailed("the callback is about something else")
    return event


def summary(demo: Demo, checked: list[Checked], times: dict[str, float]) -> None:
    """What came out and where it is."""
    table = Table(title="Outputs")
    table.add_column("Object", overflow="fold")
    table.add_column("Bytes", justify="right")
    table.add_column("Check")
    for item in checked:
        table.add_row(Path(item.key).name, f"{item.size:,}", f"[green]{item.what}")
    console.print(table)
    steps = Table(title="Times")
    steps.add_column("Step")
    steps.add_column("Seconds", justify="right")
    for name, seconds in times.items():
        steps.add_row(name, f"{seconds:.1f}")
    console.print(steps)
    console.print(f"They lie below {OUTPUT_DIR} of bucket {demo.ready['bucket']}.")


def explain(demo: Demo, example: str, schedule: int) -> None:
    """How to go on using what was left running. The pipeline that called us back is replaced by one that does not."""
    demo.call("DisableSchedule", ScheduleId=schedule)
    demo.create_pipeline(None)
    file = demo.data / "demo-ready.json"
    link = demo.s3().generate_presigned_url(
        "get_object", Params={"Bucket": demo.ready["bucket"], "Key": example}, ExpiresIn=3600
    )
    console.rule("Left running")
    for line in (
        f"It keeps running (pid {demo.process.pid}). Stop it with:  kill {demo.process.pid}",
        f"Then nothing of it is left but the folder {demo.data}",
        f"API  {demo.ready['api']}    S3  {demo.ready['s3_endpoint']}    bucket  {demo.ready['bucket']}",
        f"Addresses and keys (mode 0600)  {file}",
        f"Upload any .mp4 below {TRIGGER_DIR} with an S3 client; outputs appear below {OUTPUT_DIR}",
        f"Logs  {demo.data / 'logs'}",
    ):
        console.print(line, soft_wrap=True, highlight=False)
    console.print("One output, for an hour:", link, soft_wrap=True)


def stop(demo: Demo) -> None:
    """Ends the stack."""
    if demo.process.poll() is not None:
        return
    demo.process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        demo.process.wait(40)
    if demo.process.poll() is None:
        os.killpg(demo.process.pid, signal.SIGKILL)


def main() -> int:
    """Runs the demo; 0 if everything came out right."""
    parser = argparse.ArgumentParser(description="Run the main job on a real clip.")
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards")
    parser.add_argument("--data", type=Path, help="data folder (default: a new one)")
    options = parser.parse_args()
    data: Path = options.data or Path(tempfile.mkdtemp(prefix="reelway-demo-"))
    callback = Callback()
    demo: Demo | None = None
    done = False
    try:
        began = time.monotonic()
        demo = start(data)
        times = {"stack ready": time.monotonic() - began}
        schedule = demo.create_pipeline(callback.url)
        console.print(f"Pipeline {schedule} is enabled: uploads below {TRIGGER_DIR} start it.")
        key = f"{TRIGGER_DIR.removeprefix('/')}{CLIP.stem}-{int(time.time())}.mp4"
        uploaded = time.monotonic()
        demo.s3().upload_file(str(CLIP), demo.ready["bucket"], key)
        console.print(f"Uploaded {CLIP.name} as {key}")
        task, detail = watch(demo, key, uploaded)
        times["upload to end of run"] = time.monotonic() - uploaded
        take_callback(callback, task)
        times["upload to callback"] = time.monotonic() - uploaded
        console.print("[green]Callback received, signature right.")
        checked = verify(demo, detail, Path(key).stem)
        times["all, with start and checks"] = time.monotonic() - began
        summary(demo, checked, times)
        done = True
        if options.keep:
            explain(demo, next(item.key for item in checked if item.key.endswith(".mp4")), schedule)
    except (DemoFailed, queue.Empty) as error:
        console.print(f"[bold red]Demo failed:[/] {error or 'no callback came'}", soft_wrap=True)
        console.print(f"Logs are in {data / 'logs'}")
    finally:
        callback.close()
        if demo is not None and not (done and options.keep):
            stop(demo)
        if done and not options.keep and options.data is None:
            shutil.rmtree(data, ignore_errors=True)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
