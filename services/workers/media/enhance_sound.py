"""What the members of AudioEnhance do to the sound, as filters. Pure."""

from __future__ import annotations

from services.workers.media.effects import Effects
from services.workers.media.loudness import Levelling
from shared.mps.enhance import AudioEnhanceConfig

_AFFTDN_DELAY_S = 0.025
"""afftdn gives its sound late, at every sample rate, and does not say so (measured on ffmpeg 9)."""
DENOISE = (
    f"apad=pad_dur={_AFFTDN_DELAY_S}",
    "afftdn=nr=20:nf=-40",
    f"atrim=start={_AFFTDN_DELAY_S}",
    f"asetpts=PTS-{_AFFTDN_DELAY_S}/TB",
)
"""Steady noise taken out; a high-pass filter before it, which is usual, makes speech less like its original."""
DECLICK = "adeclick=threshold=5:method=save"
"""With the other method, which is ffmpeg's own choice, sound without clicks is changed as well (30 dB against 150)."""
DEESSER = "deesser=i=0.5:m=0.5:f=0.5"
GAIN_CONTROL = "dynaudnorm=framelen=300:gausssize=5:peak=0.9:maxgain=10"
"""Quiet and loud passages brought together, slowly enough that it is not heard as pumping."""


def sound_effects(wanted: AudioEnhanceConfig, level: Levelling | None = None, *, denoised: bool = False) -> Effects:
    """The filters. `level` comes behind all the others; without it loudness stays.
    `denoised` is for a sound from which something better than a filter took the noise already."""
    before: list[str] = []
    tasks = wanted.beautify.wanted if wanted.beautify else frozenset()
    # Clicks first: a noise filter smears them.
    if "declick" in tasks:
        before.append(DECLICK)
    if wants_denoise(wanted) and not denoised:
        before += DENOISE
    if "deesser" in tasks:
        before.append(DEESSER)
    after: list[str] = []
    balance = wanted.volume_balance
    if balance and balance.on:
        if balance.type == "gainControl":
            after.append(GAIN_CONTROL)
        elif level is not None:
            after += level.filters
    return Effects(before_mix=tuple(before), after_mix=tuple(after))


def wants_denoise(wanted: AudioEnhanceConfig) -> bool:
    """Whether noise is to be taken out."""
    return wanted.denoise is not None and wanted.denoise.on


def wants_loudness(wanted: AudioEnhanceConfig) -> bool:
    """Whether the loudness has to be measured first."""
    balance = wanted.volume_balance
    return balance is not None and balance.on and balance.type == "loudNorm"
