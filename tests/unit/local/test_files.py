from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.local.data_folder import DataFolder, write_private
from services.local.errors import DataFolderInUse
from services.local.log_files import open_log, rotate, tail


def test_private_file_replaces_the_old_one_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old, readable by all")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_data_folder_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data"):
        with pytest.raises(DataFolderInUse) as refused, DataFolder(tmp_path / "data"):
            pass
        assert refused.value.owner == str(os.getpid())
    with DataFolder(tmp_path / "data") as folder:
        assert folder.root.stat().st_mode & 0o777 == 0o700


def test_log_above_its_limit_is_emptied_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    log = open_log(path)
    try:
        os.write(log, b"old\n" * 100)
        assert not rotate(path, 400)
        assert rotate(path, 399)
        os.write(log, b"new\n")
    finally:
        os.close(log)
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "service.log.1").read_bytes() == b"old\n" * 100


def test_tail_is_bounded_and_survives_odd_bytes(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    assert tail(path) == ""
    path.write_bytes(b"x" * 1_000_000 + b"\n\xff one\ntwo\n")
    assert tail(path, lines=2) == "\ufffd one\ntwo"
    assert len(tail(path, lines=9)) <= 16_384


def test_tail_of_one_life_leaves_out_the_lives_before(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    path.write_text("first life\nsecond life\n")
    assert tail(path, since_byte=len("first life\n")) == "second life"
    assert tail(path, since_byte=1000) == "first life\nsecond life"  # it was emptied meanwhile
