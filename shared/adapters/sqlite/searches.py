"""Searches of the state port in SQLite: generated columns, one wide index, and SQL that stays within it.

The expressions of the ordinary indexes will not do. Whatever SQLite filters by an expression it computes from the
body, for every entry on its way (before 3.41, also where the index has the value): a walk over 100,000 documents reads
and parses them all. Columns are taken from the index. They are virtual, so that the table itself keeps nothing twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from shared.adapters.sqlite.sql import COMPARE, Sql, joined
from shared.adapters.state_query import Condition, Operator, check_sort, conditions, rule_name
from shared.ports.state import CollectionSpec, Filter, Order, Search


def column(field: str) -> str:
    """The column of a field."""
    return "id" if field == "_id" else f'"$.{field}"'


def name_of(collection: str, search: Search) -> str:
    """The index's name."""
    return f"{collection}:search:{rule_name(search[: search.index('_id')])}"


def prepare(connection: sqlite3.Connection, spec: CollectionSpec) -> None:
    """Makes the columns and indexes that are missing, in the transaction that is open."""
    there = {row[1] for row in connection.execute(f'PRAGMA table_xinfo("{spec.name}")')}
    for field in dict.fromkeys(field for search in spec.searches for field in search):
        if field != "_id" and f"$.{field}" not in there:
            made = f"{column(field)} GENERATED ALWAYS AS (json_extract(body,'$.{field}')) VIRTUAL"
            connection.execute(f'ALTER TABLE "{spec.name}" ADD COLUMN {made}')
    for search in spec.searches:
        columns = ", ".join(column(field) for field in search)
        index = name_of(spec.name, search)
        connection.execute(f'CREATE INDEX IF NOT EXISTS "{index}" ON "{spec.name}" ({columns})')


def select(
    collection: str, by: Search, where: Filter, *, sort: Sequence[tuple[str, Order]], limit: int, offset: int
) -> Sql:
    """The bodies that match, in order, by a walk along the search's index."""
    order = ", ".join(column(name) + (" DESC" if way is Order.DESC else "") for name, way in check_sort(sort))
    found = _from(collection, by, where)
    text = f"SELECT body{found.text} ORDER BY {order} LIMIT ? OFFSET ?"
    return Sql(text, (*found.values, limit, offset))


def count(collection: str, by: Search, where: Filter) -> Sql:
    """The number of documents that match."""
    found = _from(collection, by, where)
    return Sql(f"SELECT count(*){found.text}", found.values)


def _from(collection: str, by: Search, where: Filter) -> Sql:
    matching = joined([_test(condition) for condition in conditions(where)])
    return Sql(f' FROM "{collection}" INDEXED BY "{name_of(collection, by)}"{matching.text}', matching.values)


def _test(condition: Condition) -> Sql:
    field, value = column(condition.field), condition.value
    match condition.operator:
        case Operator.EQ:
            return _equal(field, value)
        case Operator.NE:
            return _not(_equal(field, value))
        case Operator.IN:
            return _one_of(field, value)
        case Operator.NIN:
            return _not(_one_of(field, value))
        case Operator.EXISTS:
            return Sql(f"json_type(body,'$.{condition.field}') IS {'NOT ' if value else ''}NULL")
        case Operator.CONTAINS:
            return Sql(f"(typeof({field}) = 'text' AND instr(lower({field}), lower(?)) > 0)", (value,))
        case Operator.LT | Operator.LTE | Operator.GT | Operator.GTE:
            return _ordered(field, condition.operator, value)


def _not(test: Sql) -> Sql:
    return Sql(f"({test.text}) IS NOT TRUE", test.values)


def _equal(field: str, value: Any) -> Sql:
    return Sql(f"{field} IS NULL") if value is None else Sql(f"{field} = ?", (value,))


def _one_of(field: str, values: Sequence[Any]) -> Sql:
    listed = orjson.dumps([value for value in values if value is not None]).decode()
    null = f" OR {field} IS NULL" if None in values else ""
    return Sql(f"({field} IN (SELECT value FROM json_each(?)){null})", (listed,))  # noqa: S608  names checked


def _ordered(field: str, operator: Operator, value: Any) -> Sql:
    if value is None:
        return Sql("0")
    # Numbers sort before text: the other type ends the range.
    upwards, text = operator in (Operator.GT, Operator.GTE), isinstance(value, str)
    end = f" AND {field} >= ''" if text and not upwards else f" AND {field} < ''" if upwards and not text else ""
    return Sql(f"({field} {COMPARE[operator]} ?{end})", (value,))
