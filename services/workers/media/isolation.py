"""Whether media processes can be kept from every network."""

from __future__ import annotations

import subprocess
import sys

import structlog

from services.workers.media.process import LAUNCHER

log = structlog.get_logger(__name__)


def announce_isolation() -> bool:
    """Finds out, says it in the log, and answers. Without a namespace of their own, which needs root, the white lists
    of protocols and formats are what keeps media processes from the network. Blocks."""
    check = [sys.executable, "-I", "-S", str(LAUNCHER), "--check"]
    isolated = subprocess.run(check, check=False, timeout=30).returncode == 0
    if isolated:
        log.info("media processes have no network: each has an empty network namespace")
    else:
        log.info("media processes are kept from the network by white lists alone: no namespace of their own")
    return isolated
