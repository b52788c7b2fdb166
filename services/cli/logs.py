"""How logs of attempts and outputs look to people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from services.cli.show import moment, out, say


def show_log(log: Mapping[str, Any]) -> None:
    """The programs of one attempt, each as a command line, then what it said."""
    for claim in log["claims"]:
        out.print(Text(f"node {log['node']}, attempt {log['attempt']}, worker {claim['worker']}", style="bold"))
        for call in claim["calls"]:
            say(f"{moment(call['started_at'])} $ {shlex.join(call['arguments'])}")
            for line in call["said"].splitlines():
                say(f"    {line}")
            say(f"    {_end(call)}")
        if claim["left_out"]:
            say(f"({claim['left_out']} calls between them are not kept)")


def _end(call: Mapping[str, Any]) -> str:
    if call["stopped"]:
        return f"stopped: {call['stopped']}"
    return "at work" if call["ended_at"] is None else f"ended with {call['returncode']}"


def show_outputs(page: Mapping[str, Any]) -> None:
    """Objects and their links."""
    for one in page["outputs"]:
        found = one["object"]
        say(f"{one['node']:3} {found['size']:>12} {found['bucket']}/{found['key']}\n    {one['url']}")
