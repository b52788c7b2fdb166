from __future__ import annotations

from pathlib import Path

import pytest

from services.local.credentials import load_or_create
from services.local.errors import CredentialsBroken


def test_first_start_makes_credentials_that_only_the_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    credentials = load_or_create(path, None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert credentials.bucket == f"media-{credentials.app_id}"
    assert credentials.region == "ap-guangzhou"
    assert load_or_create(path, None) == credentials


def test_two_data_folders_have_nothing_in_common(tmp_path: Path) -> None:
    first = load_or_create(tmp_path / "a", None).model_dump(exclude={"region", "app_id", "bucket"})
    second = load_or_create(tmp_path / "b", None).model_dump(exclude={"region", "app_id", "bucket"})
    assert not set(first.values()) & set(second.values())


def test_another_name_changes_the_bucket_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    before = load_or_create(path, None)
    after = load_or_create(path, "films")
    assert after.bucket == f"films-{before.app_id}"
    assert after.model_dump(exclude={"bucket"}) == before.model_dump(exclude={"bucket"})
    assert load_or_create(path, None) == after
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"secret_id": "x'])
def test_broken_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    with pytest.raises(CredentialsBroken, match=r"credentials\.json cannot be understood"):
        load_or_create(path, None)
    assert path.read_text() == content


def test_open_permissions_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    load_or_create(path, None)
    path.chmod(0o644)
    load_or_create(path, None)
    assert path.stat().st_mode & 0o777 == 0o600
