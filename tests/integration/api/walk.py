"""What a walk over all actions and routes needs: calls made from the documents, and a tenant that has everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.api.rest.access import access_of
from services.api.rest.router import new_application
from shared.model.base import Document
from shared.model.credential import Role
from shared.model.delivery import Delivery, DeliveryState
from shared.model.pipeline import SinkType
from shared.model.replay import Chosen, Replay
from shared.model.upload import Match, Outcome, UploadRecord, UploadSource
from tests.builders import a_run
from tests.integration.api.stand import BUCKET, TENANT, Stand
from tests.integration.api.test_rest_libraries import photo
from tests.integration.api.test_roles import who
from tests.unit.api.test_access import ROUTES

MARK = "geheim"
"""In everything of the tenant that no caller has to know to ask for it."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One route, ready to be called."""

    name: str
    method: str
    path: str
    body: Json | None
    owned: bool
    """Whether the path names something of the tenant's."""
    needs: Role | None
    """The declared role, None for calls that need no credential."""


def calls(own: Mapping[str, Any]) -> Iterator[Call]:
    """Every operation of the OpenAPI document, with the tenant's ids wherever one fits."""
    document = new_application().openapi()
    declared = {route.name: access_of(route.endpoint, method) for method, route in ROUTES.values()}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            filled, owned = path, False
            for parameter in operation.get("parameters", ()):
                name = parameter["name"]
                if parameter["in"] == "path":
                    assert name in own, f"{method} {path}: say in `own` which of the tenant's ids {name!r} is"
                    filled = filled.replace(f"{{{name}}}", str(own[name]))
                    owned |= name not in ("kind", "node", "attempt", "worker_id")
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            body = None if schema is None else sample(schema, document["components"]["schemas"], own)
            access = declared[operation["operationId"]]
            yield Call(operation["operationId"], method.upper(), filled, body, owned, access.role if access else None)


def sample(schema: Json, known: Mapping[str, Json], own: Mapping[str, Any], name: str = "") -> Any:
    """A small value that fits the schema, with the tenant's ids where a member has the name of one."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if name in own and schema.get("type", "string") in ("string", "integer"):
        return own[name]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(next(one for one in schema[choice] if one.get("type") != "null"), known, own, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", ())), None))
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            members = schema.get("properties", {})
            return {key: sample(members[key], known, own, key) for key in members if key in required or key in own}
        case "array":
            return [sample(schema["items"], known, own, name)] * schema.get("minItems", 1)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return "x" * max(1, schema.get("minLength", 1))


async def furnish(stand: Stand) -> dict[str, Any]:
    """A tenant with something of everything; the ids of it."""
    records, now = stand.records, stand.store_clock.now()
    for role in Role:
        await stand.deps.credentials.ensure(who(role)["secret_id"], who(role)["secret_key"], TENANT, role)
    async with stand.rest(**who(Role.ADMIN)) as client:
        made = (await client.post("/credentials", json={"name": MARK, "role": "viewer"})).json()
        known = {"name": MARK, "usages": ["All"], "faces": [photo()]}
        person = (await client.post("/libraries/persons", json=known)).json()["person"]
    hook = {"NotifyType": "URL", "NotifyUrl": f"http://callback.test/{MARK}", "NotifyKey": MARK}
    number = await stand.create(ScheduleName=f"{MARK}_1", TaskNotifyConfig=hook)
    template = await stand.call(
        "CreateTranscodeTemplate",
        {
            "Container": "mp4",
            "Name": MARK,
            "RemoveAudio": 1,
            "VideoTemplate": {"Codec": "libx264", "Fps": 0, "Bitrate": 0},
        },
    )
    await stand.call(
        "CreateWordSamples", {"Usages": ["Recognition.Ocr"], "Words": [{"Keyword": "wort", "Tags": [MARK]}]}
    )
    key = f"in/{MARK}.mp4"
    info = stand.objects.put(BUCKET, key)
    run = a_run(
        run_id=f"{TENANT}-ScheduleTask-walk",
        now=now,
        pipeline_id=str(number),
        pipeline_name=f"{MARK}_1",
        session_context=MARK,
    )
    await records.runs.insert(run)
    line = Match(pipeline_id=str(number), pipeline_name=f"{MARK}_1", tenant=TENANT, run_id=run.id)
    upload = UploadRecord(
        id="u" * 40,
        bucket=BUCKET,
        key=key,
        observed=info.etag,
        seen_by=UploadSource.EVENT,
        seen_at=now,
        matches=(line,),
        outcome=Outcome.STARTED,
    )
    await records.uploads.insert(upload)
    delivery = Delivery(
        id="delivery-walk",
        tenant=TENANT,
        run_id=run.id,
        pipeline_id=str(number),
        sequence=1,
        sink=SinkType.HTTP,
        target=f"http://callback.test/{MARK}",
        state=DeliveryState.DEAD,
        due_at=None,
        created_at=now,
    )
    await records.deliveries.insert(delivery)
    replay = Replay(id="replay-walk", tenant=TENANT, chosen=Chosen(subscription=MARK), created_at=now, due_at=now)
    await records.replays.insert(replay)
    [first, *_] = await records.audit.find({"tenant": TENANT})
    return {
        "keyword": "wort",
        "person_id": person["id"],
        "face_id": person["faces"][0]["id"],
        "pipeline_id": str(number),
        "run_id": run.id,
        "upload_id": upload.id,
        "delivery_id": delivery.id,
        "replay_id": replay.id,
        "secret_id": made["secret_id"],
        "record_id": first.id,
        "bucket": BUCKET,
        "key": key,
        "definition": template.Definition,
        "subscription": "default",
        "kind": "transcode",
        "node": 0,
        "attempt": 1,
        "worker_id": "worker-1",
    }


async def everything_of(stand: Stand, tenant: str) -> dict[str, Any]:
    """All that the store has of the tenant, to see that nothing of it changed."""
    found: dict[str, Any] = {}
    for name, collection in sorted(vars(stand.records).items()):
        if name == "store" or name == "audit":
            continue
        documents: list[Document] = await collection.find({}, limit=10_000)
        for document in documents:
            if getattr(document, "tenant", tenant) == tenant:
                found[f"{name}/{document.id}"] = document
    return found
