"""Requests as they come in (contract MPS_API §1): JSON bodies, flattened queries and forms, common parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from services.api.domain.errors import ApiError

MAX_DEPTH = 32
"""Levels of a request; the deepest structure of the contract has about ten."""

V1_COMMON = frozenset(
    {
        "Action",
        "Version",
        "Region",
        "Timestamp",
        "Nonce",
        "SecretId",
        "SignatureMethod",
        "Signature",
        "Language",
        "RequestClient",
        "Token",
    }
)
"""Parameters of a v1 request that are not the action's own."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked for, by whom it says it is; nothing of it has been checked against a signature."""

    action: str
    version: str
    params: dict[str, Any]


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a POST body, members that are null left out. Raises ApiError `InvalidParameter`."""
    try:
        found = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise ApiError("InvalidParameter", f"the body is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError("InvalidParameter", "the body must be a JSON object")
    return within_depth(found)


def within_depth(members: dict[str, Any]) -> dict[str, Any]:
    """The object without members that are null. Raises ApiError if it is nested deeper than MAX_DEPTH."""
    pruned: dict[str, Any] = _pruned(members, 1)
    return pruned


def _pruned(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ApiError("InvalidParameter", f"the body is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {name: _pruned(item, depth + 1) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_pruned(item, depth + 1) for item in value]
    return value


def read_form(text: str) -> dict[str, str]:
    """The pairs of a query string or a form body. Raises ApiError `InvalidParameter`."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise ApiError("InvalidParameter", "the parameters are not valid UTF-8") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ApiError("InvalidParameter", "a parameter is given twice")
    return found


def unflatten(flat: Mapping[str, str]) -> dict[str, Any]:
    """`{"A.0.B": "1"}` as `{"A": [{"B": "1"}]}`; values stay text and are read by schema later. Raises ApiError."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        parts = path.split(".")
        if len(parts) > MAX_DEPTH or not all(parts):
            raise ApiError("InvalidParameter", f"{path[:100]}: not a parameter name")
        place = root
        for part in parts[:-1]:
            following = place.setdefault(part, {})
            if not isinstance(following, dict):
                raise ApiError("InvalidParameter", f"{path[:100]}: is both a value and a structure")
            place = following
        if parts[-1] in place:
            raise ApiError("InvalidParameter", f"{path[:100]}: is both a value and a structure")
        place[parts[-1]] = value
    return {name: _listed(item, name) for name, item in root.items()}


def _listed(value: Any, path: str) -> Any:
    """Structures whose names are all numbers are lists, and a list has no holes."""
    if not isinstance(value, dict):
        return value
    if not all(name.isascii() and name.isdigit() for name in value):
        return {name: _listed(item, f"{path}.{name}") for name, item in value.items()}
    if any(str(index) not in value for index in range(len(value))):
        raise ApiError("InvalidParameter", f"{path[:100]}: the indexes of a list must be 0, 1, 2, ...")
    return [_listed(value[str(index)], f"{path}[{index}]") for index in range(len(value))]


def common_and_own(flat: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters of a v1 call, split into the common ones and the action's own."""
    common = {name: value for name, value in flat.items() if name in V1_COMMON}
    return common, {name: value for name, value in flat.items() if name not in V1_COMMON}


def success(result: Mapping[str, Any], request_id: str) -> bytes:
    """The body of an answer."""
    return orjson.dumps({"Response": {**result, "RequestId": request_id}})


def failure(code: str, message: str, request_id: str) -> bytes:
    """The body of a refusal."""
    return orjson.dumps({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": request_id}})
