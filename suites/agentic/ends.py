"""Turns the difference between first and last tables into a sample's checks: SQL and the rows it must give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import DefinitionError
from evalkit.worlds.task import find_world

if TYPE_CHECKING:
    from suites.agentic.source import AppTask, Ends

Rows = list[dict[str, Any]]
Check = dict[str, Any]


def checks_of(world: str, task: AppTask, first: dict[str, Rows]) -> tuple[list[str], list[Check]]:
    """Tables that must not change, and the checks of the others.

    Raises:
        DefinitionError: the task names a table, column or key that does not exist.
    """
    opened = find_world(world)(first)
    tables = opened.tables()
    if unknown := (set(task.ends) | set(task.free)) - set(tables):
        raise DefinitionError(f"task {task.id!r}: {sorted(unknown)[0]!r} is no table of {world!r}.")
    keep = [name for name in tables if name not in task.ends and name not in task.free]
    checks: list[Check] = []
    for name, ends in task.ends.items():
        columns = [row["name"] for row in opened.rows(f"PRAGMA table_info({name})")]
        try:
            checks += _table_checks(name, columns, ends, tables[name])
        except KeyError as error:
            raise DefinitionError(f"task {task.id!r}: {name} has no {error}.") from None
    checks += [{"sql": query.sql, "expect": query.expect} for query in task.check]
    return keep, checks


def _table_checks(name: str, columns: list[str], ends: Ends, rows: Rows) -> list[Check]:
    key = columns[0]
    begun = {row[key]: row for row in rows}
    for wanted in (*ends.change.values(), *ends.add):
        for column in wanted:
            if column not in columns:
                raise KeyError(column)
    checks = [_changed(name, key, begun[place], wanted) for place, wanted in ends.change.items()]
    gone = {place: begun[place] for place in ends.remove}
    same = [row for place, row in begun.items() if place not in gone and place not in ends.change]
    if same:
        inside = ", ".join(_literal(row[key]) for row in same)
        sql = f"SELECT * FROM {name} WHERE {_name(key)} IN ({inside}) ORDER BY {_name(key)}"
        ordered = sorted(same, key=lambda row: row[key])
        checks.append({"sql": sql, "expect": [[row[column] for column in columns] for row in ordered]})
    if gone:
        inside = ", ".join(map(_literal, gone))
        checks.append(_count(f"{name} WHERE {_name(key)} IN ({inside})", 0))
    new = f"{name} WHERE {_name(key)} NOT IN ({', '.join(map(_literal, begun))})"
    checks.append(_count(new, len(ends.add)))
    conditions = [" AND ".join([new, *map(_condition, row, row.values())]) for row in ends.add]
    checks += [_count(one, conditions.count(one)) for one in dict.fromkeys(conditions)]
    return checks


def _changed(name: str, key: str, row: dict[str, Any], wanted: dict[str, Any]) -> Check:
    exact = {**row, **{k: v for k, v in wanted.items() if not isinstance(v, dict)}}
    loose = {k: v for k, v in wanted.items() if isinstance(v, dict)}
    shown = [_name(column) if column not in loose else _condition(column, loose[column]) for column in exact]
    sql = f"SELECT {', '.join(shown)} FROM {name} WHERE {_name(key)} = {_literal(row[key])}"
    return {"sql": sql, "expect": [[1 if column in loose else value for column, value in exact.items()]]}


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


def _count(source: str, expected: int) -> Check:
    return {"sql": f"SELECT count(*) FROM {source}", "expect": [[expected]]}


def _name(column: str) -> str:
    return f'"{column}"' if column == "end" else column


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
