"""What rules may ask of a quality-control node's result (MPS_API §6.1 and §10.4, MPS_EVENTS §4 QualityControlData)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.conditions import Shape

KIND = "quality_control"
"""The node kind of `action-AIQualityControl`."""

ITEMS = frozenset(
    """
    LowEvaluation AudioEvaluation Mosaic CrashScreen Blur Jitter Noise QRCode BarCode AppletCode BlackWhiteEdge
    SolidColorScreen LowLighting HighLighting NoVoice LowVoice HighVoice AudioNoise VideoResolutionChanged
    AudioSampleRateChanged AudioChannelsChanged ParameterSetsChanged DarOrSarInvalid TimestampFallback DtsJitter
    PtsJitter AACDurationDeviation AudioDroppingFrames VideoDroppingFrames AVTimestampInterleave PtsLessThanDts
    ReceiveFpsJitter ReceiveFpsTooSmall FpsJitter StreamOpenFailed StreamEnd StreamParseFailed VideoFirstFrameNotIdr
    StreamNALUError TsStreamNoAud AudioStreamLack VideoStreamLack LackAudioRecover LackVideoRecover
    VideoBitrateOutofRange AudioBitrateOutofRange VideoDecodeFailed AudioDecodeFailed AudioOutOfPhase
    VideoDuplicatedFrame AudioDuplicatedFrame VideoRotation TsMultiPrograms Mp4InvalidCodecFourcc HLSBadM3u8Format
    HLSInvalidMasterM3u8 HLSInvalidMediaM3u8 HLSMasterM3u8Recommended HLSMediaM3u8Recommended
    HLSMediaM3u8DiscontinuityExist HLSMediaSegmentsStreamNumChange HLSMediaSegmentsPTSJitterDeviation
    HLSMediaSegmentsDTSJitterDeviation TimecodeTrackExist
    """.split()  # noqa: SIM905 - sixty lines otherwise
)
"""The item names. An item's value is the highest confidence (0–100) with which it was found, 100 if it was found by a
check that has no confidence, 0 if it was not found [OURS]."""

_FLAGS = ("NoAudio", "NoVideo")
_SCORES = ("QualityEvaluationScore", "QualityEvaluationMeanOpinionScore")

SHAPES: Mapping[str, Shape] = {
    **dict.fromkeys(_FLAGS, "truth value"),
    **dict.fromkeys(_SCORES, "number"),
    **dict.fromkeys(sorted(ITEMS), "number"),
}
"""All keys and what they are."""

_FOUND = 100


def value(payload: object, key: str) -> Any:
    """What `key` is in a result's `Output`; None if the result does not say."""
    if not isinstance(payload, Mapping):
        return None
    if key not in ITEMS:
        return payload.get(key)
    found = [_confidence(entry) for entry in _entries(payload, "QualityControlResultSet", key)]
    found += [_FOUND for _ in _entries(payload, "ContainerDiagnoseResultSet", key)]
    return max(found, default=0)


def _entries(payload: Mapping[str, Any], member: str, key: str) -> list[Mapping[str, Any]]:
    entries = payload.get(member)
    if not isinstance(entries, list | tuple):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and entry.get("Type") == key]


def _confidence(entry: Mapping[str, Any]) -> float:
    items = entry.get("QualityControlItems")
    if not isinstance(items, list | tuple):
        return _FOUND
    given = [item.get("Confidence") for item in items if isinstance(item, Mapping)]
    return max((each for each in given if isinstance(each, int | float)), default=_FOUND)
