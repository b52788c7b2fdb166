"""DASH manifests (ISO/IEC 23009-1, on-demand profile): each representation is one file with an index in it. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # building only: others' XML is not parsed

from shared.errors import ReelwayError

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_PROFILE = "urn:mpeg:dash:profile:isoff-on-demand:2011"
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"


class NotIndexed(ReelwayError):
    """A file has no index of its segments where one is expected."""

    code = "not_indexed"


@dataclass(frozen=True, slots=True)
class Index:
    """The segment index of a file. `first_byte` and `last_byte` are where it lies, both included; what is needed to
    begin lies before it. `segments` are (seconds, bytes) each, the first right behind it."""

    first_byte: int
    last_byte: int
    segments: tuple[tuple[float, int], ...]


def index_of(head: bytes) -> Index:
    """Reads the index of a fragmented MP4 from its beginning (ISO/IEC 14496-12 §8.16.3). Raises NotIndexed."""
    at = 0
    while at + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, at)
        if size < 8:
            break
        if kind == b"sidx":
            return _index(head, at, size)
        if kind == b"moof":
            break
        at += size
    raise NotIndexed("the file has no segment index before its first segment")


def _index(head: bytes, at: int, size: int) -> Index:
    if at + size > len(head):
        raise NotIndexed("the segment index is longer than what was read")
    version, timescale = head[at + 8], struct.unpack_from(">I", head, at + 16)[0]
    first = at + (28 if version == 0 else 36)
    (count,) = struct.unpack_from(">H", head, first + 2)
    found = []
    for number in range(count):
        reference, ticks, _ = struct.unpack_from(">III", head, first + 4 + 12 * number)
        found.append((ticks / timescale, reference & 0x7FFFFFFF))
    return Index(at, at + size - 1, tuple(found))


@dataclass(frozen=True, slots=True)
class Representation:
    """One file. Those of one `group` can be switched between. Subtitles have no `index`."""

    id: str
    group: str
    uri: str
    codecs: str
    bandwidth_bps: int
    index: Index | None
    width: int = 0
    height: int = 0
    sar: str = "1:1"
    frame_rate: Fraction = Fraction(0)
    sampling_rate: int = 0
    channels: int = 0
    language: str = ""
    label: str = ""
    default: bool = False


def manifest(representations: Sequence[Representation], duration_s: float) -> str:
    """The MPD of a film of that length."""
    root = Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": _PROFILE,
            "type": "static",
            "mediaPresentationDuration": f"PT{duration_s:.3f}S",
            "minBufferTime": "PT2S",
        },
    )
    period = SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    for number, group in enumerate(dict.fromkeys(each.group for each in representations)):
        _adaptation_set(period, number, [each for each in representations if each.group == group])
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _adaptation_set(period: Element, number: int, members: Sequence[Representation]) -> None:
    first = members[0]
    kind, mime = ("video", "video/mp4") if first.width else ("audio", "audio/mp4")
    if first.index is None:
        kind, mime = "text", "text/vtt"
    aligned = {"subsegmentAlignment": "true", "subsegmentStartsWithSAP": "1"} if first.index else {}
    found = SubElement(
        period,
        "AdaptationSet",
        {
            "id": str(number),
            "contentType": kind,
            "mimeType": mime,
            **aligned,
            **({"lang": first.language} if first.language else {}),
        },
    )
    if first.label:
        SubElement(found, "Label").text = first.label
    roles = [*(["subtitle"] if first.index is None else []), *(["main"] if first.default else [])]
    for role in roles:
        SubElement(found, "Role", {"schemeIdUri": "urn:mpeg:dash:role:2011", "value": role})
    for each in members:
        _representation(found, each)


def _representation(group: Element, each: Representation) -> None:
    members = {"id": each.id, "bandwidth": str(each.bandwidth_bps)}
    if each.codecs:
        members["codecs"] = each.codecs
    if each.width:
        members |= {"width": str(each.width), "height": str(each.height), "sar": each.sar}
    if each.frame_rate:
        members["frameRate"] = f"{each.frame_rate.numerator}/{each.frame_rate.denominator}"
    if each.sampling_rate:
        members["audioSamplingRate"] = str(each.sampling_rate)
    found = SubElement(group, "Representation", members)
    if each.channels:
        attributes = {"schemeIdUri": _CHANNELS, "value": str(each.channels)}
        SubElement(found, "AudioChannelConfiguration", attributes)
    SubElement(found, "BaseURL").text = each.uri
    if each.index is None:
        return
    place = {"indexRange": f"{each.index.first_byte}-{each.index.last_byte}"}
    base = SubElement(found, "SegmentBase", place)
    SubElement(base, "Initialization", {"range": f"0-{each.index.first_byte - 1}"})
