"""The programs that fetching a server needs, which are the user's own."""

from __future__ import annotations

import re
import shutil
import subprocess

JAVA = 17
"""The oldest Java that Apache Kafka 4 runs on."""


class ToolMissing(Exception):
    """A program that fetching or running the server needs is not on this machine."""


def tool(name: str, for_what: str) -> str:
    """The program's path. Raises ToolMissing."""
    path = shutil.which(name)
    if path is None:
        raise ToolMissing(f"{for_what} needs {name!r}, which is not on PATH")
    return path


def java(for_what: str) -> str:
    """A Java that is new enough. Raises ToolMissing."""
    path = tool("java", for_what)
    said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        found = said.splitlines()[0] if said else "nothing"
        raise ToolMissing(f"{for_what} needs Java {JAVA} or newer; `java -version` says {found}")
    return path
