"""Pipelines over REST: documents, rules, versions, files."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import timedelta
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, REGION, TENANT, Stand, schedule
from tests.integration.api.test_rest_face import problem


def document(**changes: Any) -> dict[str, Any]:
    """A good document."""
    return {
        "name": "测试_demo-1",
        "trigger": {"bucket": BUCKET, "region": REGION, "dir": "/in/", "formats": ["mp4", ".MOV"]},
        "nodes": [
            {"kind": "input", "successors": ["hd", 2]},
            {
                "kind": "transcode",
                "name": "hd",
                "params": {"Definition": 100020},
                "successors": [3],
                "retry": {"max_attempts": 5, "base_s": 1},
                "priority": 3,
            },
            {"kind": "sample_snapshot", "params": {"Definition": 10}, "successors": [3], "source": "original"},
            {"kind": "output"},
        ],
        "subscriptions": [
            {"type": "URL", "mode": "Change", "url": "http://example.com/told", "key": "topsecret"},
            {"name": "ops", "type": "TDMQ-CMQ", "queue_name": "ops"},
        ],
        **changes,
    }


async def created(rest: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await rest.post("/pipelines", json=document(**changes))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/pipelines/{answer.json()['id']}"
    return dict(answer.json())


async def test_pipeline_is_made_shown_changed_and_deleted(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    assert (made["status"], made["definition"], made["type"]) == ("disabled", 1, "schedule")
    assert made["document"]["subscriptions"][0]["key"] == "******"
    assert made["document"]["nodes"][0]["successors"] == [1, 2]
    path = f"/pipelines/{made['id']}"
    shown = await rest.get(path)
    assert shown.json() == made
    assert shown.headers["etag"] == made["etag"]

    changed = deepcopy(made["document"])
    changed["nodes"][1]["params"] = {"Definition": 100030}
    saved = await rest.put(path, json=changed, headers={"If-Match": made["etag"]})
    assert (saved.status_code, saved.json()["definition"]) == (200, 2)
    kept = await stand.records.pipelines.get(made["id"])
    assert kept is not None
    assert (kept.nodes[1].params, kept.nodes[1].priority) == ({"Definition": 100030}, 3)
    assert kept.notification is not None
    assert kept.notification.key == "topsecret"
    again = await rest.put(path, json=changed, headers={"If-Match": saved.headers["etag"]})
    assert again.json() == saved.json()

    assert (await rest.delete(path, headers={"If-Match": made["etag"]})).status_code == 412
    assert (await rest.delete(path, headers={"If-Match": saved.headers["etag"]})).status_code == 204
    problem(await rest.get(path), 404, "not_found")


async def test_what_one_face_makes_the_other_shows(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    [info] = (await stand.call_json("DescribeSchedules", {"ScheduleIds": [int(made["id"])]}))["ScheduleInfoSet"]
    assert info["Activities"][1]["ActivityPara"] == {"TranscodeTask": {"Definition": 100020}}
    assert info["Activities"][1]["Extension"]["Retry"] == {"MaxAttempts": 5, "BaseSeconds": 1.0}
    assert info["TaskNotifyConfig"]["NotifyUrl"] == "http://example.com/told"

    there = await stand.create(ScheduleName="there", OutputDir="/out/")
    shown = (await rest.get(f"/pipelines/{there}")).json()
    assert shown["document"]["output"] == {"bucket": None, "region": None, "dir": "/out/"}
    same = await rest.put(f"/pipelines/{there}", json=shown["document"], headers={"If-Match": shown["etag"]})
    assert same.json() == shown


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, "name"),
    ({"name": "x" * 129}, "name"),
    ({"trigger": {"bucket": BUCKET, "region": REGION, "dir": "/in"}}, "trigger.dir"),
    ({"trigger": {"bucket": "none-1250000000", "region": REGION}}, "trigger.bucket"),
    ({"trigger": {"type": "s3", "bucket": "no-s3", "region": REGION}}, "trigger.bucket"),
    ({"trigger": {"bucket": BUCKET}}, "trigger.region"),
    ({"trigger": {"bucket": BUCKET, "region": REGION, "formats": ["mp4", "m/p"]}}, "trigger.formats[1]"),
    ({"output": {"bucket": f"out-{TENANT}", "region": "ap-beijing"}}, "output.region"),
    ({"output": {"dir": "out"}}, "output.dir"),
    ({"nodes": []}, "nodes"),
    ({"nodes": [{"kind": "input", "successors": [1]}, {"kind": "output", "colour": 1}]}, "nodes[1].colour"),
    ({"nodes": [{"kind": "input", "successors": [5]}, {"kind": "output"}]}, "nodes[0].successors"),
    ({"nodes": [{"kind": "input", "successors": ["no"]}, {"kind": "output"}]}, "nodes[0].successors[0]"),
    ({"subscriptions": [{"type": "URL"}]}, "subscriptions[0].url"),
    ({"subscriptions": [{"name": "a", "type": "URL", "url": "ftp://x"}]}, "subscriptions[0].url"),
    ({"subscriptions": [{"type": "URL", "url": "http://a.b", "key": "******"}]}, "subscriptions[0].key"),
    ({"colour": 1}, "colour"),
    ({"format": "reelway.pipeline/2"}, "format"),
]


async def test_refusal_names_the_field(rest: httpx.AsyncClient) -> None:
    for change, field in WRONG:
        refused = problem(await rest.post("/pipelines", json=document(**change)), 422, "invalid")
        assert refused["errors"][0]["field"] == field, refused
        verdict = (await rest.post("/pipelines/validate", json=document(**change))).json()
        assert (verdict["valid"], verdict["errors"]) == (False, refused["errors"])


WRONG_NODES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "transkode"}, "nodes[1].kind"),
    ({"kind": "transcode"}, "nodes[1].params.Definition"),
    ({"kind": "transcode", "params": {"Definition": 7}}, "nodes[1].params.Definition"),
    ({"kind": "transcode", "params": {"Definition": 100020, "Colour": 1}}, "nodes[1].params.Colour"),
    ({"kind": "transcode", "params": {"Definition": 100020}, "retry": {"max_attempts": 99}}, "retry.max_attempts"),
    ({"kind": "transcode", "params": {"Definition": 100020}, "timeouts": {"running_s": -1}}, "timeouts.running_s"),
    ({"kind": "transcode", "params": {"Definition": 100020}, "name": "1st"}, "nodes[1].name"),
    ({"kind": "transcode", "params": {"Definition": 100020}, "join": "any"}, "nodes[1].join"),
]


async def test_refusal_names_the_member_of_a_node(rest: httpx.AsyncClient) -> None:
    for node, field in WRONG_NODES:
        nodes = [{"kind": "input", "successors": [1]}, {**node, "successors": [2]}, {"kind": "output"}]
        refused = problem(await rest.post("/pipelines", json=document(nodes=nodes)), 422, "invalid")
        assert refused["errors"][0]["field"].endswith(field), refused


async def test_enabled_pipeline_is_neither_changed_nor_deleted(rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    path = f"/pipelines/{made['id']}"
    enabled = await rest.post(f"{path}/enable")
    assert (enabled.json()["status"], enabled.json()["enabled_at"] is None) == ("enabled", False)
    assert (await rest.post(f"{path}/enable")).json() == enabled.json()
    now = {"If-Match": enabled.headers["etag"]}
    problem(await rest.put(path, json=document(name="other"), headers=now), 409, "enabled")
    problem(await rest.delete(path, headers=now), 409, "enabled")
    problem(await rest.post(f"{path}/rollback", json={"definition": 1}), 409, "enabled")
    problem(await rest.post(f"{path}/disable", headers={"If-Match": made["etag"]}), 412, "precondition_failed")
    assert (await rest.post(f"{path}/disable", headers=now)).json()["status"] == "disabled"
    assert (await rest.delete(path)).status_code == 204


async def test_saving_needs_what_was_seen(rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    path = f"/pipelines/{made['id']}"
    refused = problem(await rest.put(path, json=document()), 428, "precondition_required")
    assert refused["errors"][0]["field"] == "If-Match"
    for stale in ('"99"', f"W/{made['etag']}", "nonsense"):
        problem(await rest.put(path, json=document(), headers={"If-Match": stale}), 412, "precondition_failed")
    for good in ("*", f'"7", {made["etag"]}'):
        assert (await rest.put(path, json=document(), headers={"If-Match": good})).status_code == 200


async def test_of_two_who_save_at_once_one_is_told(rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    path, seen = f"/pipelines/{made['id']}", {"If-Match": made["etag"]}
    calls = [rest.put(path, json=document(name=f"n{number}"), headers=seen) for number in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200] + [412] * 5


async def test_name_is_given_once(rest: httpx.AsyncClient) -> None:
    first = await created(rest)
    refused = problem(await rest.post("/pipelines", json=document()), 409, "name_taken")
    assert refused["errors"][0]["field"] == "name"
    second = await created(rest, name="second")
    path = f"/pipelines/{second['id']}"
    problem(await rest.put(path, json=document(), headers={"If-Match": "*"}), 409, "name_taken")
    verdict = (await rest.post("/pipelines/validate", json=document())).json()
    assert verdict["errors"][0]["field"] == "name"
    assert (await rest.post(f"/pipelines/validate?instead_of={first['id']}", json=document())).json()["valid"]


async def test_repeated_creation_makes_one_pipeline(rest: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "create-1"}
    answers = [await rest.post("/pipelines", json=document(), headers=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert len((await rest.get("/pipelines")).json()["pipelines"]) == 1


async def test_list_is_searched_sorted_and_turned_page_by_page(stand: Stand, rest: httpx.AsyncClient) -> None:
    for number in range(5):
        # Two of them at the same moment.
        if number != 3:
            stand.store_clock.advance(timedelta(seconds=1))
        await created(rest, name=f"Pipe-{number}")
    everything = (await rest.get("/pipelines", params={"limit": 100})).json()
    names = [one["name"] for one in everything["pipelines"]]
    assert names[0] == "Pipe-4"
    assert everything["cursor"] is None
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = (await rest.get("/pipelines", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [one["name"] for one in page["pipelines"]]
        stand.store_clock.advance(timedelta(seconds=1))
        await created(rest, name=f"late-{len(found)}")
        if (cursor := page["cursor"]) is None:
            break
    assert found == names
    oldest = (await rest.get("/pipelines", params={"sort": "created_at", "name": "pIPE"})).json()["pipelines"]
    assert [one["name"] for one in oldest] == names[::-1]
    await rest.post(f"/pipelines/{oldest[0]['id']}/enable")
    enabled = (await rest.get("/pipelines", params={"status": "enabled", "bucket": BUCKET})).json()["pipelines"]
    assert [one["name"] for one in enabled] == [oldest[0]["name"]]
    assert (await rest.get("/pipelines", params={"bucket": "other"})).json()["pipelines"] == []
    assert problem(await rest.get("/pipelines?cursor=AAAA"), 422, "invalid")["errors"][0]["field"] == "cursor"
    assert problem(await rest.get("/pipelines?limit=0"), 422, "invalid")["errors"][0]["field"] == "limit"


async def test_copy_has_everything_but_the_name(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    await rest.post(f"/pipelines/{made['id']}/enable")
    copy = await rest.post(f"/pipelines/{made['id']}/clone", json={"name": "copy"})
    assert copy.status_code == 201
    assert copy.json()["document"] == made["document"] | {"name": "copy"}
    assert copy.json()["status"] == "disabled"
    kept = await stand.records.pipelines.get(copy.json()["id"])
    assert kept is not None
    assert kept.notification is not None
    assert kept.notification.key == "topsecret"
    problem(await rest.post(f"/pipelines/{made['id']}/clone", json={"name": "copy"}), 409, "name_taken")
    refused = problem(await rest.post(f"/pipelines/{made['id']}/clone", json={"name": "a b"}), 422, "invalid")
    assert refused["errors"][0]["field"] == "name"


async def test_versions_are_listed_compared_and_taken_back(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    path, whatever = f"/pipelines/{made['id']}", {"If-Match": "*"}
    second = deepcopy(document())
    # A node in front of the others moves all indexes; that is one difference, not ten.
    second["nodes"] = [
        {"kind": "input", "successors": [1, 2, 3]},
        {"kind": "animated_graphics", "name": "gif", "successors": [4], "params": ANIMATED},
        {"kind": "transcode", "name": "hd", "params": {"Definition": 100030}, "successors": [4], "priority": 3}
        | {"retry": {"max_attempts": 5, "base_s": 1}},
        {"kind": "sample_snapshot", "params": {"Definition": 10}, "successors": [4], "source": "original"},
        {"kind": "output"},
    ]
    second["subscriptions"][0]["key"] = "another"
    assert (await rest.put(path, json=second, headers=whatever)).json()["definition"] == 2

    versions = (await rest.get(f"{path}/versions", params={"limit": 1})).json()
    assert [one["definition"] for one in versions["versions"]] == [2]
    older = (await rest.get(f"{path}/versions", params={"limit": 1, "cursor": versions["cursor"]})).json()
    assert [(one["definition"], one["current"]) for one in older["versions"]] == [(1, False)]
    assert older["cursor"] is None
    assert (await rest.get(f"{path}/versions/1")).json()["document"] == made["document"]
    problem(await rest.get(f"{path}/versions/3"), 404, "not_found")

    diff = (await rest.get(f"{path}/diff", params={"before": 1})).json()
    changes = {one["path"]: (one["change"], one["before"], one["after"]) for one in diff["differences"]}
    assert changes.pop("nodes[gif]")[0] == "added"
    assert changes == {
        "nodes[input].successors": ("changed", ["hd", "sample_snapshot"], ["gif", "hd", "sample_snapshot"]),
        "nodes[hd].params.Definition": ("changed", 100020, 100030),
    }
    assert "-      Definition: 100020\n+      Definition: 100030\n" in diff["text"]
    assert "topsecret" not in diff["text"]

    back = await rest.post(f"{path}/rollback", json={"definition": 1})
    assert (back.json()["definition"], back.json()["document"]) == (3, made["document"])
    kept = await stand.records.pipelines.get(made["id"])
    assert kept is not None
    assert kept.notification is not None
    assert kept.notification.key == "topsecret"
    stand.objects.buckets.remove(BUCKET)
    refused = problem(await rest.post(f"{path}/rollback", json={"definition": 2}), 422, "invalid")
    assert refused["errors"][0]["field"] == "trigger.bucket"


ANIMATED = {"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 2}


@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_exported_file_makes_the_same_pipeline_elsewhere(
    stand: Stand, rest: httpx.AsyncClient, form: str
) -> None:
    made = await created(rest)
    path = f"/pipelines/{made['id']}"
    hidden = await rest.get(f"{path}/export", params={"format": form})
    assert "topsecret" not in hidden.text
    assert yaml.safe_load(hidden.text)["nodes"][0] == {"kind": "input", "successors": ["hd", 2]}
    unchanged = await rest.post("/pipelines/import?if_exists=replace", content=hidden.content)
    assert (unchanged.json()["outcome"], unchanged.json()["pipeline"]) == ("unchanged", made)
    problem(await rest.post("/pipelines/import", content=hidden.content), 422, "invalid")
    whole = await rest.get(f"{path}/export", params={"format": form, "secrets": True})
    problem(await rest.post("/pipelines/import", content=whole.content), 409, "name_taken")

    before = await stand.records.pipelines.get(made["id"])
    await rest.delete(path)
    again = await rest.post("/pipelines/import?if_exists=replace", content=whole.content)
    assert again.json()["outcome"] == "created"
    after = await stand.records.pipelines.get(again.json()["pipeline"]["id"])
    assert before is not None
    assert after is not None
    assert after.with_changes(id=before.id, created_at=before.created_at, updated_at=before.updated_at) == before

    changed = whole.content.replace(b"100020", b"100030")
    assert (await rest.post("/pipelines/import?if_exists=replace", content=changed)).json()["outcome"] == "updated"
    await rest.post(f"/pipelines/{after.id}/enable")
    assert (await rest.post("/pipelines/import?if_exists=replace", content=changed)).json()["outcome"] == "unchanged"
    problem(await rest.post("/pipelines/import?if_exists=replace", content=whole.content), 409, "enabled")


UNREADABLE = [
    (b"a: &x [1]\nb: *x", "alias"),
    (b"".join(b" " * depth + b"a:\n" for depth in range(150)), "nested"),  # brackets are counted by the boundary
    (rb'{"name": "\ud83d\ude00"}', "required"),
    (b"a: [1", "expected"),
    (b"- 1", "mapping"),
    (b"", "mapping"),
    (b"? [1, 2]\n: 3", "unhashable"),
    (b"\xff\xfe\x00", "YAML"),
    (b"a: !!python/object/apply:os.system ['x']", "could not determine"),
    (b"name: 2026-01-01\ntrigger: 5", "required"),
]


async def test_text_that_is_no_document_is_refused(rest: httpx.AsyncClient) -> None:
    for text, rule in UNREADABLE:
        refused = problem(await rest.post("/pipelines/import", content=text), 422, "invalid")
        assert rule in str(refused["errors"]), refused


async def test_what_is_anothers_is_not_there(stand: Stand, rest: httpx.AsyncClient) -> None:
    made = await created(rest)
    path = f"/pipelines/{made['id']}"
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        for method, url in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/enable"),
            ("POST", f"{path}/disable"),
            ("GET", f"{path}/versions"),
            ("GET", f"{path}/versions/1"),
            ("GET", f"{path}/diff?before=1"),
            ("GET", f"{path}/export"),
        ):
            problem(await other.request(method, url), 404, "not_found")
        problem(await other.put(path, json=document(), headers={"If-Match": "*"}), 404, "not_found")
        problem(await other.post(f"{path}/clone", json={"name": "x"}), 404, "not_found")
        problem(await other.post(f"{path}/rollback", json={"definition": 1}), 404, "not_found")
        problem(await other.post(f"/pipelines/validate?instead_of={made['id']}", json=document()), 404, "not_found")
        assert (await other.get("/pipelines")).json()["pipelines"] == []


async def test_workflow_is_shown_and_switched_but_changed_only_by_mps(stand: Stand, rest: httpx.AsyncClient) -> None:
    request = {
        "WorkflowName": "old",
        "Trigger": schedule()["Trigger"],
        "MediaProcessTask": {"TranscodeTaskSet": [{"Definition": 100020}]},
    }
    number = (await stand.call_json("CreateWorkflow", request))["WorkflowId"]
    shown = (await rest.get(f"/pipelines/{number}")).json()
    assert shown["type"] == "workflow"
    assert (await rest.post(f"/pipelines/{number}/enable")).json()["status"] == "enabled"
    assert (await rest.post(f"/pipelines/{number}/disable")).json()["status"] == "disabled"
    answer = await rest.put(f"/pipelines/{number}", json=document(), headers={"If-Match": "*"})
    problem(answer, 409, "is_workflow")
    assert (await rest.delete(f"/pipelines/{number}")).status_code == 204
