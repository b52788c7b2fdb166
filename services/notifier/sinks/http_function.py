"""Any HTTP function as a CloudEvent in binary mode: the event is the body, its attributes are headers."""

from __future__ import annotations

from dataclasses import replace

from services.notifier.domain import cloudevent
from services.notifier.domain.notice import Notice, Report
from services.notifier.sinks.calls import HttpCaller, NoAnswer
from services.notifier.sinks.http import judge
from shared.sink_settings import HttpFunction


class HttpFunctionSink:
    """POSTs to the URL that the operator set. 2xx is delivered; a 410 is a failure like others: the URL is nobody's
    subscription."""

    def __init__(self, function: HttpFunction, caller: HttpCaller) -> None:
        self._url = function.url
        self._caller = caller

    def lane(self, target: str) -> str:
        """The URL."""
        return self._url

    async def send(self, notice: Notice) -> Report:
        """POSTs once, within the caller's timeout."""
        sent = cloudevent.headers(notice, "ce-")
        try:
            answer = await self._caller.post(self._url, sent, notice.body)
        except NoAnswer as error:
            return Report(delivered=False, error=str(error), answered=False, sent=sent)
        return replace(judge(answer, notice.at), gone=False, sent=sent)
