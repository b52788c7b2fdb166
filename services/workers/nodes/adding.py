"""Sounds of other files that a transcode adds: fetched and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.workers.media.effects import AddedSound, Effects
from services.workers.media.probe import probe
from services.workers.nodes.base import NodeContext
from services.workers.nodes.extras import fetch
from shared.model.failure import InvalidInput, SourceFileError
from shared.mps.facts import AudioFacts
from shared.mps.storage import MediaInputInfo

MAX_SOUND_BYTES = 4 * 1024**3
"""Of one file; hours of sound without loss [OURS]."""


async def with_added_sounds(context: NodeContext, wanted: Sequence[MediaInputInfo], effects: Effects) -> Effects:
    """`effects` with the sounds. Raises NodeError that names the one that cannot be had or has no sound."""
    found: list[AddedSound] = []
    for index, info in enumerate(wanted):
        field = f"OverrideParameter.AddonAudioStream[{index}]"
        path = await fetch(context, field, info, MAX_SOUND_BYTES)
        try:
            media = await probe(path)
        except SourceFileError as error:
            raise InvalidInput(f"{field}: {error}") from error
        if media.audio is None:
            raise InvalidInput(f"{field}: the file has no audio")
        own = media.facts.audio[0] if media.facts and media.facts.audio else AudioFacts()
        found.append(AddedSound(path, media.audio, own.language, own.title))
    return replace(effects, sounds=(*effects.sounds, *found)) if found else effects
