"""What nodes will cost: CPU seconds and output bytes, from a small model (ADR 25, docs/reference/estimates.md)."""

from shared.estimates.estimate import Estimate as Estimate
from shared.estimates.estimate import estimate as estimate
