"""`python -m services.notifier`."""

from __future__ import annotations

from services.notifier.app import SERVICE, build
from services.notifier.settings import NotifierSettings
from shared.runtime import run_service


def main() -> None:
    """Runs the notifier until it is stopped."""
    run_service(SERVICE, NotifierSettings, build)


if __name__ == "__main__":
    main()
