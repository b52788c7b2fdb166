"""The unchanged official Node SDK: another client, with signatures of its own kind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.peers import node_sdk_packages
from tests.peers.tools import ToolMissing, tool

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packages() -> Path:
    try:
        return node_sdk_packages.fetch()
    except ToolMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_node_sdk_manages_schedules_and_gets_the_right_codes(stack: Stack, packages: Path, method: str) -> None:
    ready = stack.ready
    endpoint = ready["api"].removeprefix("http://")
    program = [tool("node", "the test"), str(node_sdk_packages.PROJECT / "smoke.js")]
    arguments = [endpoint, ready["secret_id"], ready["secret_key"], ready["region"], stack.bucket, method]
    environment = {**os.environ, "NODE_PATH": str(packages / "node_modules"), "NO_PROXY": "127.0.0.1"}
    ended = subprocess.run(
        [*program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "status": "Enabled",
        "name": f"节点_node-{method}",
        "dir": "/node sdk+%/",
        "before": [[], [0], [1]],
        "left": 0,
        "refused": "FailedOperation",
        "unknown": "InvalidParameterValue.TaskId",
        "wrongKey": "AuthFailure.SignatureFailure",
    }
