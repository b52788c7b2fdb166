"""Templates and kinds over REST."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from shared.model.template import FIRST_OWN, TemplateKind
from shared.mps.presets import CATALOGUES, PARAMETERS
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, Stand
from tests.integration.api.test_rest_face import problem

SOUND = {"Container": "mp3", "RemoveVideo": 1, "AudioTemplate": {"Codec": "mp3", "Bitrate": 128, "SampleRate": 44100}}
SNAPSHOT = {"Format": "jpg", "Width": 320, "Height": 0}


def wish(**changes: Any) -> dict[str, Any]:
    return {"name": "small", "comment": "for lists", "params": SNAPSHOT, **changes}


async def test_template_is_made_shown_replaced_and_deleted(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await rest.post("/templates/snapshot_by_time", json=wish())
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["definition"], first["origin"], first["name"]) == (FIRST_OWN, "own", "small")
    path = made.headers["location"].removeprefix("/api/v1")
    shown = await rest.get(path)
    assert shown.json() == first
    assert shown.headers["etag"] == made.headers["etag"]
    # The MPS face has the same one.
    (there,) = (await stand.call("DescribeSnapshotByTimeOffsetTemplates", {"Definitions": [FIRST_OWN]})).__dict__[
        "_SnapshotByTimeOffsetTemplateSet"
    ]
    assert (there.Name, there.Width) == ("small", 320)
    tag = {"If-Match": made.headers["etag"]}
    replaced = await rest.put(path, json={"params": {"Format": "png"}}, headers=tag)
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["name"], replaced.json()["params"]["Format"]) == ("", "png")
    assert "Width" not in replaced.json()["params"] or replaced.json()["params"]["Width"] == 0
    assert replaced.headers["etag"] != made.headers["etag"]
    problem(await rest.put(path, json=wish(), headers=tag), 412, "precondition_failed")
    problem(await rest.put(path, json=wish()), 428, "precondition_required")
    problem(await rest.delete(path, headers=tag), 412, "precondition_failed")
    assert (await rest.delete(path, headers={"If-Match": replaced.headers["etag"]})).status_code == 204
    problem(await rest.get(path), 404, "not_found")
    problem(await rest.delete(path), 404, "not_found")
    problem(await rest.put(path, json=wish(), headers={"If-Match": "*"}), 404, "not_found")


async def test_save_that_changes_nothing_keeps_the_etag(rest: httpx.AsyncClient) -> None:
    made = await rest.post("/templates/snapshot_by_time", json=wish())
    path = made.headers["location"].removeprefix("/api/v1")
    again = await rest.put(path, json=wish(), headers={"If-Match": "*"})
    assert again.headers["etag"] == made.headers["etag"]


@pytest.mark.parametrize(
    ("kind", "params", "field"),
    [
        ("snapshot_by_time", {"Format": "bmp"}, "params.Format"),
        ("snapshot_by_time", {"Formt": "jpg"}, "params.Formt"),
        ("snapshot_by_time", {"Name": "x"}, "params.Name"),
        ("transcode", {}, "params.Container"),
        ("transcode", {"Container": "mp4", "VideoTemplate": {"Codec": "h264", "Bitrate": "much"}}, None),
    ],
)
async def test_refusals_name_the_member(
    rest: httpx.AsyncClient, kind: str, params: dict[str, Any], field: str | None
) -> None:
    refused = problem(await rest.post(f"/templates/{kind}", json={"params": params}), 422, "invalid")
    errors: Any = refused["errors"]
    assert all(one["rule"] for one in errors)
    named = [one["field"] for one in errors]
    assert all(name.startswith("params") for name in named)
    assert field is None or field in named


async def test_system_templates_are_read_only(rest: httpx.AsyncClient) -> None:
    shown = (await rest.get("/templates/transcode/100020")).json()
    assert (shown["origin"], shown["created_at"], shown["params"]["Container"]) == ("system", None, "mp4")
    wanted = {"params": shown["params"]}
    put = await rest.put("/templates/transcode/100020", json=wanted, headers={"If-Match": "*"})
    problem(put, 409, "system_template")
    problem(await rest.delete("/templates/transcode/100020"), 409, "system_template")
    problem(await rest.get("/templates/nothing"), 422, "invalid")


async def test_pages_hold_every_template_once_while_some_are_made(rest: httpx.AsyncClient) -> None:
    for number in range(3):
        await rest.post("/templates/transcode", json={"name": f"Own-{number}", "params": SOUND})
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await rest.get("/templates/transcode", params=params)).json()
        seen += [one["definition"] for one in page["templates"]]
        if not cursor:
            await rest.post("/templates/transcode", json={"name": "late", "params": SOUND})
        cursor = page["cursor"]
        if cursor is None:
            break
    own = [FIRST_OWN + 2, FIRST_OWN + 1, FIRST_OWN]
    assert seen == own + sorted(CATALOGUES[TemplateKind.TRANSCODE].system)
    found = (await rest.get("/templates/transcode", params={"name": "own-1"})).json()["templates"]
    assert [one["name"] for one in found] == ["Own-1"]
    found = (await rest.get("/templates/transcode", params={"origin": "own"})).json()["templates"]
    assert len(found) == 4
    for bad in ("%%", "eA==", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="):
        problem(await rest.get("/templates/transcode", params={"cursor": bad}), 422, "invalid")


async def test_templates_of_another_tenant_are_not_there(stand: Stand, rest: httpx.AsyncClient) -> None:
    path = (await rest.post("/templates/snapshot_by_time", json=wish())).headers["location"].removeprefix("/api/v1")
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        problem(await other.get(path), 404, "not_found")
        problem(await other.put(path, json=wish(), headers={"If-Match": "*"}), 404, "not_found")
        problem(await other.delete(path), 404, "not_found")
        listed = (await other.get("/templates/snapshot_by_time", params={"origin": "own"})).json()
        assert listed["templates"] == []


async def test_kinds_of_node_have_schemas_that_take_what_is_taken(rest: httpx.AsyncClient) -> None:
    kinds = {one["kind"]: one for one in (await rest.get("/node-kinds")).json()["kinds"]}
    assert set(kinds) == {"input", "output", *PARAMETERS}
    for kind in PARAMETERS:
        jsonschema.Draft202012Validator.check_schema(kinds[kind]["params_schema"])
    transcode = jsonschema.Draft202012Validator(kinds["transcode"]["params_schema"])
    assert transcode.is_valid({"Definition": 100020})
    assert not transcode.is_valid({"Definition": 100020, "Definitoin": 1})
    assert not transcode.is_valid({"Definition": [1]})
    numbers = [preset["definition"] for preset in kinds["transcode"]["presets"]]
    assert 100020 in numbers
    assert kinds["transcode"]["template_kinds"] == ["transcode", "watermark"]
    assert (await rest.get("/node-kinds/transcode")).json() == kinds["transcode"]
    assert kinds["output"]["lane"] is None
    problem(await rest.get("/node-kinds/nothing"), 404, "not_found")


async def test_schema_of_a_kind_of_template_takes_its_presets(rest: httpx.AsyncClient) -> None:
    kinds = (await rest.get("/template-kinds")).json()["kinds"]
    assert {one["kind"] for one in kinds} == set(CATALOGUES)
    for one in kinds:
        schema = jsonschema.Draft202012Validator(one["params_schema"])
        for preset in one["presets"]:
            schema.validate(preset["params"])
    problem(await rest.get("/template-kinds/nothing"), 422, "invalid")
