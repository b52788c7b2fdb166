"""Opening and closing clips joined with the film, in its size, frame rate, sample rate and channels. Pure.

Picture and sound are joined apart; both parts of each segment are brought to the same length, so that they stay
together: a picture that is too short stands still, a sound that is too short is followed by silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.workers.media.effects import NO_EFFECTS, Clip, Effects
from services.workers.media.ffmpeg import source as opened
from services.workers.media.filtergraph import FilterGraph
from services.workers.media.geometry import geometry
from services.workers.media.shaping import decoded_filters, pixel_format, rate_filter, sized_filters, tone_filters
from services.workers.media.sound import LAYOUTS, output_channels, sample_rate, sound_filters
from shared.model.failure import ErrCode, InvalidInput
from shared.mps.media import MediaAudioStreamItem, MediaMetaData
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

_FALLBACK_HZ = 44100
_FALLBACK_FPS = "fps=25"


@dataclass(frozen=True, slots=True)
class Joining:
    """All segments of an output: `heads`, the film that lasts `film_s`, `tails`."""

    heads: Sequence[Clip]
    tails: Sequence[Clip]
    film: MediaMetaData
    film_s: float
    with_picture: bool

    @property
    def clips(self) -> tuple[Clip, ...]:
        """In the order of their inputs."""
        return (*self.heads, *self.tails)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Arguments that open the clips."""
        return tuple(argument for clip in self.clips for argument in opened(clip.path))

    @property
    def heads_s(self) -> float:
        """How long the film is put off."""
        return sum(self.length(clip) for clip in self.heads)

    @property
    def lasts_s(self) -> float:
        """Of the whole. Raises InvalidInput if a length is not known."""
        return self.film_s + sum(self.length(clip) for clip in self.clips)

    def length(self, clip: Clip) -> float:
        """Seconds of a clip. Raises InvalidInput."""
        facts = clip.facts
        if self.with_picture and facts.video is None:
            raise InvalidInput(f"{clip.field}: the clip has no picture", ErrCode.INVALID_INPUT)
        if not self.with_picture and facts.audio is None:
            raise InvalidInput(f"{clip.field}: the clip has no sound, and the output has nothing else")
        found = (facts.video_duration if self.with_picture else facts.audio_duration) or facts.duration
        if found <= 0:
            raise InvalidInput(f"{clip.field}: it is not known how long the clip lasts")
        return found

    def picture(self, graph: FilterGraph, video: VideoTemplateInfo, container: str, first_input: int) -> list[str]:
        """Mapping and filters of the joined picture; `graph` is the film's, complete. Raises InvalidInput."""
        rate = rate_filter(video, self.film, container) or _own_rate(self.film)
        graph.apply(*_exactly(self.film_s, rate))
        parts = graph.ended("film_v")
        labels = []
        for number, clip in enumerate(self.clips):
            label = f"clip{number}_v"
            chain = [*self._shaped(clip, video, f"clip{number}"), *_exactly(self.length(clip), rate)]
            parts.append(f"[{first_input + number}:V:0]{','.join(chain)}[{label}]")
            labels.append(label)
        order = self._in_order(labels, "film_v")
        parts.append(f"{order}concat=n={len(labels) + 1}:v=1:a=0,{rate}[joined_v]")
        return ["-filter_complex", ";".join(parts), "-map", "[joined_v]"]

    def sound(
        self, audio: AudioTemplateInfo, effects: Effects, container: str, heard: str, first_input: int
    ) -> list[str]:
        """Mapping and filters of the joined sound; `heard` is the film's stream. Raises InvalidInput."""
        like = self.any_sound
        assert like is not None
        hz = sample_rate(audio, like, container) or _FALLBACK_HZ
        layout = LAYOUTS.get(output_channels(audio, like) or 2, "stereo")
        one_form = f"aformat=sample_fmts=fltp:sample_rates={hz}:channel_layouts={layout}"
        silence = f"anullsrc=r={hz}:cl={layout},{one_form}"

        def part(own: MediaAudioStreamItem | None, stream: str, seconds: float, label: str, effect: Effects) -> str:
            begin = silence
            if own is not None:
                begin = f"[{stream}]{','.join([*sound_filters(audio, own, effect), one_form])}"
            return f"{begin},apad,atrim=end={seconds:.6f},asetpts=PTS-STARTPTS[{label}]"

        parts = [part(self.film.audio, heard, self.film_s, "film_a", effects)]
        labels = []
        for number, clip in enumerate(self.clips):
            label, stream = f"clip{number}_a", f"{first_input + number}:a:0"
            parts.append(part(clip.facts.audio, stream, self.length(clip), label, NO_EFFECTS))
            labels.append(label)
        order = self._in_order(labels, "film_a")
        parts.append(f"{order}concat=n={len(labels) + 1}:v=0:a=1[joined_a]")
        return ["-filter_complex", ";".join(parts), "-map", "[joined_a]"]

    @property
    def any_sound(self) -> MediaAudioStreamItem | None:
        """The film's sound, else the first clip's that has some."""
        return next((facts.audio for facts in (self.film, *(clip.facts for clip in self.clips)) if facts.audio), None)

    def _shaped(self, clip: Clip, video: VideoTemplateInfo, mark: str) -> list[str]:
        """A clip's picture in the film's frame, filled as the template says."""
        frame = geometry(video, self.film)
        fixed = video.model_copy(update={"width": frame.width, "height": frame.height, "resolution_adaptive": "close"})
        hdr = [facts.video.hdr_type if facts.video else "" for facts in (self.film, clip.facts)]
        if video.bit_depth == 10 and hdr[0] != hdr[1]:
            raise InvalidInput(f"{clip.field}: HDR and SDR cannot be joined; use BitDepth 8")
        return [
            *decoded_filters(clip.facts),
            *tone_filters(fixed, clip.facts),
            *sized_filters(fixed, clip.facts, mark),
            f"format={pixel_format(video)}",
        ]

    def _in_order(self, clips: Sequence[str], film: str) -> str:
        heads = len(self.heads)
        return "".join(f"[{label}]" for label in (*clips[:heads], film, *clips[heads:]))


def _exactly(seconds: float, rate: str) -> list[str]:
    return [
        rate,
        f"tpad=stop_mode=clone:stop_duration={seconds:.6f}",
        f"trim=end={seconds:.6f}",
        "setpts=PTS-STARTPTS",
    ]


def _own_rate(film: MediaMetaData) -> str:
    video = film.video
    if video is None or not video.fps_numerator or not video.fps_denominator:
        return _FALLBACK_FPS
    return f"fps={video.fps_numerator}/{video.fps_denominator}"
