"""Templates of content analysis: kept and checked; no node can use them until there is a model (MPS_API §10)."""

from __future__ import annotations

from shared.mps.ai_config import Switched
from shared.mps.base import MpsModel


class AnalysisTemplate(MpsModel):
    """What to find out about a film as a whole."""

    classification_configure: Switched | None = None
    tag_configure: Switched | None = None
    cover_configure: Switched | None = None
    frame_tag_configure: Switched | None = None
