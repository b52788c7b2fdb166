"""A running `reelway up`, and the clients that users have."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import boto3
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from botocore.config import Config
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import models, mps_client

from tests.contract.state.wire_server import WireServer
from tests.peers.kafka import Kafka
from tests.peers.tools import ToolMissing

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "examples" / "bigbuckbunny.mp4"


T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], *, within_s: float = 60) -> T:
    """The first truthy answer of `look`; fails with the last one after the deadline."""
    deadline = time.monotonic() + within_s
    found = None
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"no {what} within {within_s} s (last: {found!r})")


class Callbacks:
    """An HTTP server that takes notifications and keeps what it got."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/callback"

    def of(self, task_id: str, status: str | None = None) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """What came for one task."""
        return [
            (headers, body)
            for headers, body in list(self.received)
            if (event := body[f"{body['EventType']}Event"])["TaskId"] == task_id
            and (status is None or event["Status"] == status)
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Stack:
    """One `reelway up`."""

    data: Path
    arguments: tuple[str, ...] = ()
    program: tuple[str, ...] = (str(Path(sys.executable).with_name("reelway")),)
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ready: dict[str, Any] = field(default_factory=dict)
    mongo: WireServer | None = None
    kafka: Kafka | None = None
    """The bus if it is not the embedded broker: with REELWAY_TEST_BUS=kafka every stack has one of its own."""

    def __post_init__(self) -> None:
        if os.environ.get("REELWAY_TEST_BUS") == "kafka":
            try:
                self.kafka = Kafka.fetched(self.data.with_name(f"{self.data.name}-kafka"))
            except ToolMissing as missing:
                pytest.skip(str(missing))
            self.arguments = (*self.arguments, "--kafka", self.kafka.address)

    @property
    def ready_file(self) -> Path:
        return self.data / "e2e-ready.json"

    def start(self, within_s: float = 90) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.ready = {}
        if self.kafka is not None:
            self.kafka.start()
        log = (self.data / "e2e-launcher.log").open("ab")
        self.process = subprocess.Popen(
            [
                *self.program,
                "up",
                "--data",
                str(self.data),
                "--ready-file",
                str(self.ready_file),
                *self.arguments,
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **self.env},
            start_new_session=True,
        )
        log.close()
        wait_for("ready file", self._is_ready, within_s=within_s)

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"reelway up ended: {(self.data / 'e2e-launcher.log').read_text()[-4000:]}")
        self.refresh()
        return bool(self.ready)

    def refresh(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.ready = json.loads(self.ready_file.read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(40)
            self.process = None
        if self.kafka is not None:
            self.kafka.stop()

    def pid(self, name: str) -> int:
        if name == "broker" and self.kafka is not None:
            return self.kafka.pid
        self.refresh()
        return int(self.ready["pids"][name])

    def kill(self, name: str) -> int:
        """Kills a process of the stack as if the machine had done it; returns the pid it had.

        The embedded broker forgets everything then, and "broker" means that on Apache Kafka too.
        """
        pid = self.pid(name)
        if name == "broker" and self.kafka is not None:
            self.kafka.lose()
            return pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, name: str, old: int, within_s: float = 30) -> None:
        wait_for(f"new {name}", lambda: self.pid(name) != old and psutil.pid_exists(self.pid(name)), within_s=within_s)

    def log(self, name: str) -> str:
        path = self.data / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- clients ----------------------------------------------------------------------------------------------

    def sdk(
        self,
        *,
        secret_id: str | None = None,
        secret_key: str | None = None,
        sign: str = "TC3-HMAC-SHA256",
        method: str = "POST",
    ) -> mps_client.MpsClient:
        endpoint = self.ready["api"].removeprefix("http://")
        http = HttpProfile(protocol="http", endpoint=endpoint, reqMethod=method)
        profile = ClientProfile(signMethod=sign, httpProfile=http)
        keys = credential.Credential(secret_id or self.ready["secret_id"], secret_key or self.ready["secret_key"])
        return mps_client.MpsClient(keys, self.ready["region"], profile)

    def s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.ready["s3_endpoint"],
            aws_access_key_id=self.ready["s3_access_key"],
            aws_secret_access_key=self.ready["s3_secret_key"],
            region_name=self.ready["region"],
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}),
        )

    @property
    def bucket(self) -> str:
        return str(self.ready["bucket"])

    def upload(self, key: str, path: Path = CLIP) -> None:
        self.s3().upload_file(str(path), self.bucket, key)

    def keys(self, prefix: str) -> dict[str, int]:
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def call(self, action: str, _sdk: Mapping[str, str] | None = None, **members: Any) -> Any:
        """One call of the official SDK with wire names; `_sdk` are arguments of `sdk`."""
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(members))
        with warnings.catch_warnings():
            # The SDK hides its warnings about members that it does not know (our extensions); pytest undoes that.
            warnings.filterwarnings("ignore", message=".*fileds are useless", category=UserWarning)
            return getattr(self.sdk(**(_sdk or {})), action)(request)

    def create_pipeline(
        self, name: str, directory: str, actions: list[dict[str, Any]], *, enable: bool = True, **more: Any
    ) -> int:
        """A pipeline whose actions all run side by side between input and output."""
        last = len(actions) + 1
        activities = [
            {"ActivityType": "input", "ReardriveIndex": list(range(1, last))},
            *({**action, "ReardriveIndex": [last]} for action in actions),
            {"ActivityType": "output"},
        ]
        return self.create_graph(name, directory, activities, enable=enable, **more)

    def create_graph(
        self, name: str, directory: str, activities: list[dict[str, Any]], *, enable: bool = True, **more: Any
    ) -> int:
        trigger = {
            "Type": "CosFileUpload",
            "CosFileUploadTrigger": {"Bucket": self.bucket, "Region": self.ready["region"], "Dir": directory},
        }
        made = self.call("CreateSchedule", ScheduleName=name, Trigger=trigger, Activities=activities, **more)
        if enable:
            self.call("EnableSchedule", ScheduleId=made.ScheduleId)
        return int(made.ScheduleId)

    def tasks(self, status: str) -> list[Any]:
        return list(self.call("DescribeTasks", Status=status, Limit=100).TaskSet or [])

    def detail(self, task_id: str) -> Any:
        return self.call("DescribeTaskDetail", TaskId=task_id)

    def object_of(self, task_id: str) -> str:
        """The path of a task's input, with its leading slash."""
        detail = self.detail(task_id)
        return str((detail.ScheduleTask or detail.WorkflowTask).InputInfo.CosInputInfo.Object)

    def task_of(self, key: str, *, within_s: float = 30) -> str:
        """The id of the one task that this object started."""

        def look() -> str | None:
            for status in ("WAITING", "PROCESSING", "FINISH"):
                for task in self.tasks(status):
                    if self.object_of(task.TaskId) == f"/{key}":
                        return str(task.TaskId)
            return None

        return wait_for(f"task of {key}", look, within_s=within_s)

    def finished(self, task_id: str, *, within_s: float = 90) -> Any:
        def look() -> Any:
            detail = self.detail(task_id)
            return detail if detail.Status == "FINISH" else None

        return wait_for(f"end of {task_id}", look, within_s=within_s)

    async def publish(self, topic: str, key: str, body: bytes) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.ready["kafka"], acks="all", enable_idempotence=False)
        await producer.start()
        try:
            await producer.send_and_wait(topic, body, key=key.encode())
        finally:
            await producer.stop()

    async def read_topic(self, topic: str, count: int, *, within_s: float = 20) -> list[bytes]:
        """The first `count` messages of a topic."""
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=self.ready["kafka"], auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await consumer.start()
        found: list[bytes] = []
        try:
            async with asyncio.timeout(within_s):
                while len(found) < count:
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        found += [record.value for record in batch]
        finally:
            await consumer.stop()
        return found


