"""A file goes in by a link of the API, its run is followed as it goes on, and everything about it is there to see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.cli.events import Event, parsed
from tests.e2e.stack import CLIP, Stack, raw_transcode, wait_for

pytestmark = pytest.mark.timeout(240)
KEY = "seeing/film.mp4"


@pytest.fixture
def rest(stack: Stack) -> Iterator[httpx.Client]:
    auth = (stack.ready["secret_id"], stack.ready["secret_key"])
    with httpx.Client(base_url=f"{stack.ready['api']}/api/v1", auth=auth, timeout=30, trust_env=False) as client:
        yield client


class Follower:
    """Reads a stream of events on a thread of its own until the run with this key has ended."""

    def __init__(self, rest: httpx.Client) -> None:
        self.told: list[Event] = []
        self._rest = rest
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._connected.wait(20)

    def _read(self) -> None:
        with self._rest.stream("GET", "/events") as answer:
            assert answer.status_code == 200
            self._connected.set()
            for event in parsed(answer.iter_lines()):
                self.told.append(event)
                if event.data["event"]["type"] == "run.finished" and event.data["pipeline_name"] == "seeing":
                    return

    def join(self) -> list[dict[str, Any]]:
        """What was told of the pipeline's runs."""
        self._thread.join(120)
        assert not self._thread.is_alive()
        return [event.data for event in self.told if event.data["pipeline_name"] == "seeing"]


def test_a_file_is_followed_from_its_upload_to_its_outputs(stack: Stack, rest: httpx.Client) -> None:
    stack.create_pipeline("seeing", "/seeing/", [raw_transcode(128)], OutputDir="/seeing-out/")
    follower = Follower(rest)
    link = rest.post(f"/buckets/{stack.bucket}/links", json={"key": KEY, "method": "put"}).json()
    with httpx.Client(trust_env=False) as plain:
        assert plain.put(link["url"], content=CLIP.read_bytes()).is_success
    foretold = rest.get("/uploads/explain", params={"bucket": stack.bucket, "key": KEY}).json()
    [verdict] = [one for one in foretold["pipelines"] if one["pipeline_name"] == "seeing"]
    told = follower.join()
    [run_id] = {one["run_id"] for one in told}
    assert run_id == verdict["run_id"]
    sequences = [one["event"]["sequence"] for one in told]
    assert sorted(set(sequences)) == list(range(max(sequences) + 1))

    with rest.stream("GET", f"/runs/{run_id}/events") as answer:
        again = list(parsed(answer.iter_lines()))
    assert (again[-1].kind, again[-1].data["state"]) == ("end", "succeeded")
    assert [one.data["event"]["sequence"] for one in again if one.kind == "history"] == sorted(set(sequences))

    run = rest.get(f"/runs/{run_id}").json()
    [attempt] = run["nodes"][1]["attempts"]
    assert (attempt["state"], attempt["outputs"], attempt["claims"]) == ("succeeded", 1, 1)
    log = rest.get(f"/runs/{run_id}/nodes/1/attempts/1/log").json()
    calls = [call for claim in log["claims"] for call in claim["calls"]]
    [encode] = [call["arguments"] for call in calls if "libx264" in call["arguments"]]
    assert any(argument.startswith("file:<scratch>/sources/") for argument in encode)
    assert all(call["returncode"] == 0 for call in calls)
    [output] = rest.get(f"/runs/{run_id}/outputs").json()["outputs"]
    with httpx.Client(trust_env=False) as plain:
        assert len(plain.get(output["url"]).content) == output["object"]["size"]

    found = rest.get("/runs", params={"name": "SEEING", "key_prefix": "seeing/", "state": "succeeded"}).json()["runs"]
    assert [one["id"] for one in found] == [run_id]
    # The ledger's line is written after the run.
    [upload] = wait_for(
        "the upload's line", lambda: rest.get("/uploads", params={"key": KEY}).json()["uploads"] or None
    )
    assert (upload["outcome"], upload["run_ids"]) == ("started", [run_id])
    [worker] = rest.get("/workers").json()["workers"]
    assert worker["live"]
    assert worker["lanes"]["media"]["slots"] > 0
