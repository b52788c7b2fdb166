"""What becomes of a batch: handled, waited for, taken apart, buried."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from aiokafka import ConsumerRecord
from tenacity import wait_none

from shared.bus import subscription as subscription_module
from shared.bus.errors import BusUnavailable
from shared.bus.subscription import Subscription, lenient_parser
from shared.clock import ManualClock
from shared.errors import ReelwayError
from shared.messages.codec import MessageError
from shared.messages.messages import DeadLetter
from shared.ports.state import StateUnavailable
from tests.builders import T0
from tests.eventually import let_others_run


class Refused(ReelwayError):
    """The message cannot be handled, ever."""

    code: ClassVar[str] = "refused"


class Cemetery:
    """Keeps dead letters; fails the first few times if told so."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.failures = 0

    async def publish_dead_letter(self, letter: DeadLetter) -> None:
        if self.failures:
            self.failures -= 1
            raise BusUnavailable("the bus is down")
        self.letters.append(letter)


class Handler:
    """Handles texts; `troubles` are raised one after the other, `poison` whenever such a text is in the batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.handled: list[str] = []
        self.troubles: list[BaseException] = []
        self.poison: dict[str, BaseException] = {}

    async def __call__(self, messages: Sequence[str]) -> None:
        await asyncio.sleep(0)
        self.batches.append(list(messages))
        if self.troubles:
            raise self.troubles.pop(0)
        for message in messages:
            if message in self.poison:
                raise self.poison[message]
        self.handled += messages


def parse(body: bytes) -> str:
    if not body or body.startswith(b"bad"):
        raise MessageError("not a text of ours")
    return body.decode()


def record(value: bytes | None, *, offset: int = 0, key: bytes | None = b"k", headers: Any = ()) -> Any:
    return ConsumerRecord(
        topic="reelway.x.v1",
        partition=3,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )


def records(*values: bytes) -> list[Any]:
    return [record(value, offset=offset) for offset, value in enumerate(values)]


class Bench:
    def __init__(self) -> None:
        self.handler = Handler()
        self.cemetery = Cemetery()
        self.subscription: Subscription[str] = Subscription(
            "reelway.x.v1", parse, self.handler, service="test", clock=ManualClock(T0)
        )

    async def takes(self, *found: Any) -> None:
        await self.subscription.consume(found, self.cemetery)

    def reasons(self) -> dict[int, str]:
        return {letter.offset: letter.reason for letter in self.cemetery.letters}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(subscription_module, "wait_exponential_jitter", lambda **_: wait_none())
    return Bench()


async def test_batch_is_handled_at_once_and_in_order(bench: Bench) -> None:
    await bench.takes(*records(b"a", b"b", b"c"))
    assert bench.handler.batches == [["a", "b", "c"]]
    assert bench.cemetery.letters == []


async def test_message_that_cannot_be_parsed_is_buried_and_the_rest_handled(bench: Bench) -> None:
    await bench.takes(*records(b"a", b"bad\xff", b"c"))
    assert bench.handler.batches == [["a", "c"]]
    [letter] = bench.cemetery.letters
    assert base64.b64decode(letter.body) == b"bad\xff"
    assert letter.model_dump(exclude={"body"}) == {
        "body_bytes": 4,
        "topic": "reelway.x.v1",
        "partition": 3,
        "offset": 1,
        "key": "k",
        "reason": "not a text of ours",
        "service": "test",
        "at": T0,
    }


async def test_batch_of_nothing_but_rubbish_is_buried_and_nobody_is_called(bench: Bench) -> None:
    await bench.takes(record(None, offset=1, key=None), record(b"", offset=2, key=b"\xff"), record(b"bad", offset=3))
    assert bench.handler.batches == []
    assert [(letter.offset, letter.key) for letter in bench.cemetery.letters] == [(1, None), (2, "\ufffd"), (3, "k")]


async def test_unavailable_dependency_is_waited_for_with_the_whole_batch(bench: Bench) -> None:
    bench.handler.troubles = [StateUnavailable("away"), BusUnavailable("away"), StateUnavailable("away")]
    await bench.takes(*records(b"a", b"b"))
    assert bench.handler.batches == [["a", "b"]] * 4
    assert bench.handler.handled == ["a", "b"]
    assert bench.cemetery.letters == []


async def test_batch_is_given_back_when_patience_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "PATIENCE_S", 0.02)
    bench.handler.poison = {"a": StateUnavailable("away for long")}
    with pytest.raises(StateUnavailable):
        await bench.takes(*records(b"a", b"b"))
    assert len(bench.handler.batches) > 1
    assert bench.cemetery.letters == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("odd"), "handler failed: ValueError: odd"),
        (KeyError("x"), "handler failed: KeyError: 'x'"),
        (Refused("never"), "refused: never"),
        (ExceptionGroup("many", [ValueError("one")]), "handler failed: ExceptionGroup: many (1 sub-exception)"),
    ],
)
async def test_poison_is_found_one_by_one_and_buried_alone(bench: Bench, error: BaseException, reason: str) -> None:
    bench.handler.poison = {"b": error}
    await bench.takes(*records(b"a", b"b", b"c"))
    assert bench.handler.batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert bench.handler.handled == ["a", "c"]
    assert bench.reasons() == {1: reason}


async def test_outage_while_taking_a_batch_apart_is_waited_for(bench: Bench) -> None:
    bench.handler.poison = {"b": ValueError("odd")}
    bench.handler.troubles = [ValueError("first look"), StateUnavailable("away"), StateUnavailable("away")]
    await bench.takes(*records(b"a", b"b", b"c"))
    assert bench.handler.handled == ["a", "c"]
    assert list(bench.reasons()) == [1]


async def test_outage_beyond_patience_while_taking_a_batch_apart_gives_it_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "PATIENCE_S", 0.02)
    bench.handler.troubles = [ValueError("first look")]
    bench.handler.poison = {"b": StateUnavailable("away for long")}
    with pytest.raises(StateUnavailable):
        await bench.takes(*records(b"a", b"b"))
    assert bench.cemetery.letters == [], "an outage is nobody's fault"


async def test_dead_letter_is_kept_though_the_bus_was_away(bench: Bench) -> None:
    bench.cemetery.failures = 3
    await bench.takes(*records(b"bad", b"a"))
    assert (len(bench.cemetery.letters), bench.handler.handled) == (1, ["a"])


async def test_batch_is_given_back_if_its_dead_letter_cannot_be_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "PATIENCE_S", 0.02)
    bench.cemetery.failures = 10**9
    with pytest.raises(BusUnavailable):
        await bench.takes(*records(b"bad", b"a"))
    assert bench.handler.handled == []


async def test_long_reason_is_clipped(bench: Bench) -> None:
    bench.handler.poison = {"a": ValueError("x" * 10_000)}
    await bench.takes(*records(b"a"))
    assert len(bench.reasons()[0]) == 2000


async def test_cancelling_passes(bench: Bench) -> None:
    waiting = asyncio.Event()

    async def handle(_: Sequence[str]) -> None:
        waiting.set()
        await asyncio.Event().wait()

    subscription = Subscription("reelway.x.v1", parse, handle, service="test", clock=ManualClock(T0))
    consuming = asyncio.create_task(subscription.consume(records(b"a"), bench.cemetery))
    await waiting.wait()
    consuming.cancel()
    await let_others_run()
    assert consuming.cancelled()
    assert bench.cemetery.letters == []


async def test_headers_that_are_not_utf8_are_made_readable() -> None:
    seen: list[Any] = []

    async def original(found: Any) -> Any:
        seen.extend(found)
        return "parsed"

    good = record(b"a", headers=[("ce_id", "视频".encode())])
    bad = record(b"b", offset=1, headers=[("ce_id", b"1"), ("x", b"\xff\xfeok")])
    assert await lenient_parser((good, bad), original) == "parsed"
    assert seen[0] is good
    assert dict(seen[1].headers) == {"ce_id": b"1", "x": "\ufffd\ufffdok".encode()}
    assert (seen[1].value, seen[1].offset) == (b"b", 1)


async def test_dead_letter_keeps_only_as_much_of_a_body_as_the_broker_takes(bench: Bench) -> None:
    body = b"bad" + b"x" * 3_000_000
    await bench.takes(*records(body))
    [letter] = bench.cemetery.letters
    assert letter.body_bytes == len(body)
    assert len(letter.model_dump_json()) < 1_000_000
    assert body.startswith(base64.b64decode(letter.body))


async def test_parser_that_chokes_on_a_body_buries_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def choking(body: bytes) -> str:
        if body == b"b":
            raise RecursionError("too deep")
        return parse(body)

    monkeypatch.setattr(bench.subscription, "_parse", choking)
    await bench.takes(*records(b"a", b"b", b"c"))
    assert bench.handler.batches == [["a", "c"]]
    assert bench.reasons() == {bench.cemetery.letters[0].offset: "parser failed: RecursionError: too deep"}
