"""DescribeMediaMetaData: a worker probes the object while the caller waits."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from services.api.announcing import announce
from services.api.buckets import find_input
from services.api.dependencies import Context
from services.api.domain.errors import ApiError
from services.api.domain.storage import InputPlace, read_input
from services.api.domain.tasks import METADATA, output_target
from shared import ids
from shared.model.failure import Failure
from shared.model.pipeline import INPUT, OUTPUT, Node, OutputPlace
from shared.model.run import Run, RunState, new_run
from shared.model.task import MediaObject
from shared.mps.base import MpsModel
from shared.mps.render import media_metadata
from shared.mps.storage import MediaInputInfo

_NODES = (Node(kind=INPUT, successors=(1,)), Node(kind=OUTPUT))
WAIT_S = {"": 15.0, "slow": 27.0}
"""By `Mode`. Less than what one action may take, which is less than what the SDK waits."""
LOOK_EVERY_S = 0.05
TRIES = 3
"""Runs for one object, each after the one before failed by our own doing."""
PRIORITY = 10


class DescribeMediaMetaDataRequest(MpsModel):
    """DescribeMediaMetaData. `Mode` slow waits longer."""

    input_info: MediaInputInfo
    mode: Literal["", "slow"] = ""


async def describe_media_metadata(request: DescribeMediaMetaDataRequest, context: Context) -> dict[str, Any]:
    """What the object is. It is a run of its own that ends with its probe: an untrusted file is read where workers read
    such files, with their limits. One object has one such run, so asking again costs nothing, and goes on waiting if
    the first call gave up."""
    place = read_input(request.input_info, context.tenant)
    source = await find_input(context.deps.objects, place)
    metadata = media_metadata(await probed(place, source, context, WAIT_S[request.mode]))
    if metadata is None:
        raise ApiError("FailedOperation", f"{place.key_field}: the reading was ended by somebody; call again")
    return {"MetaData": metadata}


async def probed(place: InputPlace, source: MediaObject, context: Context, wait_s: float) -> Run:
    """The final run that has probed the object, or was ended by somebody. Raises ApiError if the object cannot be read,
    or has not been within `wait_s`."""
    try:
        async with asyncio.timeout(wait_s):
            run = await _probed(place, source, context)
    except TimeoutError:
        rule = "the object has not been read yet; call again, the reading goes on"
        raise ApiError("FailedOperation", f"{place.key_field}: {rule}") from None
    failure = run.node_runs[0].failure
    if failure is not None:
        raise _refused(failure, place)
    return run


async def _probed(place: InputPlace, source: MediaObject, context: Context) -> Run:
    """The final run; the last one if several failed."""
    pinned = (source.bucket, source.key, source.version_id or "", source.etag, str(source.last_modified))
    for number in range(TRIES - 1):
        run = await _final(ids.run_id(context.tenant, METADATA, *pinned, str(number)), place, source, context)
        failure = run.node_runs[0].failure
        if run.state is not RunState.CANCELLED and (failure is None or not failure.retryable):
            return run
    return await _final(ids.run_id(context.tenant, METADATA, *pinned, str(TRIES - 1)), place, source, context)


async def _final(run_id: str, place: InputPlace, source: MediaObject, context: Context) -> Run:
    """The end of this run, which is written if nobody did."""
    runs = context.deps.records.runs
    run = await runs.get(run_id)
    if run is None:
        run = new_run(
            run_id=run_id,
            tenant=context.tenant,
            pipeline_id=METADATA,
            pipeline_name="",
            definition=0,
            nodes=_NODES,
            source=source,
            target=output_target(OutputPlace(), OutputPlace(), place),
            now=await context.deps.records.now(),
            input_type=place.type,
            priority=PRIORITY,
        )
        if (await runs.insert_many([run]))[0]:
            await announce([run.id], context)
    while run is None or not run.state.final:
        await asyncio.sleep(LOOK_EVERY_S)
        run = await runs.get(run_id)
    return run


def _refused(failure: Failure, place: InputPlace) -> ApiError:
    if failure.retryable:
        return ApiError("InternalError", f"the object could not be read: {failure.message}")
    return ApiError("InvalidParameterValue.SrcFile", f"{place.key_field}: {failure.message}")
