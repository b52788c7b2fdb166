"""An AWS Lambda function: `Invoke` with the event as payload, asynchronously."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.notifier.domain.notice import Notice, Report
from services.notifier.sinks.aws_calls import attempt
from services.notifier.sinks.fitting import fitted
from shared.adapters.aws import Access, Aws
from shared.sink_settings import LambdaFunction

MAX_EVENT_BYTES = 256 * 1024
"""What an asynchronous invocation takes for sure."""
_QUEUED = 202


class LambdaSink:
    """Invokes one function. Delivered is what Lambda has queued; that the function runs is Lambda's own business."""

    def __init__(self, function: LambdaFunction, aws: Aws) -> None:
        self._name = function.function
        self._aws = aws
        self._access = Access(
            "lambda",
            function.region,
            function.access_key,
            function.secret_key.get_secret_value(),
            function.endpoint,
        )

    def lane(self, target: str) -> str:
        """The function."""
        return self._name

    async def send(self, notice: Notice) -> Report:
        """Invokes once, within the timeout of the clients."""
        payload = fitted(notice, MAX_EVENT_BYTES, "function").body

        async def invoke(client: Any) -> Report:
            answer = await client.invoke(FunctionName=self._name, InvocationType="Event", Payload=payload)
            status = answer["StatusCode"]
            if status == _QUEUED:
                return Report(delivered=True, status=status)
            return Report(delivered=False, status=status, error=f"Lambda answered {status}")

        return replace(await attempt(self._aws, self._access, invoke), sent={})
