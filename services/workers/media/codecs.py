"""Codec strings of RFC 6381 (`avc1.64001F`, `mp4a.40.2`) from codec configuration, best effort. Pure."""

from __future__ import annotations

_AV1_PROFILES = {"Main": 0, "High": 1, "Professional": 2}
_AAC_TYPES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4, "HE-AAC": 5, "HE-AACv2": 29}
_H264_PROFILES = {"Constrained Baseline": "42C0", "Baseline": "4200", "Main": "4D00", "High": "6400", "High 10": "6E00"}
_PLAIN = {"mp3": "mp4a.40.34", "ac3": "ac-3", "eac3": "ec-3", "opus": "opus", "flac": "flac", "vorbis": "vorbis"}


def video_codecs(codec: str, extradata: bytes, profile: str, level: int) -> str:
    """The string of a video stream, empty if it cannot be told."""
    match codec:
        case "h264":
            return _h264(extradata, profile, level)
        case "hevc":
            return _hevc(extradata, profile, level)
        case "av1":
            # §5 of the AV1 ISO binding: profile, level and tier, bit depth.
            if len(extradata) >= 4 and extradata[0] == 0x81:
                tier = "H" if extradata[2] & 0x80 else "M"
                depth = 10 if extradata[2] & 0x40 else 8
                return f"av01.{extradata[1] >> 5}.{extradata[1] & 31:02d}{tier}.{depth:02d}"
            return f"av01.{_AV1_PROFILES.get(profile, 0)}.{max(level, 0):02d}M.08"
        case "vp9" | "vp8":
            return {"vp9": "vp09.00.10.08", "vp8": "vp8"}[codec]
        case _:
            return ""


def _h264(extradata: bytes, profile: str, level: int) -> str:
    if len(extradata) >= 4 and extradata[0] == 1:  # avcC
        return "avc1." + extradata[1:4].hex().upper()
    start = extradata.find(b"\x00\x00\x01\x67")  # a sequence parameter set as in transport streams
    if 0 <= start <= len(extradata) - 7:
        return "avc1." + extradata[start + 4 : start + 7].hex().upper()
    known = _H264_PROFILES.get(profile)
    return f"avc1.{known}{level:02X}" if known and level > 0 else ""


def _hevc(extradata: bytes, profile: str, level: int) -> str:
    # ISO 14496-15 annex E; the constraint bytes end at the last that is not zero.
    if len(extradata) >= 13 and extradata[0] == 1:
        space = ["", "A", "B", "C"][extradata[1] >> 6]
        flags = int(f"{int.from_bytes(extradata[2:6], 'big'):032b}"[::-1], 2)
        tier = "H" if extradata[1] & 0x20 else "L"
        constraints = extradata[6:12].rstrip(b"\x00")
        rest = "".join(f".{byte:X}" for byte in constraints)
        return f"hvc1.{space}{extradata[1] & 31}.{flags:X}.{tier}{extradata[12]}{rest}"
    number = {"Main": "1.6", "Main 10": "2.4"}.get(profile)
    return f"hvc1.{number}.L{level}.B0" if number and level > 0 else ""


def audio_codecs(codec: str, extradata: bytes, profile: str) -> str:
    """The string of an audio stream, empty if it cannot be told."""
    if codec == "aac":
        kind = extradata[0] >> 3 if extradata else _AAC_TYPES.get(profile, 2)
        return f"mp4a.40.{kind}"
    return _PLAIN.get(codec, "")
