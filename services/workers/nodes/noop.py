"""A node that makes nothing, for tests and benchmarks."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import Field

from services.workers.nodes.base import NodeContext, NodeOutcome
from services.workers.nodes.errors import as_invalid_input
from shared.model.failure import ErrCode, InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.kinds import NOOP
from shared.model.task import Lane
from shared.mps.base import MpsModel


class NoopParams(MpsModel):
    """`SleepMs`: how long it takes. `Fail`: the ErrCodeExt to fail with; any other text is an InternalError."""

    sleep_ms: int | None = Field(default=None, ge=0, le=3_600_000)
    fail: str | None = None


class Noop:
    """Sleeps if told so, fails if told so."""

    name: ClassVar[str] = NOOP
    lane: ClassVar[Lane] = Lane.LIGHT
    params: ClassVar[type[MpsModel]] = NoopParams

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Reads no source."""
        with as_invalid_input():
            params = NoopParams.model_validate(context.task.params)
        if params.sleep_ms:
            await asyncio.sleep(params.sleep_ms / 1000)
        if params.fail:
            raise _failure(params.fail)
        return NodeOutcome()


def _failure(wanted: str) -> NodeError:
    if wanted not in tuple(ErrCode):
        return InternalError(wanted)
    code = ErrCode(wanted)
    if code.startswith(ErrCode.SOURCE_FILE):
        return SourceFileError("told to fail", code)
    return InternalError("told to fail") if code is ErrCode.INTERNAL else InvalidInput("told to fail", code)
