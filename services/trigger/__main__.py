"""`python -m services.trigger`."""

from __future__ import annotations

from services.trigger.app import SERVICE, build
from services.trigger.settings import TriggerSettings
from shared.runtime import run_service


def main() -> None:
    """Runs the trigger until it is stopped."""
    run_service(SERVICE, TriggerSettings, build)


if __name__ == "__main__":
    main()
