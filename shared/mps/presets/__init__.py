"""Templates: the system's (contract MPS_API §12) and a tenant's own, one module for each kind."""

from shared.mps.presets.adaptive import ADAPTIVE as ADAPTIVE
from shared.mps.presets.adaptive import adaptive_ladder as adaptive_ladder
from shared.mps.presets.catalogue import NO_OWN as NO_OWN
from shared.mps.presets.catalogue import Catalogue as Catalogue
from shared.mps.presets.catalogue import OwnTemplates as OwnTemplates
from shared.mps.presets.catalogue import Reference as Reference
from shared.mps.presets.catalogue import TemplateMisfit as TemplateMisfit
from shared.mps.presets.catalogue import UnknownTemplate as UnknownTemplate
from shared.mps.presets.images import ANIMATED_GRAPHICS as ANIMATED_GRAPHICS
from shared.mps.presets.images import IMAGE_SPRITE as IMAGE_SPRITE
from shared.mps.presets.images import animated_graphics_template as animated_graphics_template
from shared.mps.presets.images import image_sprite_template as image_sprite_template
from shared.mps.presets.quality_control import QUALITY_CONTROL as QUALITY_CONTROL
from shared.mps.presets.quality_control import quality_control_template as quality_control_template
from shared.mps.presets.registry import CATALOGUES as CATALOGUES
from shared.mps.presets.registry import PARAMETERS as PARAMETERS
from shared.mps.presets.registry import check_templates as check_templates
from shared.mps.presets.registry import references as references
from shared.mps.presets.snapshots import SAMPLE_SNAPSHOT as SAMPLE_SNAPSHOT
from shared.mps.presets.snapshots import SNAPSHOT_BY_TIME as SNAPSHOT_BY_TIME
from shared.mps.presets.snapshots import sample_snapshot_template as sample_snapshot_template
from shared.mps.presets.snapshots import snapshot_by_time_template as snapshot_by_time_template
from shared.mps.presets.transcode import TRANSCODE as TRANSCODE
from shared.mps.presets.transcode import resolve as resolve
from shared.mps.presets.watermarks import ResolvedMark as ResolvedMark
from shared.mps.presets.watermarks import resolve_watermarks as resolve_watermarks
