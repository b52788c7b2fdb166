"""What a filter of the state port may say: checked in one place, so that every adapter refuses the same mistakes.

Conditions are about scalars (text, numbers, booleans, null). What a condition or a sort does with a field that holds
an array or an object is not defined, except that `$exists` sees it; nor is the order between different types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.ports.state import CollectionSpec, Doc, Filter, Order, Search

Scalar = str | int | float | bool | None

_FIELD = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


class Operator(StrEnum):
    """The operators of the port."""

    EQ = "$eq"
    """Equal; null equals absent."""
    NE = "$ne"
    """Not equal: also true for null, absent and other types."""
    LT = "$lt"
    """Smaller, among values of the same type."""
    LTE = "$lte"
    """Smaller or equal, among values of the same type."""
    GT = "$gt"
    """Larger, among values of the same type."""
    GTE = "$gte"
    """Larger or equal, among values of the same type."""
    IN = "$in"
    """Equal to one of the list."""
    NIN = "$nin"
    """Equal to none of the list: also true for null, absent and other types unless the list has null."""
    CONTAINS = "$contains"
    """Text that has this text in it; the letters A to Z count as a to z."""
    EXISTS = "$exists"
    """Present (null is present) or absent."""


ORDERING = frozenset({Operator.LT, Operator.LTE, Operator.GT, Operator.GTE})


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one field. `value` is a scalar, a list of scalars for `$in` and `$nin`, a boolean for `$exists`."""

    field: str
    operator: Operator
    value: Any


def check_field(name: str) -> str:
    """The name, if it is a dotted path of plain words. Raises ValueError: names end up in SQL."""
    if not _FIELD.fullmatch(name):
        raise ValueError(f"not a field name: {name!r}")
    return name


def check_page(limit: int, offset: int) -> None:
    """Raises ValueError unless both are at least 0."""
    if limit < 0 or offset < 0:
        raise ValueError(f"limit {limit} and offset {offset} must not be negative")


def check_sort(sort: Sequence[tuple[str, Order]]) -> list[tuple[str, Order]]:
    """The sort with `_id` as the last field, which makes every order total."""
    fields = [(check_field(name), Order(order)) for name, order in sort]
    return fields if any(name == "_id" for name, _ in fields) else [*fields, ("_id", Order.ASC)]


def check_specs(specs: Iterable[CollectionSpec]) -> dict[str, CollectionSpec]:
    """The specifications by name, with every name checked."""
    by_name: dict[str, CollectionSpec] = {}
    for spec in specs:
        if "." in check_field(spec.name):
            raise ValueError(f"not a collection name: {spec.name!r}")
        for field in (field for rule in (*spec.unique, *spec.indexes, *spec.searches) for field in rule):
            check_field(field)
        by_name[spec.name] = spec
    return by_name


def check_search(
    spec: CollectionSpec, by: Search | None, where: Filter, sort: Sequence[tuple[str, Order]] = ()
) -> None:
    """Raises ValueError unless the search is one of the collection's and holds all that is asked about."""
    if by is None:
        return
    if by not in spec.searches:
        raise ValueError(f"{spec.name} has no search by {', '.join(by)}")
    strange = ({*where} | {name for name, _ in sort}) - {*by, "_id"}
    if strange or isinstance(where.get(by[0]), dict | None):
        raise ValueError(f"not answered by the search {', '.join(by)}: {', '.join(sorted(strange)) or by[0]}")


def known(collection: str, names: Collection[str]) -> str:
    """The collection's name. Raises ValueError if the store was not opened with it."""
    if collection not in names:
        raise ValueError(f"unknown collection {collection!r}")
    return collection


def identity(doc: Doc) -> tuple[str, int]:
    """The `_id` and `version` of a document. Raises ValueError if they are missing or of another type."""
    doc_id, version = doc.get("_id"), doc.get("version")
    if not isinstance(doc_id, str) or not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"a document needs a text _id and an integer version, got {doc_id!r} and {version!r}")
    return doc_id, version


def next_version(doc: Doc) -> Doc:
    """What a successful compare-and-set of `doc` stores."""
    return {**doc, "version": doc["version"] + 1}


def rule_name(fields: Sequence[str]) -> str:
    """How a unique rule is called in DuplicateKey."""
    return ",".join(fields)


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def lowered(text: str) -> str:
    """Latin letters in lower case, everything else as it is: what `$contains` compares."""
    return text.translate(_LOWER)


def conditions(where: Filter) -> list[Condition]:
    """The filter as a list of tests that must all hold. Raises ValueError for anything the port does not know."""
    return [test for field, wanted in where.items() for test in _field_conditions(check_field(field), wanted)]


def _field_conditions(field: str, wanted: Any) -> list[Condition]:
    if not isinstance(wanted, dict):
        return [Condition(field, Operator.EQ, _scalar(field, wanted))]
    if not wanted:
        raise ValueError(f"{field}: an empty condition")
    return [_condition(field, operator, value) for operator, value in wanted.items()]


def _condition(field: str, name: str, value: Any) -> Condition:
    try:
        operator = Operator(name)
    except ValueError:
        raise ValueError(f"{field}: unknown operator {name!r}") from None
    if operator in (Operator.IN, Operator.NIN):
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"{field}: {name} needs a list")
        return Condition(field, operator, [_scalar(field, item) for item in value])
    if operator is Operator.CONTAINS and not isinstance(value, str):
        raise ValueError(f"{field}: $contains needs text")
    if operator is Operator.EXISTS and not isinstance(value, bool):
        raise ValueError(f"{field}: $exists needs a boolean")
    return Condition(field, operator, _scalar(field, value))


def _scalar(field: str, value: Any) -> Scalar:
    if isinstance(value, str):
        return str(value)  # a StrEnum member is its text
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{field}: conditions compare text, finite numbers, booleans and null, not {value!r}")
