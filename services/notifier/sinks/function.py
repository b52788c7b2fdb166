"""The function sink (`SCF`): the account's function is invoked with the event, asynchronously where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from services.notifier.domain.notice import Notice, Report
from services.notifier.sinks.base import Sink
from services.notifier.sinks.calls import HttpCaller
from services.notifier.sinks.http_function import HttpFunctionSink
from services.notifier.sinks.lambda_function import LambdaSink
from services.notifier.sinks.scf import ScfSink
from shared.adapters.aws import Aws
from shared.sink_settings import EVERY_ACCOUNT, Function, HttpFunction, LambdaFunction, ScfFunction

NONE = "no function is set for this account (REELWAY_FUNCTIONS)"


class FunctionSink:
    """Delivers to the function of the run's account, or that of all accounts."""

    def __init__(self, functions: Mapping[str, Function], caller: HttpCaller, aws: Aws) -> None:
        self._sinks = {account: _sink_of(function, caller, aws) for account, function in functions.items()}

    def lane(self, target: str) -> str:
        """The account: its function may be slow."""
        return f"function {target}"

    async def send(self, notice: Notice) -> Report:
        """Invokes once, within the timeout of what calls."""
        sink = self._sinks.get(notice.tenant) or self._sinks.get(EVERY_ACCOUNT)
        return Report(delivered=False, error=NONE) if sink is None else await sink.send(notice)


def _sink_of(function: Function, caller: HttpCaller, aws: Aws) -> Sink:
    match function:
        case ScfFunction():
            return ScfSink(function, caller)
        case LambdaFunction():
            return LambdaSink(function, aws)
        case HttpFunction():
            return HttpFunctionSink(function, caller)
        case _:
            assert_never(function)
