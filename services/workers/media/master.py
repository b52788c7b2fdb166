"""Master playlists of HLS (RFC 8216 §4.3.4), from what was measured of the renditions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

_RANGES = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


@dataclass(frozen=True, slots=True)
class Pace:
    """Bits per second: of the largest segment, and on average."""

    peak_bps: int
    average_bps: int

    def __add__(self, other: Pace) -> Pace:
        return Pace(self.peak_bps + other.peak_bps, self.average_bps + other.average_bps)


def pace(segments: Sequence[tuple[float, int]]) -> Pace:
    """Of segments as (seconds, bytes).

    Segments shorter than half the longest do not count for the peak (RFC 8216 §4.3.4.2 measures runs of half a target
    duration and more), so that the last frames of a film do not look like a rate.
    """
    longest = max((seconds for seconds, _ in segments), default=0.0)
    rates = [size * 8 / seconds for seconds, size in segments if seconds > 0 and seconds >= longest / 2]
    total = sum(seconds for seconds, _ in segments)
    average = sum(size for _, size in segments) * 8 / total if total else 0.0
    return Pace(round(max([*rates, average])), round(average))


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio rendition that plays beside pictures; `group` is its own."""

    group: str
    name: str
    uri: str
    language: str = ""
    channels: int = 0
    default: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """Subtitles that may be shown with any picture."""

    name: str
    uri: str
    language: str = ""
    default: bool = False


TEXTS = "subtitles"
"""The group of all of them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One choice of the player. `pace` and `codecs` count what plays beside it too."""

    uri: str
    pace: Pace
    codecs: tuple[str, ...]
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    transfer: str = ""
    audio_group: str = ""


def master_playlist(
    variants: Sequence[Variant], sounds: Sequence[Sound], texts: Sequence[Text] = (), *, fragmented: bool
) -> str:
    """The text. URIs are taken as they are."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{7 if fragmented else 6}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_media(sound) for sound in sounds]
    lines += [_subtitles(text) for text in _told_apart(texts)]
    for variant in variants:
        lines += [_stream(variant, TEXTS if texts and variant.width else ""), variant.uri]
    return "\n".join(lines) + "\n"


def _media(sound: Sound) -> str:
    return "#EXT-X-MEDIA:" + ",".join(
        [
            "TYPE=AUDIO",
            f"GROUP-ID={_quoted(sound.group)}",
            f"NAME={_quoted(sound.name)}",
            *([f"LANGUAGE={_quoted(sound.language)}"] if sound.language else []),
            f"DEFAULT={'YES' if sound.default else 'NO'}",
            "AUTOSELECT=YES",
            *([f'CHANNELS="{sound.channels}"'] if sound.channels else []),
            f"URI={_quoted(sound.uri)}",
        ]
    )


def _told_apart(texts: Sequence[Text]) -> Iterator[Text]:
    """Names must be different within a group (§4.3.4.1.1)."""
    given: set[str] = set()
    for text in texts:
        name = next(name for name in _numbered(text.name) if name not in given)
        given.add(name)
        yield replace(text, name=name)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} {number}" for number in count(2))


def _subtitles(text: Text) -> str:
    return "#EXT-X-MEDIA:" + ",".join(
        [
            "TYPE=SUBTITLES",
            f"GROUP-ID={_quoted(TEXTS)}",
            f"NAME={_quoted(text.name)}",
            *([f"LANGUAGE={_quoted(text.language)}"] if text.language else []),
            f"DEFAULT={'YES' if text.default else 'NO'}",
            "AUTOSELECT=YES",
            "FORCED=NO",
            f"URI={_quoted(text.uri)}",
        ]
    )


def _stream(variant: Variant, texts: str) -> str:
    codecs = ",".join(dict.fromkeys(variant.codecs))
    return "#EXT-X-STREAM-INF:" + ",".join(
        [
            f"BANDWIDTH={variant.pace.peak_bps}",
            f"AVERAGE-BANDWIDTH={variant.pace.average_bps}",
            # A codec that we cannot name is better not named than wrongly.
            *([f"CODECS={_quoted(codecs)}"] if codecs and all(variant.codecs) else []),
            *([f"RESOLUTION={variant.width}x{variant.height}"] if variant.width else []),
            *([f"FRAME-RATE={variant.frame_rate:.3f}"] if variant.frame_rate else []),
            *([f"VIDEO-RANGE={_RANGES.get(variant.transfer, 'SDR')}"] if variant.width else []),
            *([f"AUDIO={_quoted(variant.audio_group)}"] if variant.audio_group else []),
            *([f"SUBTITLES={_quoted(texts)}"] if texts else []),
        ]
    )


def _quoted(text: str) -> str:
    # A quoted string has no way to write these (§4.2).
    return '"' + "".join(" " if character in '"\r\n' else character for character in text) + '"'
