from __future__ import annotations

from pathlib import Path
from typing import Any

from services.api.rest.pipeline_files import written
from services.api.rest.router import document, new_application

CHECKED_IN = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openapi.json"


def operations() -> list[tuple[str, dict[str, Any]]]:
    paths = new_application().openapi()["paths"]
    return [(f"{method} {path}", operation) for path, methods in paths.items() for method, operation in methods.items()]


def test_checked_in_document_is_what_the_routes_say() -> None:
    written = CHECKED_IN.read_text()
    assert written == document(), "python -m services.api.rest.router docs/reference/openapi.json"


def test_document_is_openapi_3_1_and_every_call_has_a_name_and_says_what_it_does() -> None:
    assert new_application().openapi()["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names) > 10
    assert all(operation["description"] for _, operation in operations())


def test_every_call_needs_a_credential_and_tells_how_it_is_refused() -> None:
    for name, operation in operations():
        if operation["operationId"] in ("open_session", "close_session"):
            assert "security" not in operation, name
        else:
            assert operation["security"] == [{"SecretKey": []}, {"Session": []}], name
        for status in ("4XX", "5XX"):
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"], name
        assert "422" not in operation["responses"], name


def test_checked_in_schema_of_pipeline_files_is_what_is_read() -> None:
    checked_in = CHECKED_IN.with_name("pipeline.schema.json")
    assert checked_in.read_text() == written(), (
        "python -m services.api.rest.pipeline_files docs/reference/pipeline.schema.json"
    )
