"""`reelway up`: the whole system on this machine, from one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path

import httpx
import orjson
from rich.console import Console

from services.local import leftovers
from services.local.announcer import Announcer
from services.local.broker import broker_spec
from services.local.credentials import load_or_create
from services.local.data_folder import DataFolder, write_private
from services.local.errors import NotReady
from services.local.external_bus import wait_for_kafka
from services.local.ports import LOOPBACK, PortChoice
from services.local.process_spec import ProcessSpec
from services.local.ready_file import Ready, ReadyFiles
from services.local.service_specs import Wiring, service_specs, sqlite_url
from services.local.settings import LocalSettings
from services.local.storage import EmbeddedStorage, StoragePorts
from services.local.supervisor import MEGABYTE, Supervisor
from services.local.welcome import welcome
from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.store import S3ObjectStore
from shared.ports.objects import ObjectError

CHECK_TIMEOUT_S = 5.0


class Launcher:
    """Starts broker and storage, then all services, and keeps them running until SIGINT, SIGTERM or SIGHUP.

    While it runs, the ready file is there exactly when everything has been ready. When `run` returns or raises, no
    process of the launch is left; if the launcher is killed, its processes are killed too.
    """

    def __init__(
        self,
        settings: LocalSettings,
        console: Console,
        services: Callable[[Wiring], list[ProcessSpec]] = service_specs,
    ) -> None:
        self._settings = settings
        self._console = console
        self._services = services
        self._stop = asyncio.Event()
        self._launch = uuid.uuid4().hex

    async def run(self) -> None:
        """Runs until told to stop. Raises LocalError if it cannot start."""
        loop = asyncio.get_running_loop()
        handled = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            handled.append(signal.SIGHUP)
        for number in handled:
            loop.add_signal_handler(number, self._on_signal)
        try:
            with DataFolder(self._settings.data) as folder:
                say = Announcer(self._console, folder.logs / "launcher.log")
                try:
                    await self._run_in(folder, say)
                finally:
                    say.close()
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            leftovers.kill(self._launch)  # asked twice: no more waiting
        self._stop.set()

    async def _run_in(self, folder: DataFolder, say: Announcer) -> None:
        settings = self._settings
        files = ReadyFiles(folder.ready, settings.ready_file)
        files.remove()
        await self._clear_previous(folder, say)
        supervisor = Supervisor(
            self._launch,
            say,
            rss_warning_bytes=settings.rss_warning_mb * MEGABYTE,
            log_limit_bytes=settings.log_limit_mb * MEGABYTE,
            interval_s=settings.rss_interval_s,
        )
        async with httpx.AsyncClient(timeout=CHECK_TIMEOUT_S, trust_env=False) as client:
            try:
                await self._until_stopped(self._start(folder, say, supervisor, client, files))
            finally:
                try:
                    files.remove()
                except OSError as error:
                    say.error("ready_file_left", f"the ready file cannot be removed: {error}")
                say.info("stopping", "stopping")
                await supervisor.stop()
                await asyncio.to_thread(leftovers.kill, self._launch)
                _clear_launch(folder)
                say.info("stopped", "stopped, nothing is left running")

    async def _until_stopped(self, start: Coroutine[None, None, None]) -> None:
        starting = asyncio.create_task(start, name="start")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await stopping
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.wait({starting, stopping})

    async def _clear_previous(self, folder: DataFolder, say: Announcer) -> None:
        if not folder.launch.exists():
            return
        try:
            previous = str(orjson.loads(folder.launch.read_bytes())["launch"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            previous = ""
        # The lock is ours, so the previous launcher is dead; its guard may still be at work.
        if previous and (count := await asyncio.to_thread(leftovers.kill, previous)):
            say.warning("leftovers_killed", f"killed {count} processes that the previous launch left", count=count)
        _clear_launch(folder)

    async def _start(
        self,
        folder: DataFolder,
        say: Announcer,
        supervisor: Supervisor,
        client: httpx.AsyncClient,
        files: ReadyFiles,
    ) -> None:
        settings = self._settings
        began = time.monotonic()
        deadline = began + settings.ready_timeout_s
        credentials = load_or_create(folder.credentials, settings.name)
        ports = PortChoice()
        api_port = ports.take(settings.api_port)
        kafka_port = None if settings.kafka else ports.take(settings.kafka_port)
        storage_ports = StoragePorts.choose(ports, settings.s3_port)
        storage = EmbeddedStorage(folder.objects, folder.logs, storage_ports, credentials, client)
        sockets = [str(path) for path in storage.sockets()]
        write_private(folder.launch, orjson.dumps({"launch": self._launch, "sockets": sockets}))
        storage.prepare()
        say.info("starting", f"starting in {folder.root}")
        servers = [storage.front_spec()]
        if kafka_port is not None:
            broker_limit = settings.broker_rss_limit_mb * MEGABYTE
            servers.append(broker_spec(folder.run, folder.logs / "broker.log", kafka_port, broker_limit))
        await supervisor.start(servers)
        await supervisor.wait_ready(deadline - time.monotonic())
        await supervisor.start([storage.volume_spec()])
        await supervisor.wait_ready(deadline - time.monotonic())
        wiring = Wiring(
            folder=folder,
            credentials=credentials,
            kafka=settings.kafka or f"{LOOPBACK}:{kafka_port}",
            kafka_is_embedded=settings.kafka is None,
            s3_endpoint=storage.endpoint,
            state_url=settings.state_url or sqlite_url(folder.state),
            api_port=api_port,
            ports=ports,
            client=client,
            stop_grace_s=settings.stop_grace_s,
        )
        await _ensure_bucket(wiring)
        if settings.kafka is not None:
            await wait_for_kafka(settings.kafka, deadline - time.monotonic(), say)
        say.info("servers_ready", f"broker and storage are ready after {time.monotonic() - began:.1f} s")
        await supervisor.start(self._services(wiring))
        await supervisor.wait_ready(max(deadline - time.monotonic(), 1))
        supervisor.on_change = lambda: files.write(_ready(wiring, supervisor))
        supervisor.on_change()
        say.info("ready", f"everything is ready after {time.monotonic() - began:.1f} s")
        ready_file = settings.ready_file or folder.ready
        say.show(welcome(_ready(wiring, supervisor), folder.credentials, folder.logs, ready_file))


def _ready(wiring: Wiring, supervisor: Supervisor) -> Ready:
    credentials = wiring.credentials
    return Ready(
        api=wiring.api,
        secret_id=credentials.secret_id,
        secret_key=credentials.secret_key,
        app_id=credentials.app_id,
        region=credentials.region,
        bucket=credentials.bucket,
        s3_endpoint=wiring.s3_endpoint,
        s3_access_key=credentials.s3_access_key,
        s3_secret_key=credentials.s3_secret_key,
        kafka=wiring.kafka,
        data=str(wiring.folder.root),
        state=wiring.state_url,
        pids=supervisor.pids(),
    )


async def _ensure_bucket(wiring: Wiring) -> None:
    credentials = wiring.credentials
    settings = S3Settings(
        endpoint_url=wiring.s3_endpoint,
        access_key=credentials.s3_access_key,
        secret_key=credentials.s3_secret_key,
        region=credentials.region,
    )
    async with S3ObjectStore(settings) as objects:
        try:
            await objects.ensure_bucket(credentials.bucket)
        except ObjectError as error:
            raise NotReady(["storage"], str(error)) from error


def _clear_launch(folder: DataFolder) -> None:
    """Removes what the launch put outside of the data folder, and the note about it."""
    with contextlib.suppress(FileNotFoundError, orjson.JSONDecodeError):
        for path in orjson.loads(folder.launch.read_bytes()).get("sockets", []):
            Path(path).unlink(missing_ok=True)
    folder.launch.unlink(missing_ok=True)
