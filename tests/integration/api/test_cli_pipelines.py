"""`reelway pipelines` against a running API."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import yaml

from tests.integration.api.stand import BUCKET, REGION, Stand, running_stand
from tests.integration.api.test_cli import _own_environment, reelway, reelway_json
from tests.integration.api.test_rest_dry_runs import METADATA
from tests.integration.api.test_rest_pipelines import document

__all__ = ["_own_environment"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(document(), allow_unicode=True), encoding="utf-8")
    return path


async def test_exported_file_makes_the_same_pipeline_in_an_empty_installation(
    stand: Stand, file: Path, tmp_path: Path
) -> None:
    await reelway(stand, "pipelines", "create", "-f", str(file))
    written = tmp_path / "out.yaml"
    await reelway(stand, "pipelines", "export", "测试_demo-1", "--secrets", "-o", str(written))
    assert written.stat().st_mode & 0o077 == 0
    async with running_stand() as empty:
        assert (await reelway(empty, "pipelines", "apply", "-f", str(written))).stdout.startswith("created")
        assert (await reelway(empty, "pipelines", "apply", "-f", str(written))).stdout.startswith("unchanged")
        [before] = await stand.records.pipelines.find({})
        [after] = await empty.records.pipelines.find({})
        identity = {name: getattr(before, name) for name in ("id", "created_at", "updated_at")}
        assert after.with_changes(**identity) == before
        again = (await reelway(empty, "pipelines", "export", after.id, "--secrets")).stdout
        assert again == written.read_text(encoding="utf-8")


async def test_pipelines_are_listed_shown_switched_copied_and_deleted(stand: Stand, file: Path) -> None:
    await reelway(stand, "pipelines", "create", "-f", str(file))
    await reelway(stand, "pipelines", "create", "-f", str(file), exit_code=4)
    name = "测试_demo-1"
    assert "is enabled" in (await reelway(stand, "pipelines", "enable", name)).stdout
    listed = (await reelway(stand, "pipelines", "list", "--status", "enabled")).stdout
    for text in (name, "enabled", f"{BUCKET}/in/"):
        assert text in listed
    shown = (await reelway(stand, "pipelines", "show", name)).stdout
    for text in ("Definition=100020", "hd, 2", "http://example.com/told", "mp4, .MOV"):
        assert text in shown
    assert "topsecret" not in shown
    await reelway(stand, "pipelines", "delete", name, exit_code=4)
    await reelway(stand, "pipelines", "clone", name, "copy")
    assert [one["name"] for one in (await reelway_json(stand, "pipelines", "list"))["pipelines"]].count("copy") == 1
    assert "is disabled" in (await reelway(stand, "pipelines", "disable", name)).stdout
    await reelway(stand, "pipelines", "delete", name)
    await reelway(stand, "pipelines", "show", name, exit_code=3)


async def test_versions_are_listed_compared_and_taken_back(stand: Stand, file: Path, tmp_path: Path) -> None:
    await reelway(stand, "pipelines", "apply", "-f", str(file))
    changed = tmp_path / "changed.json"
    changed.write_text(file.read_text(encoding="utf-8").replace("100020", "100030"), encoding="utf-8")
    assert "definition 2" in (await reelway(stand, "pipelines", "apply", "-f", str(changed))).stdout
    name = "测试_demo-1"
    assert "+      Definition: 100030" in (await reelway(stand, "pipelines", "diff", name, "1")).stdout
    assert "definition 3, as 1 was" in (await reelway(stand, "pipelines", "rollback", name, "1")).stdout
    assert (await reelway(stand, "pipelines", "diff", name, "1", "3")).stdout == "no difference\n"
    versions = (await reelway_json(stand, "pipelines", "versions", name))["versions"]
    assert [one["definition"] for one in versions] == [3, 2, 1]
    await reelway(stand, "pipelines", "rollback", name, "9", exit_code=3)


async def test_bad_files_are_told_by_their_members(stand: Stand, file: Path, tmp_path: Path) -> None:
    assert "good" in (await reelway(stand, "pipelines", "validate", "-f", str(file))).stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump(document(trigger={"bucket": BUCKET, "region": REGION, "dir": "/in"})))
    verdict = await reelway(stand, "pipelines", "validate", "-f", str(bad), exit_code=2)
    assert verdict.stdout == "trigger.dir: must end with '/'\n"
    said = await reelway(stand, "pipelines", "import", str(bad), str(file), exit_code=2)
    assert "trigger.dir" in said.output
    assert "created" in said.output
    await reelway(stand, "pipelines", "create", "-f", str(tmp_path / "none.yaml"), exit_code=2)


async def test_calls_that_make_something_may_be_repeated(stand: Stand, rest: httpx.AsyncClient, file: Path) -> None:
    await reelway(stand, "pipelines", "create", "-f", str(file))
    assert len(await stand.records.answers.find({})) == 1
    assert len((await rest.get("/pipelines")).json()["pipelines"]) == 1


async def test_dry_run_tells_costs_and_names(stand: Stand, file: Path, tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps(METADATA))
    await reelway(stand, "pipelines", "create", "-f", str(file))
    for given in (("测试_demo-1",), ("-f", str(file))):
        answer = await reelway_json(
            stand, "pipelines", "dry-run", *given, "--key", "in/film.mp4", "--metadata", str(metadata)
        )
        assert answer["trigger"]["starts"]
        assert answer["cpu_s"] > 0
        shown = (
            await reelway(stand, "pipelines", "dry-run", *given, "--key", "x/film.avi", "--metadata", str(metadata))
        ).stdout
        assert "film_transcode_100020.mp4" in shown
        assert "starts it" not in shown
    await reelway(stand, "pipelines", "dry-run", exit_code=2)
    await reelway(stand, "pipelines", "dry-run", "none", exit_code=3)
