"""SQL for the state port: tables, expression indexes, and filters as WHERE clauses with bound values.

`json_extract` gives text for text, numbers for numbers, 0 and 1 for booleans, NULL for null and absent, and the JSON
text of arrays and objects. Comparisons between storage classes are never equal in SQLite and numbers sort before text,
so only booleans (look like numbers) and containers (look like text) need a look at `json_type`; it is left out where
the compared value rules them out, because it costs a parse of the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from shared.adapters.sqlite.sql import COMPARE, Sql, joined
from shared.adapters.state_query import Condition, Operator, check_sort, conditions, rule_name
from shared.ports.state import CollectionSpec, Filter, Order

_NEVER = Sql("0")


def value_of(field: str) -> str:
    """The expression for a field; the same text in indexes and queries, or SQLite would not use the index."""
    return "id" if field == "_id" else f"json_extract(body,'$.{field}')"


def _type_of(field: str) -> str:
    return f"json_type(body,'$.{field}')"


def unique_index(spec: CollectionSpec, rule: Sequence[str]) -> str:
    """The name of the index of a unique rule: SQLite names it when the rule is broken."""
    return f"{spec.name}:unique:{rule_name(rule)}"


def schema(spec: CollectionSpec) -> list[str]:
    """Statements that make the table and its indexes where they are missing."""
    table = f'"{spec.name}"'
    statements = [
        f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL)"
    ]
    for rule in spec.unique:
        fields = [value_of(field) for field in rule]
        statements.append(
            f'CREATE UNIQUE INDEX IF NOT EXISTS "{unique_index(spec, rule)}" ON {table} ({", ".join(fields)}) '
            f"WHERE {' AND '.join(f'{field} IS NOT NULL' for field in fields)}"
        )
    for index in spec.indexes:
        # `id` at the end gives the order of ties, so that a sorted page needs no sorting.
        fields = [*(value_of(field) for field in index), "id"]
        statements.append(
            f'CREATE INDEX IF NOT EXISTS "{spec.name}:index:{rule_name(index)}" ON {table} ({", ".join(fields)})'
        )
    return statements


def select(
    collection: str, where: Filter, *, sort: Sequence[tuple[str, Order]] = (), limit: int = 100, offset: int = 0
) -> Sql:
    """The bodies that match, in order."""
    matching = _where(where)
    order = ", ".join(value_of(name) + (" DESC" if order is Order.DESC else "") for name, order in check_sort(sort))
    text = f'SELECT body FROM "{collection}"{matching.text} ORDER BY {order} LIMIT ? OFFSET ?'  # noqa: S608  names checked
    return Sql(text, (*matching.values, limit, offset))


def count(collection: str, where: Filter) -> Sql:
    """The number of documents that match."""
    matching = _where(where)
    return Sql(f'SELECT count(*) FROM "{collection}"{matching.text}', matching.values)  # noqa: S608  names checked


def _where(where: Filter) -> Sql:
    return joined([_test(condition) for condition in conditions(where)])


def _test(condition: Condition) -> Sql:
    field, value = condition.field, condition.value
    match condition.operator:
        case Operator.EQ:
            return _equal(field, value)
        case Operator.NE:
            equal = _equal(field, value)
            return Sql(f"({equal.text}) IS NOT TRUE", equal.values)
        case Operator.IN:
            return _one_of(field, value)
        case Operator.NIN:
            one = _one_of(field, value)
            return Sql(f"({one.text}) IS NOT TRUE", one.values)
        case Operator.EXISTS:
            # The column `id` is always there; json_type tells JSON null from absent for the rest.
            present = "id" if field == "_id" else _type_of(field)
            return Sql(f"{present} IS {'NOT ' if value else ''}NULL")
        case Operator.CONTAINS:
            value_text = f"instr(lower({value_of(field)}), lower(?)) > 0"
            return Sql(value_text if field == "_id" else f"({value_text} AND {_type_of(field)} = 'text')", (value,))
        case Operator.LT | Operator.LTE | Operator.GT | Operator.GTE:
            return _ordered(field, condition.operator, value)


def _equal(field: str, value: Any) -> Sql:
    expression = value_of(field)
    if value is None:
        return Sql(f"{expression} IS NULL")
    if isinstance(value, bool):
        kind = "true" if value else "false"
        return _NEVER if field == "_id" else Sql(f"({expression} = ? AND {_type_of(field)} = '{kind}')", (int(value),))
    if field == "_id" or _says_its_type(value):
        return _NEVER if field == "_id" and not isinstance(value, str) else Sql(f"{expression} = ?", (value,))
    return Sql(f"({expression} = ? AND {_type_check(field, value)})", (value,))


def _says_its_type(value: Any) -> bool:
    """Whether nothing but a value of its own type is stored as equal to it."""
    return value[:1] not in ("[", "{") if isinstance(value, str) else value not in (0, 1)


def _type_check(field: str, value: Any) -> str:
    match value:
        case bool():
            return f"{_type_of(field)} IN ('true','false')"
        case str():
            return f"{_type_of(field)} = 'text'"
        case _:
            return f"{_type_of(field)} IN ('integer','real')"


def _one_of(field: str, values: Sequence[Any]) -> Sql:
    plain: list[Any] = []
    tests: list[Sql] = []
    for value in values:
        if value is None or isinstance(value, bool) or not (field == "_id" or _says_its_type(value)):
            tests.append(_equal(field, value))
        elif field != "_id" or isinstance(value, str):
            plain.append(value)
    if plain:
        # One bound list instead of a question mark each: any length, one statement text.
        listed = f"{value_of(field)} IN (SELECT value FROM json_each(?))"  # noqa: S608  field names were checked
        tests.append(Sql(listed, (orjson.dumps(plain).decode(),)))
    if not tests:
        return _NEVER
    return Sql(f"({' OR '.join(test.text for test in tests)})", tuple(v for test in tests for v in test.values))


def _ordered(field: str, operator: Operator, value: Any) -> Sql:
    expression, compare = value_of(field), COMPARE[operator]
    if value is None or (field == "_id" and not isinstance(value, str)):
        return _NEVER
    if field == "_id":
        return Sql(f"{expression} {compare} ?", (value,))
    tests = [f"{expression} {compare} ?"]
    upwards = operator in (Operator.GT, Operator.GTE)
    if isinstance(value, str):
        if not upwards:
            tests.append(f"{expression} >= ''")  # ends the index range where numbers begin
        if upwards or value >= "[":  # JSON containers begin with [ or {, so they are larger than what is smaller than [
            tests.append(_type_check(field, value))
    else:
        if upwards:
            tests.append(f"{expression} < ''")  # ends the index range where text begins
        tests.append(_type_check(field, value))
    return Sql(f"({' AND '.join(tests)})", (int(value) if isinstance(value, bool) else value,))
