"""`reelway up` as a fault test wants it: `python -m tests.fault.arranged up ...`, the arrangement in the environment.

Everything is the product's own and started by its own launcher; what differs are the number of workers, settings, the
way to the storage, the size of the scratch disk.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from services import cli
from services.local import launcher
from services.local.process_spec import ProcessSpec
from services.local.python_process import module_argv
from services.local.service_specs import Wiring, service_spec, service_specs

VARIABLE = "REELWAY_FAULT_ARRANGEMENT"


class Arrangement(BaseModel):
    """What is different from `reelway up`. Processes are named as in the ready file; the second worker is
    `workers-2`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = 1
    s3_endpoint: str | None = None
    """Where the services find the storage; theirs alone: the launcher and the tests ask the storage itself."""
    env: dict[str, dict[str, str]] = {}
    """Variables by process, over what the launcher says."""
    modules: dict[str, str] = {}
    """Modules to run instead of `services.<name>`."""
    scratch_bytes: int | None = None
    """Gives each worker a small disk of its own for scratch: a tmpfs that only the worker's processes see."""


def specs(arrangement: Arrangement, wiring: Wiring) -> list[ProcessSpec]:
    """The services, arranged."""
    if arrangement.s3_endpoint is not None:
        wiring = replace(wiring, s3_endpoint=arrangement.s3_endpoint)
    found = service_specs(wiring)
    for number in range(2, arrangement.workers + 1):
        more = service_spec(wiring, "workers", {"workers": wiring.ports.take()})
        name = f"workers-{number}"
        found.append(replace(more, name=name, log=more.log.with_name(f"{name}.log")))
    return [_arranged(spec, arrangement, wiring.folder.scratch) for spec in found]


def _arranged(spec: ProcessSpec, arrangement: Arrangement, scratch: Path) -> ProcessSpec:
    argv = module_argv(arrangement.modules[spec.name]) if spec.name in arrangement.modules else spec.argv
    if arrangement.scratch_bytes is not None and spec.name.startswith("workers"):
        argv = on_small_disk(argv, scratch, arrangement.scratch_bytes)
    return replace(spec, argv=argv, env={**spec.env, **arrangement.env.get(spec.name, {})})


def on_small_disk(argv: tuple[str, ...], folder: Path, size_bytes: int) -> tuple[str, ...]:
    """The command with a tmpfs on `folder`, in a mount namespace of its own, for which no root is needed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        raise RuntimeError("a small disk needs unshare(1), of util-linux")
    mount = f'mount -t tmpfs -o size={size_bytes},mode=0700 tmpfs {shlex.quote(str(folder))} && exec "$@"'
    return (unshare, "--user", "--map-root-user", "--mount", "/bin/sh", "-c", mount, "worker", *argv)


def main() -> None:
    """The command `reelway` with a launcher that arranges the services."""
    arrangement = Arrangement.model_validate_json(os.environ.get(VARIABLE, "{}"))
    make: Callable[[Wiring], list[ProcessSpec]] = partial(specs, arrangement)
    launcher.Launcher = partial(launcher.Launcher, services=make)  # type: ignore[assignment,misc]
    cli.app()


if __name__ == "__main__":
    main()
