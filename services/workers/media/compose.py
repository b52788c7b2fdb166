"""Everything that the parameters of a transcode do to picture and sound beside plain encoding, put together. Pure.

One place for all of them, so that their order is decided once: enhancements here, what is drawn on the picture after.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.workers.media.brightness import Brightness
from services.workers.media.effects import Effects, joined
from services.workers.media.enhance_picture import enhanced_template, picture_effects
from services.workers.media.enhance_sound import sound_effects
from services.workers.media.loudness import Levelling
from services.workers.media.speech import RawSound
from shared.mps.media import MediaMetaData
from shared.mps.transcode import RawTranscodeParameter


@dataclass(frozen=True, slots=True)
class Prepared:
    """What had to be found out or made before the encode; None for what is not needed."""

    brightness: Brightness | None = None
    speech: RawSound | None = None
    level: Levelling | None = None


NOTHING_PREPARED = Prepared()


@dataclass(frozen=True, slots=True)
class Composed:
    """`template` is the one to encode by (enhancements may change its frame rate and size), `speech` the sound to take
    in place of the source's."""

    template: RawTranscodeParameter
    effects: Effects
    speech: RawSound | None = None


def compose(template: RawTranscodeParameter, source: MediaMetaData, prepared: Prepared = NOTHING_PREPARED) -> Composed:
    """What to do to this source. Raises InvalidInput."""
    wanted = template.enhance_config
    if wanted is None:
        return Composed(template, Effects())
    changed = enhanced_template(template, source)
    parts: list[Effects] = []
    if wanted.picture and source.video and changed.video_template:
        parts.append(picture_effects(wanted.picture, changed.video_template, source, prepared.brightness))
    if wanted.sound and source.audio:
        parts.append(sound_effects(wanted.sound, prepared.level, denoised=prepared.speech is not None))
    return Composed(changed, joined(*parts), prepared.speech)
