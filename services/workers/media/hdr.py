"""Pictures between SDR and HDR. Pure.

Both ways SDR white is 203 nits of an HDR picture (ITU-R BT.2408), so that what was made HDR comes back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.mps.media import MediaMetaData, MediaVideoStreamItem

WHITE_NITS = 203
_PEAK_NITS = 1000
"""What most HDR pictures are mastered for; ffmpeg would guess 10,000 where a source does not say."""
_HD_HEIGHT = 720
_PRIMARIES = frozenset({"bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020", "smpte432"})
_TRANSFERS = frozenset({"bt709", "smpte170m", "iec61966-2-1", "bt2020-10", "bt2020-12"})
_MATRICES = frozenset({"bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"})
_CODES = {"hdr10": "smpte2084", "hlg": "arib-std-b67"}
HDR10_DISPLAY = "G(15000,30000)B(7500,3000)R(32000,16500)WP(15635,16450)L(2030000,50)"
HDR10_LIGHT = f"{WHITE_NITS},{WHITE_NITS}"
"""Static metadata of a picture that was SDR (SMPTE 2086 in steps of 0.00002 and 0.0001 nits; brightest pixel and
frame): nothing in it is brighter than white or outside of BT.709."""


def to_sdr(source: MediaMetaData) -> tuple[str, ...]:
    """An HDR picture as SDR; none for an SDR one. Up to half of white is kept, what is brighter is pressed together, so
    that highlights keep their shape."""
    video = source.video
    if not video or not video.hdr_type:
        return ()
    return (
        _hdr_tags(video),
        f"zscale=t=linear:npl={WHITE_NITS}",
        "format=gbrpf32le",
        "zscale=p=bt709",
        f"tonemap=tonemap=mobius:param=0.5:desat=0:peak={_PEAK_NITS / WHITE_NITS:.3f}",
        "zscale=t=bt709:m=bt709:r=tv",
        "sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA",
        "sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL",
    )


def to_hdr(wanted: str, source: MediaMetaData) -> tuple[str, ...]:
    """A picture of this source, in its final size, as `HDR10` or `HLG`; none if it is that already."""
    video = source.video
    assert video is not None
    kind = wanted.lower()
    if video.hdr_type == kind:
        return ()
    if video.hdr_type:
        tags = _hdr_tags(video)
    else:
        guess = "bt709" if min(source.shown_size) >= _HD_HEIGHT else "smpte170m"
        tags = _tagged(
            video.color_primaries if video.color_primaries in _PRIMARIES else guess,
            video.color_transfer if video.color_transfer in _TRANSFERS else "bt709",
            video.color_space if video.color_space in _MATRICES else guess,
        )
    return (
        tags,
        f"zscale=t=linear:npl={WHITE_NITS}",
        "format=gbrpf32le",
        "zscale=p=bt2020",
        f"zscale=t={_CODES[kind]}:m=bt2020nc:r=tv:npl={WHITE_NITS}",
    )


def made_hdr10(filters: Sequence[str]) -> bool:
    """Whether these, of `to_hdr`, end in HDR10."""
    return bool(filters) and f"t={_CODES['hdr10']}:" in filters[-1]


def static_metadata(codec: str) -> list[str]:
    """What the encoder writes into a picture that `to_hdr` made HDR10: its private parameters."""
    match codec:
        case "h265":
            return ["hdr10=1", f"master-display={HDR10_DISPLAY}", f"max-cll={HDR10_LIGHT}"]
        case "h264":
            return [f"mastering-display={HDR10_DISPLAY}", f"cll={HDR10_LIGHT}"]
        case _:
            return []


def _hdr_tags(video: MediaVideoStreamItem) -> str:
    """Conversions fail without all three, and many files only say the transfer."""
    return _tagged(video.color_primaries or "bt2020", _CODES[video.hdr_type], video.color_space or "bt2020nc")


def _tagged(primaries: str, transfer: str, matrix: str) -> str:
    return f"setparams=color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"
