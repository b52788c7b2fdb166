"""`python -m services.api`."""

from __future__ import annotations

from services.api.app import SERVICE, build
from services.api.settings import ApiSettings
from shared.runtime import run_service


def main() -> None:
    """Runs the API until it is stopped."""
    run_service(SERVICE, ApiSettings, build)


if __name__ == "__main__":
    main()
