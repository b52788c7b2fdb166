"""Templates of tenants, over every store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from shared.model.pipeline import Node
from shared.model.template import FIRST_OWN, TemplateKind
from shared.mps.presets import CATALOGUES
from shared.state import templates as templates_module
from shared.state.records import Records
from shared.state.templates import (
    Origin,
    SystemTemplate,
    TemplateNotFound,
    Templates,
    TemplateTooLarge,
    TooManyTemplates,
)
from tests.builders import a_pipeline

ONE, OTHER = "1250000000", "1260000000"
TRANSCODE, SNAPSHOT = TemplateKind.TRANSCODE, TemplateKind.SNAPSHOT_BY_TIME
AAC = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}
SMALL: dict[str, Any] = {
    "Container": "mp4",
    "RemoveVideo": 0,
    "RemoveAudio": 0,
    "VideoTemplate": {"Codec": "h264", "Fps": 25, "Bitrate": 300, "Height": 240, "Vcrf": 30},
    "AudioTemplate": AAC,
}


@pytest.fixture
def templates(records: Records) -> Templates:
    return Templates(records)


async def test_a_template_is_kept_as_it_was_checked(templates: Templates) -> None:
    made = await templates.create(ONE, TRANSCODE, SMALL | {"Name": "小", "Comment": "for phones"})
    assert (made.definition, made.name, made.comment) == (FIRST_OWN, "小", "for phones")
    total, [shown] = await templates.describe(ONE, TRANSCODE, definitions=[made.definition])
    assert total == 1
    assert (shown.origin, shown.body, shown.name) == (Origin.OWN, SMALL, "小")
    assert shown.created_at == shown.updated_at == made.created_at


async def test_numbers_are_counted_by_tenant_and_kind_and_never_given_twice(templates: Templates) -> None:
    first = await templates.create(ONE, TRANSCODE, SMALL)
    second = await templates.create(ONE, TRANSCODE, SMALL)
    assert (first.definition, second.definition) == (FIRST_OWN, FIRST_OWN + 1)
    assert (await templates.create(OTHER, TRANSCODE, SMALL)).definition == FIRST_OWN
    assert (await templates.create(ONE, SNAPSHOT, {"Width": 320})).definition == FIRST_OWN
    await templates.delete(ONE, TRANSCODE, second.definition)
    assert (await templates.create(ONE, TRANSCODE, SMALL)).definition == FIRST_OWN + 2


EVERY: dict[TemplateKind, tuple[dict[str, Any], dict[str, Any]]] = {
    TRANSCODE: (SMALL, {"VideoTemplate": {"Height": 480}}),
    TemplateKind.WATERMARK: (
        {"Type": "text", "XPos": "5%", "TextTemplate": {"FontType": "arial.ttf", "FontSize": "20px",
         "FontColor": "0xFFFFFF", "FontAlpha": 1}},
        {"TextTemplate": {"FontSize": "30px"}},
    ),
    SNAPSHOT: ({"Width": 320}, {"Height": 240}),
    TemplateKind.SAMPLE_SNAPSHOT: ({"SampleType": "Time", "SampleInterval": 5}, {"SampleInterval": 7}),
    TemplateKind.IMAGE_SPRITE: (
        {"SampleType": "Time", "SampleInterval": 5, "RowCount": 2, "ColumnCount": 3},
        {"RowCount": 4},
    ),
    TemplateKind.ANIMATED_GRAPHICS: ({"Fps": 5, "Width": 320}, {"Format": "webp"}),
    TemplateKind.ADAPTIVE_STREAMING: (
        {
            "Format": "HLS",
            "StreamInfos": [{"Video": {"Codec": "h264", "Fps": 0, "Bitrate": 300, "Height": 240}, "Audio": AAC}],
        },
        {"DisableHigherVideoResolution": 1},
    ),
    TemplateKind.QUALITY_CONTROL: (
        {"QualityControlItemSet": [{"Type": "Blur", "Switch": "ON"}]},
        {"QualityControlItemSet": [{"Type": "Mosaic", "Switch": "ON"}]},
    ),
    TemplateKind.CONTENT_REVIEW: (
        {"PornConfigure": {"ImgReviewInfo": {"Switch": "ON"}}},
        {"TerrorismConfigure": {"OcrReviewInfo": {"Switch": "OFF"}}},
    ),
    TemplateKind.ANALYSIS: ({"CoverConfigure": {"Switch": "ON"}}, {"CoverConfigure": {"Switch": "OFF"}}),
    TemplateKind.RECOGNITION: ({"FaceConfigure": {"Switch": "ON"}}, {"FaceConfigure": {"Score": 80.0}}),
}  # fmt: skip
"""Of each kind a create request and a change of it."""


@pytest.mark.parametrize("kind", TemplateKind)
async def test_every_kind_is_made_changed_and_found_by_a_node(templates: Templates, kind: TemplateKind) -> None:
    request, change = EVERY[kind]
    made = await templates.create(ONE, kind, request | {"Name": "mine"})
    number = {"Definition": made.definition}
    before = CATALOGUES[kind].find(made.definition, await templates.named_in(ONE, [number]))
    changed = await templates.modify(ONE, kind, made.definition, change)
    after = CATALOGUES[kind].find(made.definition, await templates.named_in(ONE, [number]))
    assert before != after
    assert after.to_wire() == changed.body
    for name, value in change.items():
        found = changed.body[name]
        assert (found.items() >= value.items()) if isinstance(value, dict) else found
    assert changed.name == "mine"


async def test_templates_made_at_once_have_numbers_of_their_own(templates: Templates) -> None:
    made = await asyncio.gather(*(templates.create(ONE, SNAPSHOT, {"Name": str(n)}) for n in range(8)))
    assert sorted(one.definition for one in made) == list(range(FIRST_OWN, FIRST_OWN + 8))


async def test_no_number_of_a_system_template_can_be_given() -> None:
    assert all(number < FIRST_OWN for catalogue in CATALOGUES.values() for number in catalogue.system)


async def test_a_change_replaces_what_it_names_and_nothing_else(templates: Templates) -> None:
    made = await templates.create(ONE, TRANSCODE, SMALL | {"Name": "a", "Comment": "b"})
    changed = await templates.modify(
        ONE, TRANSCODE, made.definition, {"Comment": "", "VideoTemplate": {"Bitrate": 500, "Vcrf": 100}}
    )
    assert (changed.name, changed.comment) == ("a", "")
    assert changed.body["VideoTemplate"] == {"Codec": "h264", "Fps": 25, "Bitrate": 500, "Height": 240}
    assert changed.body["AudioTemplate"] == SMALL["AudioTemplate"]
    _, [shown] = await templates.describe(ONE, TRANSCODE, definitions=[made.definition])
    assert shown.body == changed.body


async def test_changes_at_once_all_count(templates: Templates) -> None:
    made = await templates.create(ONE, SNAPSHOT, {})
    wishes: list[dict[str, Any]] = [{"Width": 320}, {"Height": 240}, {"Format": "png"}, {"Name": "n"}]
    await asyncio.gather(*(templates.modify(ONE, SNAPSHOT, made.definition, wish) for wish in wishes))
    _, [shown] = await templates.describe(ONE, SNAPSHOT, definitions=[made.definition])
    assert (shown.body["Width"], shown.body["Height"], shown.body["Format"], shown.name) == (320, 240, "png", "n")


async def test_a_change_that_does_not_fit_changes_nothing(templates: Templates) -> None:
    made = await templates.create(ONE, TRANSCODE, SMALL)
    with pytest.raises(ValidationError, match="h264 does not go into webm"):
        await templates.modify(ONE, TRANSCODE, made.definition, {"Container": "webm"})
    with pytest.raises(ValidationError, match="Name"):
        await templates.modify(ONE, TRANSCODE, made.definition, {"Name": "n" * 65})
    _, [shown] = await templates.describe(ONE, TRANSCODE, definitions=[made.definition])
    assert shown.body == SMALL


@pytest.mark.parametrize(
    ("request_", "member"),
    [
        ({"Container": "mp4"}, "VideoTemplate is required"),
        (SMALL | {"Container": "avi"}, "Container"),
        (SMALL | {"VideoTemplate": {"Codec": "h264", "Fps": 25, "Bitrate": 5}}, "VideoTemplate.Bitrate"),
        (SMALL | {"Colour": 1}, "Colour"),
        (SMALL | {"Name": "n" * 65}, "Name"),
        (SMALL | {"Comment": "c" * 257}, "Comment"),
    ],
)
async def test_what_a_node_would_not_take_is_no_template(
    templates: Templates, request_: dict[str, Any], member: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await templates.create(ONE, TRANSCODE, request_)
    first = refused.value.errors()[0]
    assert member in f"{'.'.join(map(str, first['loc']))} {first['msg']}"
    assert (await templates.describe(ONE, TRANSCODE, origin=Origin.OWN))[0] == 0


async def test_system_templates_are_everybodys_and_nobodys(templates: Templates) -> None:
    total, page = await templates.describe(OTHER, TRANSCODE, definitions=[100020, 10])
    assert (total, [one.definition for one in page]) == (2, [10, 100020])
    assert page[1].origin is Origin.SYSTEM
    assert page[1].body["VideoTemplate"]["Height"] == 540
    with pytest.raises(SystemTemplate, match="100020"):
        await templates.modify(OTHER, TRANSCODE, 100020, {"Container": "mkv"})
    with pytest.raises(SystemTemplate):
        await templates.delete(OTHER, TRANSCODE, 100020)


async def test_another_tenants_template_is_none(templates: Templates) -> None:
    made = await templates.create(ONE, SNAPSHOT, {})
    with pytest.raises(TemplateNotFound):
        await templates.modify(OTHER, SNAPSHOT, made.definition, {"Width": 320})
    with pytest.raises(TemplateNotFound):
        await templates.delete(OTHER, SNAPSHOT, made.definition)
    assert await templates.named_in(OTHER, [{"Definition": made.definition}]) == {}
    assert (await templates.describe(OTHER, SNAPSHOT, origin=Origin.OWN))[0] == 0


async def test_a_deleted_template_is_gone_for_good(templates: Templates) -> None:
    made = await templates.create(ONE, SNAPSHOT, {})
    await templates.delete(ONE, SNAPSHOT, made.definition)
    for again in (
        templates.delete(ONE, SNAPSHOT, made.definition),
        templates.modify(ONE, SNAPSHOT, made.definition, {"Width": 320}),
    ):
        with pytest.raises(TemplateNotFound):
            await again
    assert (await templates.describe(ONE, SNAPSHOT, origin=Origin.OWN)) == (0, [])
    assert await templates.named_in(ONE, [{"Definition": made.definition}]) == {}


async def test_pages_go_from_the_newest_own_one_to_the_last_of_the_system(templates: Templates) -> None:
    for n in range(3):
        await templates.create(ONE, TRANSCODE, SMALL | {"Name": f"t{n}"})
    system = sorted(CATALOGUES[TRANSCODE].system)
    everything = [FIRST_OWN + 2, FIRST_OWN + 1, FIRST_OWN, *system]
    seen: list[int] = []
    while True:
        total, page = await templates.describe(ONE, TRANSCODE, offset=len(seen), limit=20)
        assert total == len(everything)
        if not page:
            break
        seen += [one.definition for one in page]
    assert seen == everything
    total, page = await templates.describe(ONE, TRANSCODE, origin=Origin.SYSTEM, limit=2)
    assert (total, [one.definition for one in page]) == (len(system), system[:2])
    total, page = await templates.describe(ONE, TRANSCODE, name="t1")
    assert (total, [one.name for one in page]) == (1, ["t1"])


async def test_there_is_a_most(templates: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates_module, "MAX_TEMPLATES", 2)
    for _ in range(2):
        made = await templates.create(ONE, SNAPSHOT, {})
    with pytest.raises(TooManyTemplates):
        await templates.create(ONE, SNAPSHOT, {})
    await templates.delete(ONE, SNAPSHOT, made.definition)
    await templates.create(ONE, SNAPSHOT, {})
    monkeypatch.setattr(templates_module, "MAX_BODY_BYTES", 10)
    with pytest.raises(TemplateTooLarge):
        await templates.create(OTHER, SNAPSHOT, {})


async def test_a_request_that_names_countless_templates_loads_few(
    templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates_module, "MAX_NAMED", 2)
    for _ in range(3):
        await templates.create(ONE, SNAPSHOT, {})
    named = [{"Definition": FIRST_OWN + n} for n in range(1000)]
    assert list(await templates.named_in(ONE, named)) == [f"snapshot_by_time:{FIRST_OWN + n}" for n in range(2)]


async def test_a_run_is_made_of_the_templates_as_they_are_now(templates: Templates) -> None:
    small = await templates.create(ONE, TRANSCODE, SMALL)
    png = await templates.create(ONE, SNAPSHOT, {"Format": "png"})
    nodes = (
        Node(kind="input", successors=(1, 2, 3)),
        Node(kind="transcode", params={"Definition": small.definition}),
        Node(kind="snapshot_by_time", params={"Definition": 10, "ExtTimeOffsetSet": ["1s"]}),
        Node(kind="third_party", params={"Deep": [{"Definition": png.definition + 7}]}),
    )
    pipeline = a_pipeline(nodes=nodes, tenant=ONE)
    [bound] = await templates.bound([pipeline])
    # A number means a template of any kind here: what a node does not look for does it no harm.
    both = ["transcode:1000001", "snapshot_by_time:1000001"]
    assert [list(node.templates) for node in bound.nodes] == [[], both, [], []]
    assert bound.nodes[1].templates["transcode:1000001"] == SMALL
    await templates.modify(ONE, TRANSCODE, small.definition, {"VideoTemplate": {"Bitrate": 800}})
    [later] = await templates.bound([pipeline])
    assert later.nodes[1].templates["transcode:1000001"]["VideoTemplate"]["Bitrate"] == 800
    await templates.delete(ONE, TRANSCODE, small.definition)
    [gone] = await templates.bound([pipeline])
    assert list(gone.nodes[1].templates) == ["snapshot_by_time:1000001"]
