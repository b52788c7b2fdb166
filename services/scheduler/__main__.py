"""`python -m services.scheduler`."""

from __future__ import annotations

from services.scheduler.app import SERVICE, build
from services.scheduler.settings import SchedulerSettings
from shared.runtime import run_service


def main() -> None:
    """Runs the scheduler until it is stopped."""
    run_service(SERVICE, SchedulerSettings, build)


if __name__ == "__main__":
    main()
