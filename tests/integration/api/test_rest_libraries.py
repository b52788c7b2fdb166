"""Words and persons over REST."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.integration.api.stand import OTHER_ID, OTHER_KEY, Stand
from tests.integration.api.test_rest_face import problem


def photo(shade: int = 100) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (220, 240), (shade, 90, 80)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


async def test_words_are_put_found_and_deleted(stand: Stand, rest: httpx.AsyncClient) -> None:
    wish = {"usages": ["Review"], "words": [{"keyword": "赌博", "tags": ["a"]}, {"keyword": "Wette"}]}
    assert (await rest.post("/libraries/words", json=wish)).status_code == 204
    put = await rest.put("/libraries/words/赌博", json={"usages": ["Recognition.Ocr"]})
    assert put.status_code == 200, put.text
    assert (put.json()["usages"], put.json()["tags"]) == (["Recognition.Ocr"], [])
    assert (await rest.get("/libraries/words/Wette")).json()["usages"] == ["Review.Ocr", "Review.Asr"]
    first = (await rest.get("/libraries/words", params={"limit": 1})).json()
    second = (await rest.get("/libraries/words", params={"limit": 1, "cursor": first["cursor"]})).json()
    assert {first["words"][0]["keyword"], second["words"][0]["keyword"]} == {"赌博", "Wette"}
    assert second["cursor"] is None
    found = (await rest.get("/libraries/words", params={"piece": "wet"})).json()["words"]
    assert [one["keyword"] for one in found] == ["Wette"]
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        assert (await other.get("/libraries/words")).json()["words"] == []
        problem(await other.delete("/libraries/words/Wette"), 404, "not_found")
    assert (await rest.delete("/libraries/words/Wette")).status_code == 204
    problem(await rest.get("/libraries/words/Wette"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "wish", "field"),
    [
        ("words/Wort", {"usages": ["Everything"]}, "usages"),
        ("words/Wort", {"usages": []}, "usages"),
        ("words/Wort", {"usages": ["All"], "tags": ["\n"]}, "tags[0]"),
        ("words/%20", {"usages": ["All"]}, "keyword"),
    ],
)
async def test_refusals_name_the_member(rest: httpx.AsyncClient, path: str, wish: dict[str, Any], field: str) -> None:
    refused = problem(await rest.put(f"/libraries/{path}", json=wish), 422, "invalid")
    errors: Any = refused["errors"]
    assert errors[0]["field"] == field


async def test_person_with_photos(stand: Stand, rest: httpx.AsyncClient) -> None:
    wish = {"name": "Ada", "usages": ["All"], "tags": ["x"], "faces": [photo(), "bm90aGluZw=="]}
    made = await rest.post("/libraries/persons", json=wish)
    assert made.status_code == 201, made.text
    assert [one["kept"] for one in made.json()["photos"]] == [True, False]
    path = made.headers["location"].removeprefix("/api/v1")
    changed = await rest.put(path, json={"name": "Ada L.", "usages": ["Review"]})
    assert changed.status_code == 200, changed.text
    person = changed.json()
    assert (person["name"], person["usages"], person["tags"]) == ("Ada L.", ["Review.Face"], [])
    assert len(person["faces"]) == 1
    added = await rest.post(f"{path}/faces", json={"faces": [photo(200)]})
    assert added.status_code == 201, added.text
    assert len(added.json()["person"]["faces"]) == 2
    gone = person["faces"][0]["id"]
    assert (await rest.delete(f"{path}/faces/{gone}")).status_code == 204
    problem(await rest.delete(f"{path}/faces/{gone}"), 404, "not_found")
    assert len((await rest.get(path)).json()["faces"]) == 1
    refused = problem(await rest.post(f"{path}/faces", json={"faces": ["bm90aGluZw=="]}), 422, "invalid")
    errors: Any = refused["errors"]
    assert errors[0]["field"] == "faces[0]"
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        problem(await other.get(path), 404, "not_found")
        problem(await other.post(f"{path}/faces", json={"faces": [photo()]}), 404, "not_found")
        problem(await other.delete(path), 404, "not_found")
    assert (await rest.get("/libraries/persons", params={"name": "ada"})).json()["persons"][0]["name"] == "Ada L."
    assert (await rest.delete(path)).status_code == 204
    problem(await rest.get(path), 404, "not_found")
