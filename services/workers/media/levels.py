"""Whether a picture fits into a level of its codec: a stream that claims a level it breaks does not play where the
level was wanted for. Pure. Limits of H.264 table A-1 and H.265 table A.8/A.9."""

from __future__ import annotations

from shared.model.failure import InvalidInput

_H264: dict[str, tuple[int, int]] = {
    "1": (99, 1485),
    "1.1": (396, 3000),
    "1.2": (396, 6000),
    "1.3": (396, 11_880),
    "2": (396, 11_880),
    "2.1": (792, 19_800),
    "2.2": (1620, 20_250),
    "3": (1620, 40_500),
    "3.1": (3600, 108_000),
    "3.2": (5120, 216_000),
    "4": (8192, 245_760),
    "4.1": (8192, 245_760),
    "4.2": (8704, 522_240),
    "5": (22_080, 589_824),
    "5.1": (36_864, 983_040),
    "5.2": (36_864, 2_073_600),
    "6": (139_264, 4_177_920),
    "6.1": (139_264, 8_355_840),
    "6.2": (139_264, 16_711_680),
}
"""Macroblocks of a frame and of a second."""
_H265: dict[str, tuple[int, int]] = {
    "1": (36_864, 552_960),
    "2": (122_880, 3_686_400),
    "2.1": (245_760, 7_372_800),
    "3": (552_960, 16_588_800),
    "3.1": (983_040, 33_177_600),
    "4": (2_228_224, 66_846_720),
    "4.1": (2_228_224, 133_693_440),
    "5": (8_912_896, 267_386_880),
    "5.1": (8_912_896, 534_773_760),
    "5.2": (8_912_896, 1_069_547_520),
    "6": (35_651_584, 1_069_547_520),
    "6.1": (35_651_584, 2_139_095_040),
    "6.2": (35_651_584, 4_278_190_080),
}
"""Samples of a frame and of a second; 8.5 has no limit."""


def check_level(codec: str, level: str, width: int, height: int, frame_rate: float) -> None:
    """Raises InvalidInput if the picture is too large or too fast for the level."""
    limits = {"h264": _H264, "h265": _H265}[codec].get(level)
    if limits is None:
        return
    size = -(-width // 16) * -(-height // 16) if codec == "h264" else width * height
    if size > limits[0] or size * frame_rate > limits[1]:
        raise InvalidInput(
            f"VideoTemplate.VideoLevel {level} is too low for {width}x{height} at {frame_rate:g} frames per second"
        )
