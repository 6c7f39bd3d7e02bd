"""What stands beside a model: its report and its daily table, read within a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from daemon.lab.daily_table import FILE as DAILY_FILE
from daemon.lab.daily_table import DailyTable, NoDailyTable, read_daily_table
from daemon.lab.judging.report import JSON_FILE, Report, read_report
from daemon.lab.registry import report_folder
from daemon.lab.serve.bodies import Chosen, Daily, Refusal, Refused
from daemon.lab.serve.shelf import Entry

RECORD_BYTES_MAX: Final = 32 * 1024 * 1024
ROWS_SHOWN_MAX = 5_000
"""Of a daily table in one answer: the latest."""


def daily_table(entry: Entry) -> DailyTable:
    """Return a model's daily table.

    Raises:
        Refused: 404 where it has none; 503 where the file is none, or of another model.
    """
    try:
        _check_size(report_folder(entry.folder) / DAILY_FILE)
        table = read_daily_table(entry.folder)
    except FileNotFoundError:
        reason = f"{entry.model} has no daily table; `kalshid lab daily` writes one"
        raise Refused(404, Refusal(reason)) from None
    except (NoDailyTable, OSError, ValueError, RecursionError) as error:
        raise Refused(503, Refusal(f"{entry.model}: its daily table can't be read")) from error
    if (table.model, table.metadata_sha256) != (entry.model, entry.metadata_sha256):
        raise Refused(503, Refusal(f"{entry.model}: its daily table is of another model, {table.model}"))
    return table


def daily_answer(entry: Entry, chosen: Chosen, table: DailyTable) -> Daily:
    """Return a table as `GET /predict/pnl` says it: whole days, the latest, in order."""
    first = max(0, len(table.rows) - ROWS_SHOWN_MAX)
    # A day that is cut through would look like one with fewer markets.
    while 0 < first < len(table.rows) and table.rows[first].day == table.rows[first - 1].day:
        first += 1
    return Daily(
        model=entry.model,
        chosen=chosen,
        headline=table.headline,
        series=table.series,
        start=table.start,
        stake=table.stake,
        profit=table.profit,
        rows_left_out=first,
        rows=table.rows[first:],
    )


def report_of(entry: Entry) -> Report | None:
    """Return what judged a model; None where it has no report.

    Raises:
        Refused: 503, the file is no report.
    """
    folder = report_folder(entry.folder)
    try:
        _check_size(folder / JSON_FILE)
        return read_report(folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Refused(503, Refusal(f"{entry.model}: its report can't be read")) from error


def _check_size(path: Path) -> None:
    """Refuse what would fill the memory, and what has no end. Raises FileNotFoundError for no file."""
    size = path.stat().st_size
    if not path.is_file() or size > RECORD_BYTES_MAX:
        raise ValueError(f"{path}: is no regular file, or larger than {RECORD_BYTES_MAX} bytes")
