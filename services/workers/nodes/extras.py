"""Files beside the source that parameters name."""

from __future__ import annotations

from pathlib import Path

from services.workers.nodes.base import NodeContext
from shared.model.failure import InvalidInput
from shared.mps.extra_input import bucket_and_key
from shared.mps.storage import MediaInputInfo


async def fetch(context: NodeContext, field: str, info: MediaInputInfo, limit_bytes: int) -> Path:
    """The file, at most so large. Raises InvalidInput that begins with `field` if it cannot be had."""
    try:
        bucket, _, key = bucket_and_key(info)
        return await context.fetch_object(bucket, key, limit_bytes)
    except (InvalidInput, ValueError) as error:
        raise InvalidInput(f"{field}: {error}") from error
