"""What a caller is told when a call is refused (contract MPS_API §13).

ApiError
└── every refusal, with its contract code; made by the functions below
"""

from __future__ import annotations

from typing import ClassVar

from shared.errors import ReelwayError

NOT_SUPPORTED = "not supported by this version"


class ApiError(ReelwayError):
    """A refused call: `wire_code` is the contract's code, the text names the field and the rule."""

    code: ClassVar[str] = "api"

    def __init__(self, wire_code: str, message: str) -> None:
        super().__init__(message)
        self.wire_code = wire_code
        self.message = message


def invalid(field: str, rule: str, sub: str = "") -> ApiError:
    """`InvalidParameterValue[.sub]` that names the full wire path and the rule."""
    return ApiError(f"InvalidParameterValue.{sub}" if sub else "InvalidParameterValue", f"{field}: {rule}")


def missing(field: str, rule: str = "is required") -> ApiError:
    """`MissingParameter` that names the full wire path."""
    return ApiError("MissingParameter", f"{field}: {rule}")


def not_supported(field: str, sub: str = "") -> ApiError:
    """A part of the contract that this version does not have yet."""
    return invalid(field, NOT_SUPPORTED, sub)


def auth_failure(kind: str, message: str) -> ApiError:
    """`AuthFailure.<kind>`."""
    return ApiError(f"AuthFailure.{kind}", message)
