"""The SQS sink: the same JSON as the body of a message, with the webhook headers as its attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cachetools import LRUCache

from services.notifier.domain.notice import Notice, Report
from services.notifier.sinks.aws_calls import attempt
from services.notifier.sinks.fitting import fitted
from shared.adapters.aws import Access, Aws
from shared.ids import digest
from shared.mps.signing import webhook_headers

ATTRIBUTES_BYTES = 1024
"""What attributes take of a message's length: names, types and values of four short texts."""
NO_KEYS = "the subscription has no S3SecretId and S3SecretKey, and no REELWAY_SQS_ACCESS_KEY is set"
_NOT_IN_SQS = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""SQS takes what XML 1.0 takes; JSON can say these two otherwise (the others it always does)."""


class SqsSink:
    """Delivers to an SQS queue with the subscription's own keys, or else with those of the settings.

    A FIFO queue gets the run as its message group, so that a run's events stay in order, and the delivery's id as its
    deduplication id: what is sent twice within five minutes is there once. What is longer than `max_bytes` is sent
    without its results (contract MPS_EVENTS §2).
    """

    def __init__(
        self, aws: Aws, *, endpoint: str | None, access_key: str, secret_key: str, max_bytes: int = 262_144
    ) -> None:
        self._aws = aws
        self._endpoint = endpoint
        self._keys = (access_key, secret_key)
        self._max_bytes = max_bytes - ATTRIBUTES_BYTES
        self._urls: LRUCache[tuple[Access, str], str] = LRUCache(1024)

    def lane(self, target: str) -> str:
        """The queue."""
        return f"sqs {target}"

    async def send(self, notice: Notice) -> Report:
        """Sends once, within the timeout of the clients."""
        queue = notice.queue
        access_key, secret_key = (queue.access_id, queue.access_key) if queue.access_id else self._keys
        if not access_key or not secret_key:
            return Report(delivered=False, error=NO_KEYS)
        access = Access("sqs", queue.region, access_key, secret_key, self._endpoint)
        fit = fitted(notice, self._max_bytes, "queue")
        fit = replace(fit, body=fit.body.decode().translate(_NOT_IN_SQS).encode())
        report = await attempt(self._aws, access, lambda client: self._send(client, access, fit))
        if not report.delivered:
            self._urls.pop((access, notice.target), None)  # the queue may be another one by now
        return report

    async def _send(self, client: Any, access: Access, notice: Notice) -> Report:
        url = self._urls.get((access, notice.target))
        if url is None:
            answer = await client.get_queue_url(QueueName=notice.target)
            url = self._urls[access, notice.target] = answer["QueueUrl"]
        attributes = webhook_headers(notice.id, notice.at, notice.body, notice.key)
        if notice.traceparent:
            attributes["traceparent"] = notice.traceparent
        fifo = {"MessageGroupId": digest(notice.run_id), "MessageDeduplicationId": digest(notice.id)}
        answer = await client.send_message(
            QueueUrl=url,
            MessageBody=notice.body.decode(),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
            **(fifo if notice.target.endswith(".fifo") else {}),
        )
        return Report(delivered=True, status=200, response=f"MessageId {answer['MessageId']}")
