"""Filters that bring a picture to its size. Pure.

Sources are turned upright by ffmpeg itself, made square-pixelled here, and never distorted unless FillType says so.
"""

from __future__ import annotations

SQUARE = "scale='round(iw*clip(sar,0.1,10))':ih,setsar=1"
"""A header may claim any aspect ratio; beyond ten to one it is a trick to make us fill the memory."""
EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2"


TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
)
"""HDR to SDR (FACTS §5)."""


def size_filters(
    width: int, height: int, *, open_sides: bool, fill: str, portrait: bool, even: bool = True
) -> list[str]:
    """Filters for a wanted size; 0 x 0 keeps the source's, one 0 keeps the aspect ratio.

    With `open_sides` (ResolutionAdaptive open) width means the long side and height the short one, as shown.
    `even` is for encoders that halve the colour planes.
    """
    if open_sides and portrait:
        width, height = height, width
    if even:
        width, height = width // 2 * 2, height // 2 * 2
    if not width and not height:
        return [SQUARE, EVEN, "setsar=1"] if even else [SQUARE]
    if not width or not height:
        step = -2 if even else -1
        return [SQUARE, f"scale={width or step}:{height or step}", "setsar=1"]
    return [SQUARE, _filled(width, height, fill), "setsar=1"]


def _filled(width: int, height: int, fill: str) -> str:
    fitted = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    match fill:
        case "stretch":
            return f"scale={width}:{height}"
        case "gauss":
            return (
                f"split[back][front];[back]scale={width}:{height}:force_original_aspect_ratio=increase,"
                f"crop={width}:{height},gblur=sigma=20[blurred];[front]{fitted}[sharp];"
                "[blurred][sharp]overlay=(W-w)/2:(H-h)/2"
            )
        case _:
            colour = "white" if fill == "white" else "black"
            return f"{fitted},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:color={colour}"
