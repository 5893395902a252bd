"""The statements that every trial costs, without the ORM's compiler, which takes several times what they take.

Values go through the models' fields, so what is stored is what the ORM would store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, JSONField, Model
from django.db.models.expressions import DatabaseDefault

Row = TypeVar("Row", bound=Model)
Columns = tuple["Field[Any, Any]", ...]
Conversions = list[tuple[int, Callable[..., Any]]]  # of the values at these places
_PLAIN = frozenset((str, int, float, bool, type(None)))  # which no field makes something else of


def select(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """The rows that a statement answers; one that writes may answer, too (RETURNING)."""
    database = connections[DEFAULT_DB_ALIAS]
    found: list[tuple[Any, ...]]
    if database.queries_logged or database.execute_wrappers:
        with database.cursor() as cursor:
            cursor.execute(sql, arguments)
            found = cursor.fetchall()
    else:  # what Django's own cursor does besides takes longer than all of this
        database.ensure_connection()
        database.validate_no_broken_transaction()
        with database.wrap_database_errors:
            found = database.connection.execute(sql, arguments).fetchall()
    return found


def read(model: type[Row], where: str, *arguments: Any) -> list[Row]:
    """The table's rows for which `where` (SQL) holds, with nothing of other tables."""
    sql, names, conversions = _read(model, where)
    found = []
    for answer in select(sql, *arguments):
        values = list(answer)
        for place, convert in conversions:
            values[place] = convert(values[place], None, connection)
        found.append(model.from_db(connection.alias, names, values))
    return found


def read_joined(models: tuple[type[Model], ...], sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """For each answer of a statement one row of each of the tables; `{columns}` in it stands for what is asked of them,
    by the tables' names."""
    parts = [_columns(model) for model in models]
    found = []
    for answer in select(sql.replace("{columns}", ", ".join(names for names, _, _ in parts)), *arguments):
        values, row = list(answer), []
        for model, (_, names, conversions) in zip(models, parts, strict=True):
            own, values = values[: len(names)], values[len(names) :]
            for place, convert in conversions:
                own[place] = convert(own[place], None, connection)
            row.append(model.from_db(connection.alias, names, own))
        found.append(tuple(row))
    return found


def update(row: Model, fields: dict[str, Any], where: str, *arguments: Any) -> bool:
    """Write `fields` to the table's row, and to `row` itself, if `where` (SQL) holds for it; whether it did."""
    model = type(row)
    changes, values = assignments(model, fields)
    sql = f'UPDATE "{model._meta.db_table}" SET {changes} WHERE id = %s AND ({where})'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, (*values, row.pk, *arguments))
        moved: bool = cursor.rowcount == 1
    if moved:
        for name, value in fields.items():
            setattr(row, name, value)
    return moved


def assignments(model: type[Model], fields: dict[str, Any]) -> tuple[str, list[Any]]:
    """What stands behind SET to write `fields` to a row, and its arguments."""
    sql, columns = _assignments(model, tuple(fields))
    return sql, [_prepared(column, fields[column.name]) for column in columns]


def _prepared(column: Field[Any, Any], value: Any) -> Any:
    """A value as the database takes it; most are so already."""
    if isinstance(column, JSONField) or (type(value) not in _PLAIN and not _is_moment(value)):
        return column.get_db_prep_save(value, connection)
    return value


def _is_moment(value: Any) -> bool:
    return type(value) is datetime and value.tzinfo is not None


def insert(*rows: Row) -> None:
    """Add rows of one kind with one statement; what the database gives them (keys, times) is theirs afterwards."""
    new = Insertion(rows)
    for row, answer in zip(rows, select(f"{new.sql} RETURNING {new.answers()}", *new.arguments), strict=True):
        new.take(row, answer)


class Insertion:
    """The statement that adds rows of one kind, or a part of a larger one; their order is that of its answers.

    They are one argument, so that the statement is the same whatever their number, and is planned once. `asked`:
    columns whose values a part before it has: an SQL expression of a column of `new`, and what each row has there.
    """

    def __init__(self, rows: Sequence[Model], asked: Mapping[str, tuple[str, Sequence[Any]]] | None = None) -> None:
        asked = asked or {}
        expressions = tuple((name, expression) for name, (expression, _) in asked.items())
        self.sql, given, self._made = _insert(type(rows[0]), _made_for(rows[0]), expressions)
        new = [{column.column: getattr(row, column.attname) for column in given} for row in rows]
        for column in given:
            if column.name in asked:
                for one, value in zip(new, asked[column.name][1], strict=True):
                    one[column.column] = value
        self.arguments = [json.dumps(new, default=datetime.isoformat)]

    def answers(self, table: str = "") -> str:
        """What the database makes, as columns; `table` is what they are asked of."""
        return ", ".join(f'{table}."{column.column}"' if table else f'"{column.column}"' for column in self._made)

    def take(self, row: Model, answer: Sequence[Any]) -> Sequence[Any]:
        """Give a row what the database has made for it; the rest of the answer."""
        for column, value in zip(self._made, answer, strict=False):
            setattr(row, column.attname, value)
        row._state.adding, row._state.db = False, connection.alias
        return answer[len(self._made) :]


def _made_for(row: Model) -> tuple[str, ...]:
    """The columns whose values the database is to make."""
    return tuple(
        column.name
        for column in row._meta.local_concrete_fields
        if isinstance(value := getattr(row, column.attname), DatabaseDefault) or (value is None and column.primary_key)
    )


# --- their texts, each of which is made once: there are as many as there are calls in the code ------------------------


@cache
def _read(model: type[Model], where: str) -> tuple[str, list[str], Conversions]:
    columns, names, conversions = _columns(model)
    return f'SELECT {columns} FROM "{model._meta.db_table}" WHERE {where}', names, conversions  # noqa: S608


@cache
def _columns(model: type[Model]) -> tuple[str, list[str], Conversions]:
    columns, table = model._meta.local_concrete_fields, model._meta.db_table
    convert = ((place, getattr(column, "from_db_value", None)) for place, column in enumerate(columns))
    sql = ", ".join(f'"{table}"."{column.column}"' for column in columns)
    return sql, [column.attname for column in columns], [(place, one) for place, one in convert if one is not None]


@cache
def _assignments(model: type[Model], names: tuple[str, ...]) -> tuple[str, Columns]:
    columns = tuple(column for column in model._meta.local_concrete_fields if column.name in names)
    assert len(columns) == len(names), f"one of {names} is no column of {model.__name__}"
    return ", ".join(f'"{column.column}" = %s' for column in columns), columns


@cache
def _insert(
    model: type[Model], made: tuple[str, ...], asked: tuple[tuple[str, str], ...]
) -> tuple[str, Columns, Columns]:
    columns, expressions, table = model._meta.local_concrete_fields, dict(asked), model._meta.db_table
    given = tuple(column for column in columns if column.name not in made)
    names = ", ".join(f'"{column.column}"' for column in given)
    values = ", ".join(expressions.get(column.name, f'new."{column.column}"') for column in given)
    rows = f'json_populate_recordset(NULL::"{table}", %s::json) AS new'
    sql = f'INSERT INTO "{table}" ({names}) SELECT {values} FROM {rows}'  # noqa: S608
    return sql, given, tuple(column for column in columns if column.name in made)
