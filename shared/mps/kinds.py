"""The contract's names for node kinds: request, parameter member, result, result member (MPS_API §6)."""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.pipeline import RULES


@dataclass(frozen=True, slots=True)
class ActivityNames:
    """How one node kind is called on the wire. `progress`, `times` and `err_code` say which members its result
    structure has (MPS_EVENTS §4)."""

    kind: str
    activity: str
    parameter: str
    result: str
    result_member: str
    progress: bool
    times: bool
    err_code: bool = True


ACTIVITIES = (
    ActivityNames("transcode", "action-trans", "TranscodeTask", "Transcode", "TranscodeTask", True, False),
    ActivityNames(
        "sample_snapshot",
        "action-samplesnapshot",
        "SampleSnapshotTask",
        "SampleSnapshot",
        "SampleSnapshotTask",
        False,
        True,
    ),
    ActivityNames(
        "snapshot_by_time",
        "action-snapshotByTimeOffset",
        "SnapshotByTimeOffsetTask",
        "SnapshotByTimeOffset",
        "SnapshotByTimeOffsetTask",
        False,
        True,
    ),
    ActivityNames(
        "image_sprite", "action-image-sprite", "ImageSpriteTask", "ImageSprites", "ImageSpriteTask", False, True
    ),
    ActivityNames(
        "animated_graphics",
        "action-animated-graphics",
        "AnimatedGraphicTask",
        "AnimatedGraphics",
        "AnimatedGraphicTask",
        False,
        True,
    ),
    ActivityNames(
        "quality_control",
        "action-AIQualityControl",
        "QualityControlTask",
        "AiQualityControl",
        "QualityControlTask",
        True,
        False,
    ),
    ActivityNames(
        "adaptive_streaming",
        "action-adaptive-substream",
        "AdaptiveDynamicStreamingTask",
        "AdaptiveDynamicStreaming",
        "AdaptiveDynamicStreamingTask",
        False,
        True,
    ),
    ActivityNames(RULES, "action-exec-rules", "ExecRulesTask", "ExecRules", "ExecRuleTask", False, False, False),
)
"""The kinds of node that this version can run."""

BY_ACTIVITY = {names.activity: names for names in ACTIVITIES}
BY_KIND = {names.kind: names for names in ACTIVITIES}

KNOWN_UNSUPPORTED = frozenset(
    {
        "action-aiReview",
        "action-AIAnalysis",
        "action-AIRecognition",
        "action-SmartSubtitles",
        "action-SmartErase",
    }
)
"""Activity types of the contract that are refused by name until their nodes exist."""

MEDIA_RESULT_MEMBERS = (
    "TranscodeTask",
    "AnimatedGraphicTask",
    "SnapshotByTimeOffsetTask",
    "SampleSnapshotTask",
    "ImageSpriteTask",
    "AdaptiveDynamicStreamingTask",
)
"""All members of MediaProcessTaskResult."""
RESULT_MEMBERS = (
    "TranscodeTask",
    "AnimatedGraphicTask",
    "SnapshotByTimeOffsetTask",
    "SampleSnapshotTask",
    "ImageSpriteTask",
    "AdaptiveDynamicStreamingTask",
    "RecognitionTask",
    "ReviewTask",
    "AnalysisTask",
    "QualityControlTask",
    "ExecRuleTask",
    "SmartSubtitlesTask",
    "SmartEraseTask",
)
"""All members of ActivityResItem: an event carries the others as null (MPS_EVENTS §7.1)."""
