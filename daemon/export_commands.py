"""`kalshid export`: a table of the store as CSV or JSON Lines, for a spreadsheet or another program."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click
import msgspec

from daemon import exits
from daemon.account_sources import store_path
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.core.units import DAY, SECOND, Ns, format_money, format_price, format_qty
from daemon.shell.store.reading import StoreUnreadable, reading
from daemon.shell.store.rows import TABLES
from daemon.telling import JSON_OPTION, know_mode, say, say_told, time_text

NAMES = {table: kind for kind, table in TABLES.items()}
_DURATIONS = frozenset({"after", "latency"})
_FORMATS: dict[str, Callable[[int], str]] = {
    "Price": format_price,
    "Qty": format_qty,
    "Money": format_money,
}
"""How an exact integer of a column's type is written: dollars and contracts."""


@click.command()
@CONFIG_OPTION
@click.argument("table", type=click.Choice(sorted(NAMES)))
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="From this UTC day on.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Up to this UTC day, with it.")
@click.option("--mode", type=click.Choice(["sandbox", "demo", "shadow", "live"]),
              help="Only the runs of this mode; by default of all.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Into this file, made anew.")
@JSON_OPTION
def export(
    config_path: Path,
    table: str,
    first: datetime | None,
    last: datetime | None,
    mode: str | None,
    out: Path | None,
    is_json: bool,
) -> None:
    """Write a TABLE of the store as CSV, or with --json as JSON Lines.

    Each row has the mode of its run. Dollars and contracts are decimal text, exact; instants are UTC;
    durations are seconds; what isn't known is empty, or null. STORE.md says what the columns hold. Exits 69
    when there is no store, 74 when the file can't be written.
    """
    config = load_or_die(config_path)
    know_mode(None)  # the rows may be of runs in any mode, and say so
    since = 0 if first is None else _day(first)
    until = 2**63 - 1 if last is None else _day(last) + DAY
    try:
        with reading(store_path(config)) as store:
            rows = _rows(store, table, since, until, mode)
            if out is None:
                _write(rows, table, sys.stdout, is_json=is_json)
                return
            with out.open("w", encoding="utf-8", newline="") as file:
                count = _write(rows, table, file, is_json=is_json)
    except StoreUnreadable as error:
        die(str(error), exits.UNAVAILABLE)
    except OSError as error:
        die(f"not written: {error}", exits.UNRECORDED)
    say(f"{out}: {count:,} rows of {table}")
    say_told()


def columns_of(table: str) -> dict[str, str]:
    """Return a table's columns with the units that their numbers are kept in."""
    kinds = {name: str(kind).partition(" | ")[0] for name, kind in NAMES[table].__annotations__.items()}
    return {"epoch": "int", "mode_of_run": "str", **kinds}


def _rows(
    store: sqlite3.Connection, table: str, since: Ns, until: Ns, mode: str | None
) -> Iterator[dict[str, object]]:
    columns = columns_of(table)
    own = ", ".join(f"t.{name}" for name in columns if name != "mode_of_run")
    # Names of tables and columns are ours, never a person's words.
    found = store.execute(
        f"SELECT {own.replace('t.epoch', 't.epoch, runs.mode', 1)} FROM {table} AS t"  # noqa: S608
        " JOIN runs USING (epoch) WHERE t.at >= ? AND t.at < ? AND (? IS NULL OR runs.mode = ?)"
        " ORDER BY t.at, t.rowid",
        (since, until, mode, mode),
    )
    for row in found:
        values = zip(columns.items(), row, strict=True)
        yield {name: _value(name, unit, value) for (name, unit), value in values}


def _value(name: str, unit: str, value: object) -> object:
    """Return a cell as people write it."""
    if not isinstance(value, int):
        return value
    if unit == "Ns":
        return value / SECOND if name in _DURATIONS else time_text(value)
    return _FORMATS[unit](value) if unit in _FORMATS else value


def _write(rows: Iterator[dict[str, object]], table: str, file: TextIO, *, is_json: bool) -> int:
    count = 0
    if is_json:
        for count, row in enumerate(rows, 1):  # noqa: B007 - the last one is the count
            file.write(msgspec.json.encode(row).decode() + "\n")
        return count
    writer = csv.DictWriter(file, list(columns_of(table)), lineterminator="\n")
    writer.writeheader()
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last one is the count
        writer.writerow(row)
    return count


def _day(day: datetime) -> Ns:
    return int(day.replace(tzinfo=UTC).timestamp()) * SECOND
