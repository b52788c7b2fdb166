"""Writes which actions of the contract this server has, and which not and why:
`python -m services.api.actions.reference docs/reference/mps-actions.md`."""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from services.api.actions.not_implemented import NOT_IMPLEMENTED
from services.api.actions.registry import ACTIONS, VERSION, Action, Handler
from services.api.actions.templates import CreateTemplate, DescribeTemplates, ModifyTemplate
from services.api.domain.templates import DescribeTemplatesRequest
from shared.mps.base import MpsModel
from shared.mps.presets import CATALOGUES

_OF_THE_CODE = re.compile(r" \((contract|MPS_API) [^)]*\)| \[OURS\]")
"""What docstrings say to those who read the code."""


def document() -> str:
    """The whole text."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in NOT_IMPLEMENTED.items():
        reasons[reason].append(name)
    lines = [
        "# Actions of the MPS interface",
        "",
        f"Version {VERSION}. Written by `python -m services.api.actions.reference`; do not edit it by hand.",
        "",
        f"{len(ACTIONS)} actions are implemented, {len(NOT_IMPLEMENTED)} are not. Parameters that are not listed are",
        "refused by name, also those that the contract has: nothing is ignored.",
        "",
        "## Implemented",
        "",
        "| Action | Does | Parameters | Role |",
        "|---|---|---|---|",
        *(_row(name, action) for name, action in sorted(ACTIONS.items())),
        "",
        "## Not implemented",
        "",
        "These are answered with `InvalidAction` and the reason.",
        "",
        "| Why | Actions |",
        "|---|---|",
        *(f"| {reason} | {_listed(names)} |" for reason, names in reasons.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, action: Handler) -> str:
    what = inspect.getdoc(action.handler if isinstance(action, Action) else type(action)) or ""
    does = _OF_THE_CODE.sub("", " ".join(what.split("\n\n")[0].split())).partition(". Raises")[0].rstrip(".")
    return f"| `{name}` | {does} | {_listed(_parameters(action)) or '-'} | {action.access.role.value} |"


def _parameters(action: Handler) -> list[str]:
    match action:
        case Action():
            return _members(action.request)
        case CreateTemplate():
            return ["Name", "Comment", *_members(CATALOGUES[action.family.kind].model)]
        case ModifyTemplate():
            return ["Definition", "Name", "Comment", *_members(CATALOGUES[action.family.kind].model)]
        case DescribeTemplates():
            common = ["Definitions", "Offset", "Limit", "Type", "Name"]
            known = _members(DescribeTemplatesRequest)
            return common + [member for member in action.family.filters if member in known and member not in common]
        case _:
            return ["Definition"]


def _members(model: type[MpsModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
