"""The queue sink where CMQ's HTTP API is configured: the same JSON as `msgBody`, to a queue or a topic."""

from __future__ import annotations

import random
from typing import Any

import orjson

from services.notifier.domain.cmq import endpoint_of, signed_form
from services.notifier.domain.notice import Notice, Report, clipped
from services.notifier.sinks.calls import Answer, HttpCaller, NoAnswer
from services.notifier.sinks.fitting import fitted

ANSWERED_ON_PURPOSE = 200


class CmqSink:
    """Delivers to a CMQ queue (`SendMessage`) or topic (`PublishMessage`). Delivered is what CMQ answers with `code` 0.

    An event that is longer than CMQ takes is sent without its results (contract MPS_EVENTS §2).
    """

    def __init__(
        self,
        caller: HttpCaller,
        endpoint: str,
        secret_id: str,
        secret_key: str,
        *,
        max_bytes: int,
        rng: random.Random,
    ) -> None:
        self._caller = caller
        self._endpoint = endpoint
        self._secret_id = secret_id
        self._secret_key = secret_key
        self._max_bytes = max_bytes
        self._rng = rng

    def lane(self, target: str) -> str:
        """The queue or topic: CMQ limits each."""
        return f"cmq {target}"

    async def send(self, notice: Notice) -> Report:
        """Sends once, within the caller's timeout."""
        queue = notice.queue
        url = endpoint_of(self._endpoint, region=queue.region, topic=queue.topic)
        body = fitted(notice, self._max_bytes, "topic" if queue.topic else "queue").body.decode()
        name = {"topicName": notice.target} if queue.topic else {"queueName": notice.target}
        form = signed_form(
            url,
            {
                "Action": "PublishMessage" if queue.topic else "SendMessage",
                **({"Region": queue.region} if queue.region else {}),
                **name,
                "msgBody": body,
            },
            secret_id=self._secret_id,
            secret_key=self._secret_key,
            now=notice.at,
            nonce=self._rng.randrange(1, 2**31),
        )
        try:
            answer = await self._caller.post(url, {"Content-Type": "application/x-www-form-urlencoded"}, form)
        except NoAnswer as error:
            return Report(delivered=False, error=str(error), answered=False, sent={})
        return _judge(answer)


def _judge(answer: Answer) -> Report:
    said = _read(answer.body)
    code, response = said.get("code"), clipped(answer.body)
    if answer.status == ANSWERED_ON_PURPOSE and code == 0:
        return Report(delivered=True, status=answer.status, response=response, sent={})
    error = f"HTTP {answer.status}" if code is None else f"CMQ {code}: {str(said.get('message'))[:500]}"
    return Report(delivered=False, status=answer.status, error=error, response=response, sent={})


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
