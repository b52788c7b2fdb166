"""Why a node failed: the contract's `ErrCodeExt` values (MPS_EVENTS §5) with what Reelway does about each.

NodeError
├── InvalidInput            the parameters do not fit the source
├── SourceFileError         the source cannot be used
└── InternalError           our side; the only class that is retried
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from shared.errors import ReelwayError
from shared.model.base import Value


class ErrCode(StrEnum):
    """`ErrCodeExt` of a sub-task."""

    INVALID_INPUT = "InvalidInput"
    """A parameter cannot be applied to this source."""
    INVALID_TIME_OFFSET = "InvalidInput.InvalidTimeOffset"
    """A start or end lies outside the source."""
    DEFINITION_NOT_EXIST = "InvalidInput.DefinitionNotExist"
    """The template is gone."""
    RESULT_TOO_LARGE = "InvalidInput.ResultFileSizeTooLarge"
    """The output is larger than a node may write (VOD's list)."""
    SOURCE_FILE = "SourceFileError"
    """The source cannot be read as media, is damaged, truncated or empty."""
    NO_VIDEO = "SourceFileError.NoVideoMedia"
    """The node needs a picture and the source has none."""
    NO_RESOLUTION = "SourceFileError.NoVideoResolution"
    """The picture has no size."""
    SOURCE_CHANGED = "SourceFileError.DownloadNotAccessible"
    """The source was deleted or overwritten after the run began."""
    INTERNAL = "InternalError"
    """Our side failed: storage, worker, encoder. Retried."""
    TIMEOUT = "InternalError.Timeout"
    """An attempt waited, ran or stood still for longer than it may [OURS]. Retried."""


class Failure(Value):
    """A failure as it is stored and reported. `numeric` is the deprecated ErrCode (30010 is the only one seen)."""

    code: ErrCode
    message: str
    retryable: bool = False
    numeric: int = 30010


class NodeError(ReelwayError):
    """A node could not do its work."""

    code: ClassVar[str] = "node"
    err: ClassVar[ErrCode] = ErrCode.INTERNAL

    def __init__(self, message: str, err: ErrCode | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(code=err or self.err, message=message, retryable=self.retryable)


class InvalidInput(NodeError):
    """The parameters do not fit the source."""

    err = ErrCode.INVALID_INPUT


class SourceFileError(NodeError):
    """The source cannot be used: not media, damaged, truncated, empty, changed. Never retried."""

    err = ErrCode.SOURCE_FILE


class InternalError(NodeError):
    """Our side failed; another attempt may succeed."""

    err = ErrCode.INTERNAL
    retryable = True
