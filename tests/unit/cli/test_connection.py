"""Where the command finds the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.cli.connection import Connection, Given, NotConnected, connection

VARIABLES = {"REELWAY_API": "http://var", "REELWAY_SECRET_ID": "var-id", "REELWAY_SECRET_KEY": "var-key"}


def ready(path: Path, **members: object) -> Path:
    given = {"api": "http://file/", "secret_id": "file-id", "secret_key": "file-key", "bucket": "b"} | members
    path.write_text(json.dumps(given))
    return path


def nowhere() -> Path:
    return Path("/nowhere/ready.json")


def test_options_alone() -> None:
    found = connection(Given("http://opt/", "id", "key"), {}, nowhere)
    assert found == Connection("http://opt", "id", "key")


def test_order_is_options_then_ready_file_then_variables(tmp_path: Path) -> None:
    file = ready(tmp_path / "ready.json", secret_key=None)
    found = connection(Given(api="http://opt", ready_file=file), VARIABLES, nowhere)
    assert found == Connection("http://opt", "file-id", "var-key")


def test_variables_alone_and_file_that_a_variable_names(tmp_path: Path) -> None:
    assert connection(Given(), VARIABLES, nowhere) == Connection("http://var", "var-id", "var-key")
    file = ready(tmp_path / "ready.json")
    found = connection(Given(), {"REELWAY_API": "http://var", "REELWAY_READY_FILE": str(file)}, nowhere)
    assert found == Connection("http://var", "file-id", "file-key")


def test_default_file_is_taken_only_if_nobody_says_anything(tmp_path: Path) -> None:
    file = ready(tmp_path / "ready.json")
    assert connection(Given(), {}, lambda: file) == Connection("http://file", "file-id", "file-key")
    with pytest.raises(NotConnected, match=r"--secret-id .*--secret-key"):
        connection(Given(api="http://elsewhere"), {}, lambda: file)


def test_nothing_at_all_says_what_to_give() -> None:
    with pytest.raises(NotConnected, match=r"give --api \(REELWAY_API\), .* or the --ready-file"):
        connection(Given(), {}, nowhere)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "not a JSON object"), ("{}", "give --api")])
def test_ready_file_that_is_none(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "ready.json"
    file.write_text(content)
    with pytest.raises(NotConnected, match=message):
        connection(Given(ready_file=file), {}, nowhere)


def test_ready_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="cannot be read"):
        connection(Given(ready_file=tmp_path / "nothing"), {}, nowhere)
