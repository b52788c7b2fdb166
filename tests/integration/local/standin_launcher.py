"""`reelway up` with stand-ins for the services, as a process: `python -m tests.integration.local.standin_launcher`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from services.local.launcher import Launcher
from services.local.process_spec import ProcessSpec
from services.local.service_specs import Wiring, service_specs
from services.local.settings import LocalSettings
from shared.errors import ReelwayError

STANDIN = Path(__file__).with_name("standin_service.py")


def standins(wiring: Wiring) -> list[ProcessSpec]:
    return [
        replace(spec, argv=(sys.executable, str(STANDIN)), env={**spec.env, "STANDIN_CHILD": "1"})
        for spec in service_specs(wiring)
        if spec.name in ("trigger", "workers")
    ]


def main() -> None:
    try:
        asyncio.run(Launcher(LocalSettings(), Console(width=200), standins).run())
    except ReelwayError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
