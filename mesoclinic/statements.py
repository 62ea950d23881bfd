"""SQL where its price counts: statements that PostgreSQL plans once per connection, and inserts that are written once.

For acts that hold locks and reads that many wait for. Signals, which no model here has, are left out; constraints and
triggers of the database hold for them as for all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any, NamedTuple, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model


def prepared(
    kind: "type[psycopg.Cursor[Any]]" = psycopg.Cursor, *, binary: bool = False
) -> "closing[CursorWrapper]":
    """A cursor whose parameters are bound by the server, so that its statements are planned once (`prepare_threshold`).

    Django's own writes the parameters into the text, and the text is planned anew each time. Errors and counted queries
    are the same. Write casts (`%s::bigint[]`): the server is told no type of a text or an empty list. Of bytes a `binary`
    answer is half as long.
    """
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = kind(database.connection)
        cursor.format = psycopg.pq.Format(binary)
    wrap = database.make_debug_cursor if database.queries_logged else database.make_cursor
    # The wrappers ask for a cursor of the database's driver; their types name only themselves.
    return closing(wrap(cast(Any, cursor)))


@cache
def _columns(model: type[Model], keyed: bool) -> "tuple[list[Field[Any, Any]], list[Field[Any, Any]]]":
    """(written, given back): what the database makes by itself comes back; so does the key where none is given."""
    written: list[Any] = []
    back: list[Any] = []
    for field in model._meta.concrete_fields:
        made = field.has_db_default() or (field.primary_key and not keyed)
        (back if made else written).append(field)
    return written, back


#: What psycopg writes as Django would: of these nothing has to be prepared.
_READY = frozenset({str, int, bool, type(None)})
_PLAIN = (models.CharField, models.TextField, models.IntegerField, models.BooleanField, models.ForeignKey)


@cache
def _filled(model: type[Model], keyed: bool) -> "tuple[tuple[Field[Any, Any], str, bool], ...]":
    """(field, name of its value, whether that may go as it is): not where the field fills or converts it itself."""

    def plain(field: "Field[Any, Any]") -> bool:
        if isinstance(field, models.DateTimeField):
            return not (field.auto_now or field.auto_now_add)
        return isinstance(field, _PLAIN) and type(field).pre_save is Field.pre_save

    return tuple((field, field.attname, plain(field)) for field in _columns(model, keyed)[0])


def _values(row: Model, database: Any) -> list[Any]:
    found = []
    for field, name, plain in _filled(type(row), row.pk is not None):
        value = getattr(row, name) if plain else field.pre_save(row, add=True)
        ready = plain and (type(value) in _READY or (type(value) is datetime and value.tzinfo is not None))
        found.append(value if ready else field.get_db_prep_save(value, database))
    return found


class _Shape(NamedTuple):
    """What the text of an insert depends on."""

    model: type[Model]
    many: int
    #: Whether the rows have their keys already.
    keyed: bool
    ignore_conflicts: bool


def _shape(rows: Sequence[Model], ignore_conflicts: bool) -> _Shape:
    return _Shape(type(rows[0]), len(rows), rows[0].pk is not None, ignore_conflicts)


def _text(shape: _Shape, numbers: Iterator[int], end: str = "") -> str:
    written = _columns(shape.model, shape.keyed)[0]
    names = ", ".join(f'"{field.column}"' for field in written)
    rows = ", ".join(
        f"({', '.join(f'${next(numbers)}' for _field in written)})" for _row in range(shape.many)
    )
    end = "ON CONFLICT DO NOTHING" if shape.ignore_conflicts else end
    return f'INSERT INTO "{shape.model._meta.db_table}" ({names}) VALUES {rows} {end}'  # noqa: S608  # names of columns


@cache
def _statement(beside: tuple[_Shape, ...], main: _Shape) -> str:
    # Numbered by us: psycopg would read the text again each time, since it is long.
    numbers = count(1)
    others = ", ".join(f"beside_{n} AS ({_text(shape, numbers)})" for n, shape in enumerate(beside))
    back = ", ".join(f'"{field.column}"' for field in _columns(main.model, main.keyed)[1])
    text = _text(main, numbers, f"RETURNING {back}" if back else "")
    return f"WITH {others} {text}" if others else text


@cache
def _blank(model: type[Model]) -> "tuple[dict[str, int], list[Any], list[tuple[int, Callable[[], Any]]]]":
    """Place of each column, the values of an empty row, and which of these have to be made anew each time."""
    fields = model._meta.concrete_fields
    made = [
        (n, field.get_default)
        for n, field in enumerate(fields)
        if field.has_default() and callable(field.default)
    ]
    return (
        {field.attname: n for n, field in enumerate(fields)},
        [field.get_default() for field in fields],
        made,
    )


def fresh[Row: Model](model: type[Row], **columns: Any) -> Row:
    """A row that is not stored yet, as `model(**columns)`, by names of columns (`patient_id`): three times as fast."""
    places, values, made = _blank(model)
    values = values.copy()
    for n, default in made:
        values[n] = default()
    for name, value in columns.items():
        values[places[name]] = value
    return model(*values)


@dataclass(frozen=True, slots=True)
class Beside:
    """Rows of another model that are inserted in the same query. Nothing of them comes back, not their keys either."""

    rows: Sequence[Model]
    ignore_conflicts: bool = False


def insert[Row: Model](
    rows: Sequence[Row], *, ignore_conflicts: bool = False, beside: Sequence[Beside] = ()
) -> Sequence[Row]:
    """Insert new rows of one model in one query; keys and what the database sets come back into them.

    As `bulk_create`, without building its SQL each time: for what is written under locks. With `ignore_conflicts` a row
    whose unique value stands already makes none, and nothing comes back. Rows `beside` may name each other and these by
    keys that are given: foreign keys are looked at when the transaction ends.
    """
    if not rows:
        return rows
    database = connections[DEFAULT_DB_ALIAS]
    others = [one for one in beside if one.rows]
    main = _shape(rows, ignore_conflicts)
    every = [row for one in others for row in one.rows] + list(rows)
    values = [value for row in every for value in _values(row, database)]
    back = _columns(main.model, main.keyed)[1]
    with prepared(psycopg.RawCursor) as cursor:
        shapes = tuple(_shape(one.rows, one.ignore_conflicts) for one in others)
        cursor.execute(_statement(shapes, main), values)
        if ignore_conflicts:
            return rows
        # PostgreSQL gives the rows of one VALUES list back in its order.
        for row, made in zip(rows, cursor.fetchall() if back else [()] * len(rows), strict=True):
            for field, value in zip(back, made, strict=True):
                setattr(row, field.attname, value)
            row._state.adding = False
            row._state.db = DEFAULT_DB_ALIAS
    return rows
