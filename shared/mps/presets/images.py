"""Templates of sprites and moving pictures: the system's (MPS_API §12)."""

from __future__ import annotations

from collections.abc import Mapping

from shared.model.template import TemplateKind
from shared.mps.animated_graphics import AnimatedGraphicsTemplate
from shared.mps.image_sprite import ImageSpriteTemplate
from shared.mps.presets.catalogue import NO_OWN, Catalogue, OwnTemplates

IMAGE_SPRITE: Mapping[int, ImageSpriteTemplate] = {
    10: ImageSpriteTemplate(sample_type="Time", sample_interval=10, row_count=10, column_count=10, width=142, height=80)
}
ANIMATED_GRAPHICS: Mapping[int, AnimatedGraphicsTemplate] = {
    20000: AnimatedGraphicsTemplate(fps=2, format="gif"),
    20001: AnimatedGraphicsTemplate(fps=2, format="webp"),
}
IMAGE_SPRITE_TEMPLATES = Catalogue(TemplateKind.IMAGE_SPRITE, ImageSpriteTemplate, IMAGE_SPRITE)
ANIMATED_GRAPHICS_TEMPLATES = Catalogue(TemplateKind.ANIMATED_GRAPHICS, AnimatedGraphicsTemplate, ANIMATED_GRAPHICS)


def image_sprite_template(definition: int, own: OwnTemplates = NO_OWN) -> ImageSpriteTemplate:
    """Raises UnknownTemplate."""
    return IMAGE_SPRITE_TEMPLATES.find(definition, own)


def animated_graphics_template(definition: int, own: OwnTemplates = NO_OWN) -> AnimatedGraphicsTemplate:
    """Raises UnknownTemplate."""
    return ANIMATED_GRAPHICS_TEMPLATES.find(definition, own)