def transcode(definition: int) -> dict[str, Any]:
    return {
        "ActivityType": "action-trans",
        "ActivityPara": {"TranscodeTask": {"Definition": definition}},
    }


def raw_transcode(height: int, *, bitrate: int = 300) -> dict[str, Any]:
    """A small, quick encode."""
    raw = {
        "Container": "mp4",
        "VideoTemplate": {
            "Codec": "h264",
            "Fps": 0,
            "Bitrate": bitrate,
            "Width": 0,
            "Height": height,
            "ResolutionAdaptive": "close",
        },
        "AudioTemplate": {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100},
    }
    return {
        "ActivityType": "action-trans",
        "ActivityPara": {
            "TranscodeTask": {
                "Definition": 0,
                "RawParameter": raw,
                "OutputObjectPath": "{inputName}_" + f"{height}." + "{format}",
            }
        },
    }


SNAPSHOTS = {
    "ActivityType": "action-samplesnapshot",
    "ActivityPara": {"SampleSnapshotTask": {"Definition": 10}},
}


def snapshots_at(*times: str) -> dict[str, Any]:
    return {
        "ActivityType": "action-snapshotByTimeOffset",
        "ActivityPara": {"SnapshotByTimeOffsetTask": {"Definition": 10, "ExtTimeOffsetSet": list(times)}},
    }


SPRITE = {"ActivityType": "action-image-sprite", "ActivityPara": {"ImageSpriteTask": {"Definition": 10}}}


def animated(end_s: float) -> dict[str, Any]:
    return {
        "ActivityType": "action-animated-graphics",
        "ActivityPara": {"AnimatedGraphicTask": {"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": end_s}},
    }


def sign_is_right(body: dict[str, Any], key: str) -> bool:
    expected = hashlib.md5(f"{body['Timestamp']}{key}".encode()).hexdigest()
    return bool(body["Timestamp"] >= time.time() and body["Sign"] == expected)
