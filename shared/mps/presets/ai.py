"""Templates of review, analysis and recognition: the system's (MPS_API §12). Shown; no node can use them yet."""

from __future__ import annotations

from typing import Any, TypeVar

from shared.model.template import TemplateKind
from shared.mps.ai_config import Switched
from shared.mps.analysis_template import AnalysisTemplate
from shared.mps.base import MpsModel
from shared.mps.presets.catalogue import Catalogue, Doc
from shared.mps.recognition_template import FaceConfigure, RecognitionTemplate
from shared.mps.review_template import (
    PoliticalConfigure,
    PoliticalImages,
    PornConfigure,
    PornImages,
    ProhibitedConfigure,
    Review,
    ReviewTemplate,
    TerrorismConfigure,
    TerrorismImages,
)

M = TypeVar("M", bound=MpsModel)

_ON = Switched(switch="ON")
_REVIEW = Review(switch="ON")


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {name: _merged(old.get(name), value) for name, value in new.items()}


def deeply_changed(template: M, changes: Doc) -> M:
    """The contract's `...ForUpdate` of these kinds has objects in objects: of each only what is given is replaced.
    Raises pydantic.ValidationError."""
    return type(template).model_validate(_merged(template.to_wire(), changes), by_alias=True, by_name=False)


ANALYSIS_TEMPLATES = Catalogue(
    TemplateKind.ANALYSIS,
    AnalysisTemplate,
    {
        10: AnalysisTemplate(classification_configure=_ON, tag_configure=_ON, cover_configure=_ON),
        20: AnalysisTemplate(
            classification_configure=_ON, tag_configure=_ON, cover_configure=_ON, frame_tag_configure=_ON
        ),
    },
    deeply_changed,
)
RECOGNITION_TEMPLATES = Catalogue(
    TemplateKind.RECOGNITION,
    RecognitionTemplate,
    {10: RecognitionTemplate(face_configure=FaceConfigure(switch="ON", face_library="Default"))},
    deeply_changed,
)
REVIEW_TEMPLATES = Catalogue(
    TemplateKind.CONTENT_REVIEW,
    ReviewTemplate,
    {
        10: ReviewTemplate(
            porn_configure=PornConfigure(img_review_info=PornImages(switch="ON")),
            terrorism_configure=TerrorismConfigure(img_review_info=TerrorismImages(switch="ON")),
            political_configure=PoliticalConfigure(img_review_info=PoliticalImages(switch="ON")),
        ),
        20: ReviewTemplate(
            porn_configure=PornConfigure(
                img_review_info=PornImages(switch="ON"), asr_review_info=_REVIEW, ocr_review_info=_REVIEW
            ),
            terrorism_configure=TerrorismConfigure(
                img_review_info=TerrorismImages(switch="ON"), ocr_review_info=_REVIEW
            ),
            political_configure=PoliticalConfigure(
                img_review_info=PoliticalImages(switch="ON"), asr_review_info=_REVIEW, ocr_review_info=_REVIEW
            ),
            prohibited_configure=ProhibitedConfigure(asr_review_info=_REVIEW, ocr_review_info=_REVIEW),
        ),
    },
    deeply_changed,
)
