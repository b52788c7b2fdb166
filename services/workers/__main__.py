"""`python -m services.workers`."""

from __future__ import annotations

from services.workers.app import SERVICE, build
from services.workers.settings import WorkerSettings
from shared.runtime import run_service


def main() -> None:
    """Runs a worker until it is stopped."""
    run_service(SERVICE, WorkerSettings, build)


if __name__ == "__main__":
    main()
