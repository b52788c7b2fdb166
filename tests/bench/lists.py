"""Section `lists`: a hundred thousand runs and as many uploads in the store; every list page and search of REST, and
DescribeTasks, over SQLite and over MongoDB's wire protocol. How long each takes, and how much memory the API has at
most while all of them are asked, and while five thousand runs are paged through.

MongoDB is the server of `REELWAY_BENCH_MONGO_URL`, which gets a database of its own, for its owner to drop. Without
that, SecantusDB stands in with a thousand runs, to show that every question is understood: it looks at all documents
for each, whatever the index, and so does FerretDB v1, which does not even take a hundred thousand. What they take says
nothing about MongoDB, and no bar is put to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import models, mps_client

from services.local.ports import PortChoice
from shared.adapters.state_url import open_state
from shared.model import collections
from shared.model.base import instant_text
from shared.model.run import NodeRun, NodeState, RunEvent, RunEventType, RunState
from shared.model.upload import Match, Outcome, UploadRecord, UploadSource
from shared.ports.state import Doc, StateStore
from tests.bench.figures import Figures, spread_ms
from tests.bench.lists_server import SECRET_ID, SECRET_KEY
from tests.bench.processes import forget_peaks, peak_bytes
from tests.bench.scale import Scale
from tests.builders import BUCKET, REGION, T0, TENANT, a_graph, a_run
from tests.contract.state.secantus import Secantus

NINE = a_graph([[1], [2, 3, 4, 5, 6, 7], [8], [8], [8], [8], [8], [8], [9], []])
PIPELINES = 50
BATCH = 250
STAND_IN_RUNS = 1_000
TIMES = 5
"""How often each question is asked."""
PAGES = 50
"""Of a hundred runs, one after another."""
START_S = 60.0


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """Milliseconds by question, megabytes, by adapter."""
    found: Figures = {"runs": scale.runs}
    say(f"lists over {scale.runs} runs, SQLite")
    found["sqlite"] = await _over(f"sqlite:///{folder / 'state.db'}", scale.runs)
    with _mongo(folder) as (real, url):
        count = scale.runs if real else STAND_IN_RUNS
        name = "MongoDB" if real else f"SecantusDB standing in, {count} runs"
        say(f"lists over {count} runs, {name}")
        found["mongo"] = {"server": name, "real": real} | await _over(url, count, times=TIMES if real else 1)
    return found


@contextlib.contextmanager
def _mongo(folder: Path) -> Iterator[tuple[bool, str]]:
    database = f"reelway_bench_{secrets.token_hex(4)}"
    if given := os.environ.get("REELWAY_BENCH_MONGO_URL"):
        yield True, urlsplit(given)._replace(path=f"/{database}").geturl()
        return
    with Secantus(folder / "mongo") as server:
        yield False, server.url(database)


async def _over(url: str, count: int, *, times: int = TIMES) -> Figures:
    began = time.monotonic()
    store = await open_state(url, collections.ALL)
    await _fill(store, "runs", runs(count))
    await _fill(store, "uploads", uploads(count))
    await store.close()
    filled_s = time.monotonic() - began
    async with _api(url) as (pid, address):
        auth = (SECRET_ID, SECRET_KEY)
        async with httpx.AsyncClient(base_url=f"{address}/api/v1", auth=auth, timeout=60, trust_env=False) as rest:
            await rest.get("/runs")
            warm = peak_bytes(pid) / 1e6
            forget_peaks([pid])
            asked: Figures = {}
            for name, (path, params, hits) in questions(count).items():
                asked[name] = await _ask(rest, path, params, hits, times)
            asked["DescribeTasks"] = await asyncio.to_thread(_describe_tasks, address, count, times)
            began = time.monotonic()
            await _turn_pages(rest, min(PAGES, count // 100))
            paged_s = time.monotonic() - began
        peak = peak_bytes(pid) / 1e6
    return {"filled_s": filled_s, "asked": asked, "paged_s": paged_s, "warm_mb": warm, "peak_mb": peak}


@contextlib.asynccontextmanager
async def _api(url: str) -> AsyncIterator[tuple[int, str]]:
    port = PortChoice().take()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.lists_server", url, str(port))
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(START_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"{address}/metrics")
                    break
                await asyncio.sleep(0.1)
        yield process.pid, address
    finally:
        process.kill()
        await process.wait()


async def _ask(rest: httpx.AsyncClient, path: str, params: dict[str, Any], hits: int, times: int) -> Figures:
    """All answers must have as many lines as they should: a question that finds nothing by mistake is quick."""
    seconds: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        answer = await rest.get(path, params=params)
        seconds.append(time.perf_counter() - began)
        answer.raise_for_status()
        lines = next((value for value in answer.json().values() if isinstance(value, list)), [])
        if len(lines) != hits:
            raise ValueError(f"{path} {params}: {len(lines)} lines, not {hits}")
    return spread_ms(seconds) | {"worst_ms": max(seconds) * 1000}


async def _turn_pages(rest: httpx.AsyncClient, pages: int) -> None:
    cursor: str | None = None
    for _ in range(pages):
        params: dict[str, Any] = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        cursor = (await rest.get("/runs", params=params)).json()["cursor"]
        if cursor is None:
            return


def _describe_tasks(address: str, count: int, times: int) -> Figures:
    http = HttpProfile(protocol="http", endpoint=address.removeprefix("http://"))
    client = mps_client.MpsClient(credential.Credential(SECRET_ID, SECRET_KEY), REGION, ClientProfile(httpProfile=http))
    request = models.DescribeTasksRequest()
    request.Status, request.StartTime, request.Limit = "FINISH", "2026-01-01T00:00:00Z", 100
    seconds: list[float] = []
    client.DescribeTasks(request)  # the SDK loads itself, and its server's door for the first time
    for _ in range(times):
        began = time.perf_counter()
        answer = client.DescribeTasks(request)
        seconds.append(time.perf_counter() - began)
        if answer.TotalCount != count:
            raise ValueError(f"DescribeTasks counts {answer.TotalCount}, not {count}")
    return spread_ms(seconds) | {"worst_ms": max(seconds) * 1000}


def questions(count: int) -> dict[str, tuple[str, dict[str, Any], int]]:
    """Path, parameters, and how many lines the answer has."""
    early = instant_text(T0 + timedelta(seconds=30))
    return {
        "runs": ("/runs", {"limit": 100}, 100),
        "runs: the oldest": ("/runs", {"limit": 100, "to": early}, 30),
        "runs: failed": ("/runs", {"state": "failed"}, 20),
        "runs: three states": ("/runs", {"limit": 100, "state": ["succeeded", "failed", "cancelled"]}, 100),
        "runs: a state that none has": ("/runs", {"state": "paused"}, 0),
        "runs: a pipeline": ("/runs", {"pipeline_id": "7003"}, min(20, count // PIPELINES)),
        "runs: a pipeline that has none": ("/runs", {"pipeline_id": "1"}, 0),
        "runs: a piece of a name": ("/runs", {"name": "转码-4"}, 20),
        "runs: a name that none has": ("/runs", {"name": "nobody"}, 0),
        "runs: one object, the oldest": ("/runs", {"key_prefix": "in/00/clip-000000"}, 1),
        "runs: a folder": ("/runs", {"key_prefix": "in/07/"}, min(20, count // 100)),
        "runs: all at once, nothing": ("/runs", {"state": "failed", "name": "转", "key_prefix": "x", "to": early}, 0),
        "uploads": ("/uploads", {"bucket": BUCKET, "limit": 100}, 100),
        "uploads: one key, the oldest": ("/uploads", {"bucket": BUCKET, "key": "in/00/clip-000000.mp4"}, 1),
        "uploads: a folder": ("/uploads", {"bucket": BUCKET, "key_prefix": "in/07/"}, min(20, count // 100)),
        "uploads: an outcome that none has": ("/uploads", {"bucket": BUCKET, "outcome": "denied"}, 0),
        "queues": ("/queues", {}, 3),
        "stuck": ("/stuck", {}, 0),
    }


async def _fill(store: StateStore, collection: str, docs: Iterator[Doc]) -> None:
    batch: list[Doc] = []
    for doc in docs:
        batch.append(doc)
        if len(batch) == BATCH:
            await store.insert_many(collection, batch)
            batch = []
    await store.insert_many(collection, batch)


def runs(count: int) -> Iterator[Doc]:
    """Ended runs of nine nodes, 8 KB each, one a second, of fifty pipelines."""
    rnd = random.Random(1)
    history = tuple(
        RunEvent(sequence=number, type=RunEventType.NODE_SUCCEEDED, at=T0, node=number, attempt=1)
        for number in range(1, 11)
    )
    base = a_run(NINE)
    done = NodeRun(
        state=NodeState.SUCCEEDED,
        attempt=1,
        source=base.input,
        queued_at=T0,
        started_at=T0,
        finished_at=T0,
        sequence=3,
    )
    doc = base.with_changes(history=history, node_runs=(done,) * len(NINE), due_at=None).model_dump(mode="json")
    del doc["id"]
    states = [RunState.SUCCEEDED.value] * 90 + [RunState.FAILED.value] * 8 + [RunState.CANCELLED.value] * 2
    for number in range(count):
        at = instant_text(T0 + timedelta(seconds=number))
        pipeline = number % PIPELINES
        yield {
            **doc,
            "_id": f"{TENANT}-ScheduleTask-{rnd.getrandbits(128):032x}tt0",
            "created_at": at,
            "news_at": at,
            "state": rnd.choice(states),
            "pipeline_id": str(7000 + pipeline),
            "pipeline_name": f"demo_转码-{pipeline}",
            "input": {**doc["input"], "key": key(number)},
        }


def uploads(count: int) -> Iterator[Doc]:
    """One for each run."""
    line = Match(pipeline_id="7000", pipeline_name="demo", tenant=TENANT, run_id=f"{TENANT}-ScheduleTask-1tt0")
    record = UploadRecord(
        id="x",
        bucket=BUCKET,
        key="x",
        observed="x",
        seen_by=UploadSource.EVENT,
        seen_at=T0,
        matches=(line,) * 5,
        outcome=Outcome.STARTED,
    )
    doc = record.model_dump(mode="json")
    del doc["id"]
    for number in range(count):
        at = instant_text(T0 + timedelta(seconds=number))
        yield {**doc, "_id": f"{number:08d}", "key": key(number), "observed": f"{number}", "seen_at": at}


def key(number: int) -> str:
    """In one of a hundred folders."""
    return f"in/{number % 100:02d}/clip-{number:06d}.mp4"
