"""What the audit log shows of documents: what changed, without secrets and without bulk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

HIDDEN = "***"
MOST_BYTES = 32 * 1024
"""Of one member; a longer one is only measured."""
_SECRET = re.compile(
    r"secret|passw|token|notify_?key|private|authorization|signature|sealed|access_?key|csrf|(content|encrypt\w*)_?key",
    re.IGNORECASE,
)
_NAMES = re.compile(r"(secret|access_?key)_?id", re.IGNORECASE)
"""Names of secrets, which are none."""
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(?<=[?&])([^=&#\s]*)=([^&#\s]*)")
_SUBSCRIPTION = frozenset({"sink", "mode", "target"})
_BOOKKEEPING = frozenset({"_id", "version", "outbox", "history"})
_SHOWN: Mapping[str, frozenset[str]] = {
    "runs": frozenset(
        {
            "pipeline_id",
            "pipeline_name",
            "pipeline_version",
            "input",
            "state",
            "commands",
            "origin",
            "epoch",
            "priority",
        }
    ),
    "persons": frozenset({"person_id", "name", "description", "usages", "tags"}),
    "photos": frozenset({"person_id"}),
}
"""Collections of large documents with the members that say what was asked for. No photo of a person is in the log: it
would stay there when the person is deleted."""

Doc = Mapping[str, Any]
Sides = tuple[dict[str, Any] | None, dict[str, Any] | None]


def difference(collection: str, before: Doc | None, after: Doc | None) -> Sides:
    """Both documents with the members that differ, masked. A secret that changed is hidden on both sides."""
    shown = _SHOWN.get(collection)

    def relevant(name: str) -> bool:
        if name in _BOOKKEEPING or (shown is not None and name not in shown):
            return False
        return before is None or after is None or before.get(name) != after.get(name)

    def side(document: Doc | None) -> dict[str, Any] | None:
        if document is None:
            return None
        return {name: _clipped(masked(value, name)) for name, value in document.items() if relevant(name)}

    return side(before), side(after)


def masked(value: Any, name: str = "") -> Any:
    """The value with everything hidden that is, or may be, a secret. `name` is the member's."""
    if value not in (None, "", [], {}) and _SECRET.search(name) and not _NAMES.fullmatch(name):
        return HIDDEN
    match value:
        case Mapping():
            shown = {key: masked(item, str(key)) for key, item in value.items()}
            # The secret of a subscription has the name that objects' keys have.
            return shown | {"key": HIDDEN} if shown.get("key") and shown.keys() >= _SUBSCRIPTION else shown
        case list() | tuple():
            return [masked(item, name) for item in value]
        case str() if "://" in value:
            without = _USERINFO.sub(f"{HIDDEN}@", value)
            return _QUERY.sub(lambda found: _pair(found[1], found[2]), without)
        case _:
            return value


def _pair(name: str, value: str) -> str:
    return f"{name}={HIDDEN if _SECRET.search(name) else value}"


def _clipped(value: Any) -> Any:
    size = len(orjson.dumps(value, default=str))
    return value if size <= MOST_BYTES else f"({size} bytes)"
