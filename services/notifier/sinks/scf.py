"""A Tencent function: `Invoke` of the SCF API, asynchronous, the event as its `ClientContext`, signed with TC3."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

from services.notifier.domain.notice import Notice, Report, clipped
from services.notifier.domain.tc3 import signed_headers
from services.notifier.sinks.calls import Answer, HttpCaller, NoAnswer
from services.notifier.sinks.fitting import fitted
from shared.sink_settings import ScfFunction

VERSION = "2018-04-16"
MAX_EVENT_BYTES = 128 * 1024
"""What an asynchronous invocation takes."""
_ANSWERED = 200


class ScfSink:
    """Invokes one function. Delivered is what SCF has queued; that the function runs is SCF's own business."""

    def __init__(self, function: ScfFunction, caller: HttpCaller) -> None:
        self._function = function
        self._caller = caller

    def lane(self, target: str) -> str:
        """The endpoint."""
        return self._function.endpoint

    async def send(self, notice: Notice) -> Report:
        """Invokes once, within the caller's timeout."""
        function = self._function
        invoke = {
            "FunctionName": function.function,
            "Namespace": function.namespace,
            "Qualifier": function.qualifier,
            "InvocationType": "Event",
            "ClientContext": fitted(notice, MAX_EVENT_BYTES, "function").body.decode(),
        }
        body = orjson.dumps(invoke)
        headers = signed_headers(
            service="scf",
            host=urlsplit(function.endpoint).netloc,
            body=body,
            secret_id=function.secret_id,
            secret_key=function.secret_key.get_secret_value(),
            now=notice.at,
        )
        headers |= {"X-TC-Action": "Invoke", "X-TC-Version": VERSION, "X-TC-Region": function.region}
        try:
            answer = await self._caller.post(function.endpoint, headers, body)
        except NoAnswer as error:
            return Report(delivered=False, error=str(error), answered=False, sent={})
        return _judge(answer)


def _judge(answer: Answer) -> Report:
    """SCF answers errors with 200 too: what counts is `Response.Error`."""
    response = clipped(answer.body)
    said = _read(answer.body)
    error = said.get("Error")
    if answer.status == _ANSWERED and said.get("RequestId") and error is None:
        return Report(delivered=True, status=answer.status, response=response, sent={})
    why = f"HTTP {answer.status}"
    if isinstance(error, dict):
        why = f"SCF {error.get('Code')}: {str(error.get('Message'))[:500]}"
    return Report(delivered=False, status=answer.status, error=why, response=response, sent={})


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    inner = said.get("Response") if isinstance(said, dict) else None
    return inner if isinstance(inner, dict) else {}
