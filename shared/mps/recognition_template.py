"""Templates of content recognition: kept and checked; no node can use them until there is a model (MPS_API §10)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.mps.ai_config import Labelled, Language, SubtitleFormat, Switched, one_of
from shared.mps.base import MpsModel

DefaultLabels = Annotated[list[str], one_of(("entertainment", "sport", "politician"))]


class FaceConfigure(Switched):
    """Which persons to recognise. `Score` is how sure it must be, 0 to 100."""

    score: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    default_library_label_set: DefaultLabels | None = None
    user_define_library_label_set: (
        Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=16)]], Field(max_length=100)] | None
    ) = None
    face_library: Literal["Default", "UserDefine", "All"] | None = None


class AsrFullTextConfigure(Switched):
    """All that is said."""

    subtitle_format: SubtitleFormat | None = None
    source_language: Language | None = None


class TranslateConfigure(Switched):
    """What is said, in another language."""

    source_language: Language | None = None
    destination_language: Language | None = None
    subtitle_format: SubtitleFormat | None = None


class RecognitionTemplate(MpsModel):
    """What to recognise."""

    face_configure: FaceConfigure | None = None
    ocr_full_text_configure: Switched | None = None
    ocr_words_configure: Labelled | None = None
    asr_full_text_configure: AsrFullTextConfigure | None = None
    asr_words_configure: Labelled | None = None
    translate_configure: TranslateConfigure | None = None
