"""A tenant's own templates through the whole system: saved, uploaded to, changed, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.adapters.state_url import open_state
from shared.model import collections
from shared.model.template import TemplateKind
from shared.state.records import Records
from shared.state.templates import Templates
from tests.e2e.stack import Stack, raw_transcode, transcode

pytestmark = pytest.mark.timeout(240)
SMALL: dict[str, Any] = raw_transcode(128)["ActivityPara"]["TranscodeTask"]["RawParameter"]


@pytest.fixture
async def templates(stack: Stack) -> AsyncIterator[Templates]:
    store = await open_state(stack.ready["state"], collections.ALL)
    try:
        yield Templates(Records(store))
    finally:
        await store.close()


def height_of(stack: Stack, key: str) -> int:
    """Of the one transcode that an upload of this key leads to."""
    stack.upload(key)
    detail = stack.finished(stack.task_of(key))
    (item,) = detail.ScheduleTask.ActivityResultSet
    made = item.ActivityResItem.TranscodeTask
    assert made.Status == "SUCCESS", made.Message
    assert made.Output.Path in {f"/{name}" for name in stack.keys("own-out/")}
    height: int = made.Output.Height
    return height


async def test_runs_follow_the_template_until_it_is_deleted(stack: Stack, templates: Templates) -> None:
    tenant = str(stack.ready["app_id"])
    made = await templates.create(tenant, TemplateKind.TRANSCODE, SMALL | {"Name": "small"})
    stack.create_pipeline("own-template", "/own/", [transcode(made.definition)], OutputDir="/own-out/")
    assert height_of(stack, "own/one.mp4") == 128
    await templates.modify(tenant, TemplateKind.TRANSCODE, made.definition, {"VideoTemplate": {"Height": 144}})
    assert height_of(stack, "own/two.mp4") == 144

    await templates.delete(tenant, TemplateKind.TRANSCODE, made.definition)
    stack.upload("own/three.mp4")
    (item,) = stack.finished(stack.task_of("own/three.mp4")).ScheduleTask.ActivityResultSet
    failed = item.ActivityResItem.TranscodeTask
    assert (failed.Status, failed.ErrCodeExt) == ("FAIL", "InvalidInput.DefinitionNotExist")
    assert str(made.definition) in failed.Message
