"""The moments of pictures at regular distances. Pure."""

from __future__ import annotations

from services.workers.media.winding import is_still
from shared.model.failure import InvalidInput
from shared.mps.media import MediaMetaData
from shared.mps.snapshot import Sampling


def sample_times(template: Sampling, source: MediaMetaData, at_most: int) -> list[float]:
    """From 0, before the end, `SampleInterval` per cent or seconds apart. A still, or a source without duration, has
    one picture. Raises InvalidInput if there would be more than `at_most`."""
    count = 1 if is_still(source) else template.count(source.duration)
    if count > at_most:
        raise InvalidInput(f"the template makes {count} pictures of this source, more than {at_most}")
    return [index * template.interval_s(source.duration) for index in range(count)]
