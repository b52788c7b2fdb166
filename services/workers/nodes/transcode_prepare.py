"""What a transcode finds out or makes before it encodes: brightness, speech without noise, loudness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from services.workers.media import brightness, ffmpeg
from services.workers.media.brightness import Brightness
from services.workers.media.compose import Prepared
from services.workers.media.effects import Effects, joined
from services.workers.media.enhance_picture import needs_brightness
from services.workers.media.enhance_sound import sound_effects, wants_denoise, wants_loudness
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.loudness import MEASURE, Levelling, Loudness, corrected, levelling, loudness_of
from services.workers.media.sound import GAPS, LAYOUTS, sound_filters
from services.workers.media.speech import RawSound, SpeechModel, cleaned, speech_model
from services.workers.nodes.transcode_plan import Cut
from shared.mps.media import MediaAudioStreamItem, MediaMetaData
from shared.mps.transcode import RawTranscodeParameter

LOUDNESS_SHARE = 0.1
SPEECH_SHARE = 0.3
"""Of the progress."""


class Preparation:
    """Knows which steps a template needs for a source, and takes them."""

    def __init__(self, template: RawTranscodeParameter, source: MediaMetaData) -> None:
        self._template, self._source = template, source
        enhance = template.enhance_config
        audio = template.audio_template
        self._picture = enhance.picture if enhance and source.video else None
        self._sound = enhance.sound if enhance and source.audio and audio else None
        # Timestamps as they are cannot be had from samples in a file.
        raw_times = bool(template.video_template and template.video_template.raw_pts)
        countable = bool(source.audio and source.audio.channel in LAYOUTS)
        model = speech_model() if self._sound and wants_denoise(self._sound) else None
        self._model = model if countable and not raw_times else None

    @property
    def share(self) -> float:
        """How much of the whole progress these steps are, 0 to 1."""
        return (SPEECH_SHARE if self._model else 0.0) + (LOUDNESS_SHARE if self._measures_loudness else 0.0)

    @property
    def _measures_loudness(self) -> bool:
        return self._sound is not None and wants_loudness(self._sound)

    async def take(
        self, tools: MediaTools, path: Path, cut: Cut, folder: Path, report: Callable[[float], None]
    ) -> Prepared:
        """`report` gets the share of the whole progress, growing up to `share`. Raises NodeError."""
        bright = await self._brightness(tools, path, cut, folder) if self._needs_brightness else None
        opened = ffmpeg.source(path, *cut.before)
        speech = None
        if self._model is not None:
            speech = await self._speech(tools, self._model, opened, cut, folder, report)
        level = await self._level(tools, speech, opened, cut, folder, report) if self._measures_loudness else None
        return Prepared(bright, speech, level)

    @property
    def _needs_brightness(self) -> bool:
        return self._picture is not None and needs_brightness(self._picture)

    async def _brightness(self, tools: MediaTools, path: Path, cut: Cut, folder: Path) -> Brightness | None:
        await ffmpeg.call(tools, brightness.measuring(path, self._source, cut.start_s, cut.expected_s), folder)
        text = await asyncio.to_thread((folder / brightness.STATISTICS).read_text)
        return brightness.brightness_of(text.splitlines())

    async def _speech(
        self,
        tools: MediaTools,
        model: SpeechModel,
        opened: list[str],
        cut: Cut,
        folder: Path,
        report: Callable[[float], None],
    ) -> RawSound:
        filters = ",".join((f"{GAPS}:first_pts=0", *cut.taking_lead_away.before_mix))
        decoding = ["-af", filters, *cut.length]
        return await cleaned(
            tools,
            model,
            opened,
            decoding,
            self._audio.channel,
            folder,
            lambda share: report(SPEECH_SHARE * min(share, 1.0)),
        )

    async def _level(
        self,
        tools: MediaTools,
        speech: RawSound | None,
        opened: list[str],
        cut: Cut,
        folder: Path,
        report: Callable[[float], None],
    ) -> Levelling:
        done, part = self.share - LOUDNESS_SHARE, LOUDNESS_SHARE / 2

        async def measured(level: Levelling | None, before: float) -> Loudness:
            def on_time(written_s: float) -> None:
                if cut.expected_s:
                    report(before + part * min(written_s / cut.expected_s, 1.0))

            arguments = self._measuring(cut, level, denoised=speech is not None)
            log = await ffmpeg.call(
                tools, [*(speech.arguments if speech else opened), *arguments], folder, on_time, log_level="info"
            )
            return loudness_of(log)

        first = levelling(await measured(None, done))
        return corrected(first, await measured(first, done + part)) if first.limited else first

    def _measuring(self, cut: Cut, level: Levelling | None, *, denoised: bool) -> list[str]:
        """The sound as it will be, up to `level`, into the measure and nowhere else."""
        assert self._sound is not None
        assert self._template.audio_template is not None
        effects = sound_effects(self._sound, level, denoised=denoised)
        if not denoised:
            effects = joined(Effects(before_mix=cut.taking_lead_away.before_mix), effects)
        filters = sound_filters(self._template.audio_template, self._audio, effects)
        if cut.length_s and not cut.raw_times:
            # Output options cut behind the filters only, and what follows may be much louder.
            filters.append(f"atrim=end={cut.length_s:.3f}")
        filters.append(MEASURE)
        return ["-vn", "-map", "0:a:0", "-af", ",".join(filters), *cut.length, "-f", "null", "-"]

    @property
    def _audio(self) -> MediaAudioStreamItem:
        assert self._source.audio is not None
        return self._source.audio
