"""The loop guard: which objects our own runs wrote (DESIGN §6, ADR 6)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.model.upload import PLACE_METADATA, RUN_METADATA, OutputRecord, output_id, place
from shared.ports.objects import ObjectInfo
from shared.state.records import Records


async def writers(records: Records, infos: Sequence[ObjectInfo]) -> list[str | None]:
    """For each object, as HEAD shows it with its metadata, the run of ours that wrote exactly this one, or None."""
    known = await records.outputs.get_many([output_id(info.bucket, info.key) for info in infos])
    return [_writer(info, known.get(output_id(info.bucket, info.key))) for info in infos]


def _writer(info: ObjectInfo, written: OutputRecord | None) -> str | None:
    if written is not None and written.etag == info.etag:
        return written.run_id
    # Not recorded (yet), or overwritten since: the object itself says who wrote it. A copy made elsewhere carries
    # our metadata too, but names another place, and is somebody's upload.
    if info.metadata.get(PLACE_METADATA) == place(info.bucket, info.key):
        return info.metadata.get(RUN_METADATA)
    return None
