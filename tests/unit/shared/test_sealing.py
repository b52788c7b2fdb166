"""Secrets that are stored sealed."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from shared.sealing import MasterKeys, SealError, master_key_file, new_master_key


def test_what_is_sealed_opens_for_its_owner_only() -> None:
    keys = MasterKeys.read(new_master_key())
    sealed = keys.seal("hush 安静", "AKID1")
    assert "hush" not in sealed
    assert keys.open(sealed, "AKID1") == "hush 安静"
    assert keys.seal("hush 安静", "AKID1") != sealed
    with pytest.raises(SealError):
        keys.open(sealed, "AKID2")


def test_changed_text_does_not_open() -> None:
    keys = MasterKeys.read(new_master_key())
    sealed = keys.seal("hush", "a")
    for place in range(len(sealed) - 20, len(sealed) - 3):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(SealError):
            keys.open(changed, "a")
    for nonsense in ("", "v1", "v1..", f"v1.{keys.current}.", f"v1.{keys.current}.%%%", "plain"):
        with pytest.raises(SealError):
            keys.open(nonsense, "a")


def test_the_master_key_can_be_changed() -> None:
    old, new = new_master_key(), new_master_key()
    sealed = MasterKeys.read(old).seal("hush", "a")
    both = MasterKeys.read(f"{new},{old}")
    assert both.open(sealed, "a") == "hush"
    assert not both.is_current(sealed)
    again = both.seal("hush", "a")
    assert both.is_current(again)
    assert MasterKeys.read(new).open(again, "a") == "hush"
    with pytest.raises(SealError):
        MasterKeys.read(new).open(sealed, "a")


@pytest.mark.parametrize("text", ["", "short:YWJj", "no colon", "a:%%%", "a:YQ==="])
def test_bad_master_keys_are_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"master key|base64") as caught:
        MasterKeys.read(text)
    assert "YWJj" not in str(caught.value)


def test_the_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "master.key"
    found: list[MasterKeys] = []
    threads = [threading.Thread(target=lambda: found.append(master_key_file(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]
    sealed = found[0].seal("hush", "a")
    assert [keys.open(sealed, "a") for keys in found] == ["hush"] * 8
    assert repr(found[0]) == f"MasterKeys({found[0].current})"
