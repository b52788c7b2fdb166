"""Apache Kafka as jars, from the Maven repository that Maven is set up with; versions are in `apache_kafka/pom.xml`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers import cache
from tests.peers.tools import java, tool

POM = Path(__file__).with_name("apache_kafka") / "pom.xml"
WHAT = "Apache Kafka in tests"
FETCH_S = 900


def jars() -> Path | None:
    """The folder with the jars, if they have been fetched."""
    folder = cache.place("kafka", [POM])
    return folder if folder.is_dir() else None


def fetch() -> Path:
    """The folder with the jars, filled by Maven if need be. Raises ToolMissing and SubprocessError."""
    java(WHAT)
    maven = tool("mvn", WHAT)

    def copy(folder: Path) -> None:
        subprocess.run(
            [
                maven,
                "-B",
                "-q",
                "-Dstyle.color=never",
                "-f",
                str(POM),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={folder}",
            ],
            check=True,
            timeout=FETCH_S,
        )

    return cache.made(cache.place("kafka", [POM]), copy)
