"""What a role allows in both faces, and what the audit log says of it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from shared.model.audit import BEGUN, DONE, AuditRecord
from shared.model.credential import Credential, Role
from shared.ports.state import Doc, StateUnavailable
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, SECRET_ID, TENANT, Stand, schedule
from tests.integration.api.test_rest_face import problem


@pytest.fixture(autouse=True)
async def people(stand: Stand) -> None:
    for role in Role:
        await stand.records.credentials.insert(
            Credential(
                id=f"AKID{role.value}",
                secret_key=role.value,
                tenant=TENANT,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                role=role,
            )
        )


def who(role: Role) -> dict[str, str]:
    return {"secret_id": f"AKID{role.value}", "secret_key": role.value}


async def log_of(stand: Stand) -> list[AuditRecord]:
    return sorted(await stand.records.audit.find({}), key=lambda record: int(record.id.rsplit("-", 1)[1]))


async def test_a_viewer_looks_and_changes_nothing(stand: Stand) -> None:
    number = await stand.create()
    assert (await stand.call("DescribeSchedules", **who(Role.VIEWER))).TotalCount == 1
    refused = await stand.refusal("EnableSchedule", {"ScheduleId": number}, **who(Role.VIEWER))
    assert refused.code == "UnauthorizedOperation"
    chinese = await stand.refusal("DeleteSchedule", {"ScheduleId": number}, language="zh-CN", **who(Role.VIEWER))
    assert "未授权操作" in chinese.message
    async with stand.rest(**who(Role.VIEWER)) as client:
        assert (await client.get("/runs")).status_code == 200
        problem(await client.post("/runs/x/cancel"), 403, "forbidden")
        problem(await client.put("/limits/tenant", json={"max_running": 1}), 403, "forbidden")
    [created] = await log_of(stand)
    assert created.action == "CreateSchedule"


async def test_an_editor_runs_pipelines_and_sets_no_limits(stand: Stand) -> None:
    await stand.call("CreateSchedule", schedule(), **who(Role.EDITOR))
    async with stand.rest(**who(Role.EDITOR)) as client:
        assert (await client.post("/runs/x/cancel")).status_code == 404
        problem(await client.put("/limits/tenant", json={"max_running": 1}), 403, "forbidden")
    async with stand.rest(**who(Role.ADMIN)) as client:
        assert (await client.put("/limits/tenant", json={"max_running": 1})).status_code == 200


async def test_a_change_is_recorded_with_who_and_what_it_was_before(stand: Stand) -> None:
    number = await stand.create()
    await stand.call("EnableSchedule", {"ScheduleId": number}, **who(Role.EDITOR))
    async with stand.rest(**who(Role.ADMIN)) as client:
        await client.put("/limits/tenant", json={"max_running": 7})
        answer = await client.put("/limits/tenant", json={"max_running": 9})
        await client.delete("/limits/tenant")
    created, enabled, first, second, cleared = await log_of(stand)

    assert (created.actor.secret_id, created.actor.face, created.outcome) == (SECRET_ID, "mps", DONE)
    assert created.changes[0].before is None
    assert created.changes[0].after is not None
    assert created.changes[0].after["name"] == schedule()["ScheduleName"]
    assert (enabled.action, enabled.target, enabled.kind) == ("EnableSchedule", f"ScheduleId {number}", "pipeline")
    assert enabled.objects == f" pipelines:{number} "
    assert enabled.changes[0].before is not None
    assert enabled.changes[0].before["status"] == "Disabled"
    assert enabled.actor.role is Role.EDITOR
    assert enabled.actor.address == "127.0.0.1"
    assert first.changes[0].before is None
    assert second.actor.request_id == answer.headers["x-request-id"]
    assert (second.changes[0].before, second.changes[0].after) == ({"maximum": 7}, {"maximum": 9})
    assert cleared.changes[0].after is None
    assert {record.tenant for record in (created, enabled, first, second, cleared)} == {TENANT}


async def test_a_call_that_is_refused_leaves_no_record(stand: Stand) -> None:
    with pytest.raises(TencentCloudSDKException):
        await stand.call("EnableSchedule", {"ScheduleId": 1})
    async with stand.rest() as client:
        assert (await client.post("/runs/x/cancel")).status_code == 404
    assert await log_of(stand) == []


async def test_the_record_is_there_before_the_change_is(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = stand.store.insert

    async def dies(collection: str, doc: Doc) -> None:
        if collection == "gates":
            raise StateUnavailable("dies before the change, as far as anybody knows")
        await insert(collection, doc)

    monkeypatch.setattr(stand.store, "insert", dies)
    async with stand.rest() as client:
        assert (await client.put("/limits/tenant", json={"max_running": 7})).status_code == 503
    [record] = await log_of(stand)
    assert record.outcome == "state_unavailable"


async def test_without_an_audit_log_nothing_is_changed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    insert, replace = stand.store.insert, stand.store.replace

    async def full(collection: str, doc: Doc) -> None:
        if collection == "audit":
            raise StateUnavailable("no room for the audit log")
        await insert(collection, doc)

    monkeypatch.setattr(stand.store, "insert", full)
    async with stand.rest() as client:
        assert (await client.put("/limits/tenant", json={"max_running": 7})).status_code == 503
        assert await stand.records.gates.find({}) == []

        async def stuck(collection: str, doc: Doc) -> bool:
            if collection == "audit":
                raise StateUnavailable("no answer")
            return await replace(collection, doc)

        monkeypatch.setattr(stand.store, "insert", insert)
        monkeypatch.setattr(stand.store, "replace", stuck)
        assert (await client.put("/limits/tenant", json={"max_running": 7})).status_code == 200
    [record] = await log_of(stand)
    assert record.outcome == BEGUN


async def test_a_route_that_reads_cannot_write(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.api.rest import limits

    async def meddles(gate_id: str, whose: object, context: object) -> object:
        return await limits._set(gate_id, 1, context)  # type: ignore[arg-type]

    monkeypatch.setattr(limits, "_show", meddles)
    async with httpx.AsyncClient(base_url=f"{stand.url}/api/v1", auth=(OTHER_ID, OTHER_KEY), trust_env=False) as client:
        assert (await client.get("/limits/tenant")).status_code == 503
    assert await stand.records.gates.find({}) == []
