"""Turns the difference between first and last tables into a sample's checks: SQL and the rows it must give.

What must be done goes into `check`. That nothing else was done goes into `keep` and `forbid`, which the scorer
counts as side effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.errors import DefinitionError
from evalkit.worlds.task import find_world

if TYPE_CHECKING:
    from suites.agentic.source import AppTask, Ends

Rows = list[dict[str, Any]]
Check = dict[str, Any]


class Checks(NamedTuple):
    """As the fields of `evalkit.worlds.task.Task` of the same names."""

    keep: list[str]
    check: list[Check]
    forbid: list[Check]


def checks_of(world: str, task: AppTask, first: dict[str, Rows]) -> Checks:
    """What must hold in the end, and what must not have happened.

    Raises:
        DefinitionError: the task names a table, column or key that does not exist.
    """
    opened = find_world(world)(first)
    tables = opened.tables()
    if unknown := (set(task.ends) | set(task.free)) - set(tables):
        raise DefinitionError(f"task {task.id!r}: {sorted(unknown)[0]!r} is no table of {world!r}.")
    found = Checks([name for name in tables if name not in task.ends and name not in task.free], [], [])
    for name, ends in task.ends.items():
        columns = [row["name"] for row in opened.rows(f"PRAGMA table_info({name})")]
        try:
            _check_table(found, Table(name, columns, tables[name]), ends)
        except KeyError as error:
            raise DefinitionError(f"task {task.id!r}: {name} has no {error}.") from None
    found.check.extend({"sql": query.sql, "expect": query.expect} for query in task.check)
    return found


class Table(NamedTuple):
    """A table as it begins."""

    name: str
    columns: list[str]
    rows: Rows

    @property
    def key(self) -> str:
        """The first column."""
        return self.columns[0]


def _check_table(found: Checks, table: Table, ends: Ends) -> None:
    begun = {row[table.key]: row for row in table.rows}
    for wanted in (*ends.change.values(), *ends.add):
        for column in wanted:
            if column not in table.columns:
                raise KeyError(column)
    for place, wanted in ends.change.items():
        row = begun[place]
        found.check.append(_row(table, place, {column: _condition(column, wanted[column]) for column in wanted}))
        rest = {column: _condition(column, row[column]) for column in table.columns if column not in wanted}
        found.forbid.append(_row(table, place, rest))
    gone = {place: begun[place] for place in ends.remove}
    same = [row for place, row in begun.items() if place not in gone and place not in ends.change]
    if same:
        inside = ", ".join(_literal(row[table.key]) for row in same)
        sql = f"SELECT * FROM {table.name} WHERE {_name(table.key)} IN ({inside}) ORDER BY {_name(table.key)}"
        ordered = sorted(same, key=lambda row: row[table.key])
        found.forbid.append({"sql": sql, "expect": [[row[c] for c in table.columns] for row in ordered]})
    if gone:
        inside = ", ".join(map(_literal, gone))
        sql = f"SELECT count(*) FROM {table.name} WHERE {_name(table.key)} IN ({inside})"
        found.check.append({"sql": sql, "expect": [[0]]})
    new = f"FROM {table.name} WHERE {_name(table.key)} NOT IN ({', '.join(map(_literal, begun))})"
    found.forbid.append({"sql": f"SELECT count(*) <= {len(ends.add)} {new}", "expect": [[1]]})
    added = [" AND ".join(["", *map(_condition, row, row.values())]) for row in ends.add]
    for one in dict.fromkeys(added):
        found.check.append({"sql": f"SELECT count(*) {new}{one}", "expect": [[added.count(one)]]})


def _row(table: Table, place: Any, conditions: dict[str, str]) -> Check:
    """Whether one row holds what it shall, column by column, so that the explanation tells which does not."""
    shown = ", ".join(f"{condition} AS {_name(column)}" for column, condition in conditions.items())
    sql = f"SELECT {shown} FROM {table.name} WHERE {_name(table.key)} = {_literal(place)}"
    return {"sql": sql, "expect": [[1] * len(conditions)]}


def _condition(column: str, wanted: Any) -> str:
    if not isinstance(wanted, dict):
        return f"{_name(column)} IS {_literal(wanted)}"
    if unknown := set(wanted) - {"has", "lacks", "one_of"}:
        raise KeyError(f"matcher {sorted(unknown)[0]!r}")
    parts = []
    if "one_of" in wanted:
        parts.append(f"{_name(column)} IN ({', '.join(map(_literal, wanted['one_of']))})")
    for word, sign in (("has", "> 0"), ("lacks", "= 0")):
        for piece in wanted.get(word, ()):
            options = [
                f"instr(lower({_name(column)}), {_literal(one.lower())}) {sign}"
                for one in str(piece).split("|")
            ]
            parts.append(f"({(' OR ' if word == 'has' else ' AND ').join(options)})")
    return f"({' AND '.join(parts)})"


def _name(column: str) -> str:
    return f'"{column}"' if column == "end" else column


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
