"""JSON Schema of the contract's parameters, in wire names: for editors, forms and checks before a call."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from shared.mps.base import MpsModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out what only repeats a member's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(model: type[MpsModel]) -> dict[str, Any]:
    """The schema, complete in itself. What it takes is what the model takes as JSON, but for rules that concern several
    members at once; numbers given as text, as GET requests send them, are not described."""
    found: JsonSchemaValue = model.model_json_schema(by_alias=True, schema_generator=_WithoutTitles)
    return {"$schema": DIALECT, **found}
