"""The services as processes: `python -m services.<name>`, told everything by environment variables."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.local.credentials import LocalCredentials
from services.local.data_folder import DataFolder
from services.local.ports import LOOPBACK, PortChoice
from services.local.process_spec import ProcessSpec
from services.local.python_process import module_argv, with_source_root

SERVICES = ("trigger", "scheduler", "workers", "notifier", "api")
ALLOWED_NETWORKS = "127.0.0.0/8,::1/128"
"""Callbacks may go to this machine: that is where they are tried out."""
CANCEL_S = 2
"""How much sooner a service's own stop is over than the supervisor's patience: time to cancel what is left."""
GIVE_BACK_S = 5
"""How much sooner a worker gives up waiting for its tasks: time to give them back, so that the stop is no death."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where everything is that a service may need."""

    folder: DataFolder
    credentials: LocalCredentials
    kafka: str
    kafka_is_embedded: bool
    s3_endpoint: str
    state_url: str
    api_port: int
    ports: PortChoice
    client: httpx.AsyncClient
    """For the readiness checks."""
    stop_grace_s: float

    @property
    def api(self) -> str:
        """URL of the API."""
        return f"http://{LOOPBACK}:{self.api_port}"


def service_specs(wiring: Wiring) -> list[ProcessSpec]:
    """One spec per service, each with a free port for its health."""
    ports = {name: wiring.ports.take() for name in SERVICES}
    return [service_spec(wiring, name, ports) for name in SERVICES]


def service_spec(wiring: Wiring, name: str, health_ports: Mapping[str, int]) -> ProcessSpec:
    """One service, ready when its `/healthz` says so."""
    url = f"http://{LOOPBACK}:{health_ports[name]}/healthz"
    return ProcessSpec(
        name=name,
        argv=module_argv(f"services.{name}"),
        env=service_env(wiring, name, health_ports),
        log=wiring.folder.logs / f"{name}.log",
        cwd=wiring.folder.root,
        ready=lambda: healthy(wiring.client, url),
        grace_s=wiring.stop_grace_s,
    )


def service_env(wiring: Wiring, name: str, health_ports: Mapping[str, int]) -> dict[str, str]:
    """The user's environment with our settings over it."""
    credentials = wiring.credentials
    stop_timeout_s = max(wiring.stop_grace_s - CANCEL_S, 0)
    env = {
        **with_source_root(os.environ),
        **loopback_without_proxy(os.environ),
        "PYTHONUNBUFFERED": "1",
        **_bus_env(wiring),
        "REELWAY_STATE_URL": wiring.state_url,
        "REELWAY_S3_ENDPOINT": wiring.s3_endpoint,
        "REELWAY_S3_ACCESS_KEY": credentials.s3_access_key,
        "REELWAY_S3_SECRET_KEY": credentials.s3_secret_key,
        "REELWAY_REGION": credentials.region,
        "REELWAY_SCRATCH_DIR": str(wiring.folder.scratch),
        "REELWAY_HEALTH_HOST": LOOPBACK,
        "REELWAY_HEALTH_PORT": str(health_ports[name]),
        "REELWAY_STOP_TIMEOUT_S": str(stop_timeout_s),
    }
    match name:
        case "api":
            peers = (f"{peer}=http://{LOOPBACK}:{port}" for peer, port in health_ports.items() if peer != "api")
            env |= {
                "REELWAY_API_HOST": LOOPBACK,
                "REELWAY_API_PORT": str(wiring.api_port),
                "REELWAY_HEALTH_PEERS": ",".join(peers),
                "REELWAY_MASTER_KEY_FILE": str(wiring.folder.master_key),
                "REELWAY_ALLOWED_NETWORKS": ALLOWED_NETWORKS,
                "REELWAY_BOOTSTRAP_SECRET_ID": credentials.secret_id,
                "REELWAY_BOOTSTRAP_SECRET_KEY": credentials.secret_key,
                "REELWAY_BOOTSTRAP_APP_ID": credentials.app_id,
            }
        case "notifier":
            # Processes here are restarted within a second: a killed one's deliveries need not wait a minute.
            env |= {"REELWAY_ALLOWED_NETWORKS": ALLOWED_NETWORKS, "REELWAY_SEND_LEASE_S": "20"}
        case "trigger":
            env |= {"REELWAY_RECONCILE_INTERVAL_S": "2"}
        case "workers":
            env.pop("REELWAY_GRACE_S", None)  # the user's own need not fit our stop timeout
            if (grace_s := math.floor(stop_timeout_s - GIVE_BACK_S)) >= 0:
                env["REELWAY_GRACE_S"] = str(grace_s)
    return env


def _bus_env(wiring: Wiring) -> dict[str, str]:
    """Of the embedded broker we know what it can; a cluster is used as the user's variables say."""
    if not wiring.kafka_is_embedded:
        idempotent = os.environ.get("REELWAY_IDEMPOTENT_PRODUCER", "true")
        return {"REELWAY_KAFKA": wiring.kafka, "REELWAY_IDEMPOTENT_PRODUCER": idempotent}
    return {
        "REELWAY_KAFKA": wiring.kafka,
        # It keeps nothing over a restart, has one node, and does not wake a fetch that waits.
        "REELWAY_KAFKA_FORGETS": "true",
        "REELWAY_FETCH_WAIT_MS": "15",
        "REELWAY_NUDGE_DIR": str(wiring.folder.run / "nudges"),
        "REELWAY_REPLICATION": "1",
        "REELWAY_IDEMPOTENT_PRODUCER": "false",
    }


async def healthy(client: httpx.AsyncClient, url: str) -> str | None:
    """None if `/healthz` answers 200, otherwise what it says is wrong."""
    try:
        answer = await client.get(url)
        if answer.status_code == 200:
            return None
        checks = answer.json().get("checks", {})
    except (httpx.HTTPError, ValueError) as error:
        return f"{url} does not answer ({type(error).__name__})"
    wrong = [f"{name}: {state}" for name, state in checks.items() if state != "ok"]
    return "; ".join(wrong) or f"{url} answers {answer.status_code}"


def loopback_without_proxy(env: Mapping[str, str]) -> dict[str, str]:
    """Both spellings of NO_PROXY with the loopback added: a proxy cannot reach this machine's embedded servers."""
    already = env.get("NO_PROXY") or env.get("no_proxy") or ""
    value = ",".join(part for part in (already, LOOPBACK, "localhost") if part)
    return {"NO_PROXY": value, "no_proxy": value}


def sqlite_url(path: Path) -> str:
    """State URL of an SQLite file."""
    return f"sqlite:///{path}"
