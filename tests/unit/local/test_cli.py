from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app


def test_version_and_every_service_are_commands() -> None:
    for said in (["version"], ["--version"]):
        result = CliRunner().invoke(app, said)
        assert (result.exit_code, result.output.strip()) == (0, "0.1.0")
    overview = CliRunner().invoke(app, ["--help"]).output
    for command in ("up", "trigger", "scheduler", "worker", "notifier", "api", "runs", "pipelines", "limits"):
        assert command in overview


def test_bad_option_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(app, ["up", "--data", str(tmp_path), "--name", "Not A Name"])
    assert result.exit_code == 2
    assert "--name" in result.output


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--kafka", "nowhere"], "--kafka: Value error, 'nowhere' is not host:port"),
        (["--kafka", "127.0.0.1:1", "--kafka-port", "2"], "--kafka-port: Value error, it is the port of the embedded"),
    ],
)
def test_a_kafka_that_cannot_be_is_refused_before_anything_starts(
    tmp_path: Path, options: list[str], named: str
) -> None:
    result = CliRunner().invoke(app, ["up", "--data", str(tmp_path / "data"), *options])
    assert result.exit_code == 2
    assert named in result.output
    assert not (tmp_path / "data").exists()
