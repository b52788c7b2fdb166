"""Errors of the bus.

BusUnavailable    the bus does not answer or refuses a message; retryable
"""

from __future__ import annotations

from typing import ClassVar

from shared.errors import ReelwayError


class BusUnavailable(ReelwayError):
    """The bus cannot be reached, or did not acknowledge in time; whether the message is there is unknown."""

    code: ClassVar[str] = "bus_unavailable"
    retryable: ClassVar[bool] = True
