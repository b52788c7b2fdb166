"""Templates of content review: kept and checked; no node can use them until there is a model (MPS_API §10)."""

from __future__ import annotations

from typing import Annotated

from shared.mps.ai_config import Confidence, OwnLabels, Switched, one_of
from shared.mps.base import MpsModel

PornLabels = Annotated[list[str], one_of(("porn", "vulgar", "intimacy", "sexy"))]
TerrorismLabels = Annotated[
    list[str],
    one_of(("guns", "crowd", "bloody", "police", "banners", "militant", "explosion", "terrorists", "scenario")),
]
PoliticalLabels = Annotated[
    list[str],
    one_of(
        (
            "violation_photo",
            "politician",
            "entertainment",
            "sport",
            "entrepreneur",
            "scholar",
            "celebrity",
            "military",
        )
    ),
]


class Review(Switched):
    """One thing to look for: from which confidence it is blocked, and from which a person is to look at it."""

    block_confidence: Confidence | None = None
    review_confidence: Confidence | None = None


class PornImages(Review):
    """In pictures; no labels for all."""

    label_set: PornLabels | None = None


class TerrorismImages(Review):
    """In pictures; no labels for all."""

    label_set: TerrorismLabels | None = None


class PoliticalImages(Review):
    """In pictures; no labels for all."""

    label_set: PoliticalLabels | None = None


class OwnReview(Review):
    """Among the tenant's own persons or words."""

    label_set: OwnLabels | None = None


class PornConfigure(MpsModel):
    """Pictures, speech, text."""

    img_review_info: PornImages | None = None
    asr_review_info: Review | None = None
    ocr_review_info: Review | None = None


class TerrorismConfigure(MpsModel):
    """Pictures, text."""

    img_review_info: TerrorismImages | None = None
    ocr_review_info: Review | None = None


class PoliticalConfigure(MpsModel):
    """Pictures, speech, text."""

    img_review_info: PoliticalImages | None = None
    asr_review_info: Review | None = None
    ocr_review_info: Review | None = None


class ProhibitedConfigure(MpsModel):
    """Speech, text."""

    asr_review_info: Review | None = None
    ocr_review_info: Review | None = None


class UserDefineConfigure(MpsModel):
    """The tenant's own persons and words."""

    face_review_info: OwnReview | None = None
    asr_review_info: OwnReview | None = None
    ocr_review_info: OwnReview | None = None


class ReviewTemplate(MpsModel):
    """What is not wanted."""

    porn_configure: PornConfigure | None = None
    terrorism_configure: TerrorismConfigure | None = None
    political_configure: PoliticalConfigure | None = None
    prohibited_configure: ProhibitedConfigure | None = None
    user_define_configure: UserDefineConfigure | None = None
