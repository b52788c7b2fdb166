"""Parameters into models; what does not fit is refused with the full wire path and the rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from services.api.domain.errors import NOT_SUPPORTED, ApiError, invalid, missing
from shared.mps.base import MpsModel

M = TypeVar("M", bound=MpsModel)

_NOT_YET = frozenset(
    {
        "AiAnalysisTask",
        "AiContentReviewTask",
        "AiRecognitionTask",
        "AIDubbingTask",
        "SmartEraseTask",
        "SmartSubtitlesTask",
        "VODInputInfo",
        "VODOutputStorage",
    }
)
"""Members of the contract that no model takes yet: refused as such, not as misspelt."""

_SUB_CODES = {
    "ScheduleName": "Name",
    "WorkflowName": "Name",
    "ActivityType": "Type",
    "Limit": "Limit",
    "TaskId": "TaskId",
}
"""Fields whose refusals have a code of their own (contract §13.3)."""
_NO_CODES: Mapping[str, str] = MappingProxyType({})

_NEEDED = re.compile(r"(?P<member>[A-Z][A-Za-z0-9]*) (?P<rule>is required( (when|unless) .*)?)")
"""How the models of `shared.mps` say that one member needs another."""


def parse(model: type[M], params: Mapping[str, Any], at: str = "") -> M:
    """A checked request or structure. `at` is the wire path it stands at. Raises ApiError."""
    try:
        return model.model_validate(params, by_alias=True, by_name=False)
    except ValidationError as error:
        raise refusal(error, at) from None


def refusal(error: ValidationError, at: str, sub_codes: Mapping[str, str] = _NO_CODES) -> ApiError:
    """The first thing that is wrong, for the caller. `sub_codes` are the codes that members have here, beyond those
    that have one everywhere."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = wire_path(at, problem["loc"])
    last = next((str(part) for part in reversed(problem["loc"]) if isinstance(part, str)), "")
    sub = sub_codes.get(last) or _SUB_CODES.get(last, "")
    match problem["type"]:
        case "missing":
            return missing(field)
        case "extra_forbidden" if last in _NOT_YET:
            return invalid(field, NOT_SUPPORTED)
        case "extra_forbidden" if field.startswith("Activities["):
            return invalid(field, "must be absent: there is no such parameter")
        case "extra_forbidden":
            return ApiError("UnknownParameter", f"{field}: not a parameter of this action")
        case "value_error":
            rule = problem["msg"].removeprefix("Value error, ")
            if needed := _NEEDED.fullmatch(rule):
                return missing(wire_path(field, [needed["member"]]), needed["rule"])
            sub = sub_codes.get(rule.split(" ", 1)[0], sub)
            return invalid(field or "request", rule, sub)
        case _:
            rule = problem["msg"]
            return invalid(field or "request", rule[:1].lower() + rule[1:], sub)


def wire_path(at: str, parts: Sequence[int | str]) -> str:
    """`("Activities", 2, "ActivityPara")` as `Activities[2].ActivityPara`."""
    path = at
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path
