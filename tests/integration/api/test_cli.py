"""The `reelway` command against a running API."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from shared.model.rerun import rerun_id
from shared.model.run import RunState
from tests.integration.api.stand import BUCKET, SECRET_ID, SECRET_KEY, Stand
from tests.integration.api.test_rest_process import put_pipeline as put_trigger
from tests.integration.api.test_rest_reruns import PIPELINE, put_ended, put_pipeline
from tests.integration.api.test_rest_runs import put_running


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REELWAY_API", "REELWAY_SECRET_ID", "REELWAY_SECRET_KEY", "REELWAY_READY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


async def reelway(stand: Stand, *arguments: str, exit_code: int = 0) -> Result:
    """One command with the credential of the tests."""
    keys = ("--api", stand.url, "--secret-id", SECRET_ID, "--secret-key", SECRET_KEY)
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *keys])
    assert result.exit_code == exit_code, result.output
    return result


async def reelway_json(stand: Stand, *arguments: str) -> Any:
    return json.loads((await reelway(stand, *arguments, "--json")).stdout)


async def test_runs_are_listed_and_shown(stand: Stand) -> None:
    run = await put_running(stand)
    listed = (await reelway(stand, "runs", "list", "--state", "running")).stdout
    assert run.id in listed
    assert "running" in listed
    assert run.id not in (await reelway(stand, "runs", "list", "--state", "failed")).stdout
    shown = (await reelway(stand, "runs", "show", run.id, "--history")).stdout
    for text in (run.id, "InvalidInput: no such bucket", "run.started", "node.failed", "media-1250000000/in/clip.mp4"):
        assert text in shown
    assert (await reelway_json(stand, "runs", "show", run.id))["nodes"][1]["state"] == "failed"
    page = await reelway_json(stand, "runs", "list", "--limit", "1", "--pipeline", run.pipeline_id)
    assert [one["id"] for one in page["runs"]] == [run.id]


async def test_commands_are_given(stand: Stand) -> None:
    run = await put_running(stand)
    for arguments in (("pause", run.id), ("resume", run.id), ("retry", run.id, "1"), ("cancel", run.id)):
        said = (await reelway(stand, "runs", *arguments, "--wait", "0")).stdout
        assert said == f"{run.id} not taken in yet\n"
    stored = await stand.records.runs.get(run.id)
    assert stored is not None
    assert [command.kind.value for command in stored.commands] == ["pause", "resume", "retry_node", "cancel"]


async def test_refusals_are_said_and_have_exit_codes(stand: Stand) -> None:
    run = await put_running(stand)
    result = await reelway(stand, "runs", "resume", run.id, exit_code=4)
    assert result.stderr == "the run is not paused (command_refused)\n"
    assert "there is no run 'a b'" in (await reelway(stand, "runs", "show", "a b", exit_code=3)).stderr
    await reelway(stand, "runs", "list", "--from", "yesterday", exit_code=2)
    await reelway(stand, "runs", "rerun", run.id, "--all", "--node", "1", exit_code=2)
    wrong = ["runs", "list", "--api", stand.url, "--secret-id", SECRET_ID, "--secret-key", "wrong"]
    result = await asyncio.to_thread(CliRunner().invoke, app, wrong)
    assert result.exit_code == 5
    assert SECRET_KEY not in result.output


async def test_ready_file_says_where(stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.write_text(json.dumps({"api": stand.url, "secret_id": SECRET_ID, "secret_key": SECRET_KEY}))
    arguments = ["limits", "show", "--ready-file", str(file)]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert (result.exit_code, result.stdout) == (0, "no limit, 0 at work\n")


async def test_run_is_rerun(stand: Stand) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    said = (await reelway(stand, "runs", "rerun", run.id)).stdout
    assert said.startswith(f"started {rerun_id(run)}\n")
    assert "failed: no such bucket" in said
    assert said.count("reused") == 3
    result = await reelway(stand, "runs", "rerun", run.id, exit_code=4)
    assert rerun_id(run) in result.stderr


@pytest.mark.parametrize(
    ("options", "redone"), [(["--all"], 6), (["--node", "2"], 4), (["--latest"], 3), (["--all", "--latest"], 6)]
)
async def test_what_is_redone_is_chosen(stand: Stand, options: list[str], redone: int) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    made = await reelway_json(stand, "runs", "rerun", run.id, *options)
    assert sum(node["action"] == "redone" for node in made["nodes"]) == redone


async def test_failed_runs_are_rerun_over_all_pages(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.rerunning.BUDGET_S", -1.0)  # eight a page
    await put_pipeline(stand)
    runs = [await put_ended(stand, f"run-{number}") for number in range(20)]
    said = (await reelway(stand, "runs", "rerun-failed", "--pipeline", PIPELINE)).stdout
    for run in runs:
        assert f"{run.id} -> {rerun_id(run)} (3 reused, 3 redone)" in said
    assert said.endswith("20 started, 0 refused\n")
    again = (await reelway(stand, "runs", "rerun-failed", "--pipeline", PIPELINE)).stdout
    assert again == "0 started, 0 refused\n"


async def test_failed_runs_that_cannot_be_rerun_make_another_exit_code(stand: Stand) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    del stand.objects.objects[BUCKET, run.input.key]
    said = (await reelway(stand, "runs", "rerun-failed", "--pipeline", PIPELINE, exit_code=4)).stdout
    assert f"{run.id} not rerun: the input" in said
    assert said.endswith("0 started, 1 refused\n")


async def test_prefix_is_processed_over_all_pages(stand: Stand) -> None:
    await put_trigger(stand)
    for number in range(450):
        stand.objects.put(BUCKET, f"in/{number:03}.mp4")
    stand.objects.put(BUCKET, "in/text.txt")
    said = (await reelway(stand, "pipelines", "process", "7")).stdout
    assert "skipped  in/text.txt  format 'txt' is not among mp4" in said
    assert said.endswith("450 started, 0 known, 1 skipped\n")
    assert await stand.records.runs.count({"state": RunState.REQUESTED.value}) == 450
    said = (await reelway(stand, "pipelines", "process", "7", "--prefix", "in/44")).stdout
    assert said.endswith("0 started, 10 known, 0 skipped\n")
    assert (await reelway(stand, "pipelines", "process", "7", "--prefix", "in/44", "--again")).stdout.count(
        "known"
    ) == 11


async def test_limits_are_set_shown_and_cleared(stand: Stand) -> None:
    await put_trigger(stand)
    for which in ([], ["--pipeline", "7"]):
        assert (await reelway(stand, "limits", "set", "3", *which)).stdout == "at most 3, 0 at work\n"
        assert (await reelway_json(stand, "limits", "show", *which)) == {"max_running": 3, "running": 0}
        assert (await reelway(stand, "limits", "clear", *which)).stdout == "no limit\n"
        assert (await reelway(stand, "limits", "show", *which)).stdout == "no limit, 0 at work\n"
    await reelway(stand, "limits", "set", "3", "--pipeline", "8", exit_code=3)
    await reelway(stand, "limits", "set", "-3", exit_code=2)


async def test_templates_are_made_listed_replaced_and_deleted(stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(json.dumps({"name": "小图", "params": {"Format": "jpg", "Width": 320}}))
    number = (await reelway(stand, "templates", "create", "snapshot_by_time", "-f", str(file))).stdout.strip()
    listed = (await reelway(stand, "templates", "list", "snapshot_by_time", "--name", "小")).stdout
    assert number in listed
    assert "小图" in listed
    shown = await reelway_json(stand, "templates", "show", "snapshot_by_time", number)
    # What was shown can be given again.
    file.write_text(json.dumps(shown | {"name": "small"}))
    said = (await reelway(stand, "templates", "replace", "snapshot_by_time", number, "-f", str(file))).stdout
    assert "small" in said
    await reelway(stand, "templates", "delete", "snapshot_by_time", number)
    await reelway(stand, "templates", "show", "snapshot_by_time", number, exit_code=3)
    await reelway(stand, "templates", "delete", "transcode", "100020", exit_code=4)
    assert "100020" in (await reelway(stand, "templates", "kinds")).stdout
    file.write_text("[]")
    await reelway(stand, "templates", "create", "snapshot_by_time", "-f", str(file), exit_code=2)
