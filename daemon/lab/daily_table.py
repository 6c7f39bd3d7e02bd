"""The daily table: what a daily model said of each market on each day, and what became of it.

    <registry>/<name>/<version>.report/daily_table.json    beside the model's folder, which is pinned by hash

One file of one model, written whole or not at all by `kalshid lab daily`, read by `GET /predict/pnl`. A *day*
is a decision: at `DECIDED_AT` of a UTC day, from bars of the days before it, the model says by how much each
market's mid will have changed 24 hours later. Rows of the past were said by a model that was fitted to
nothing later (walk-forward); the open ones at the end, with `realised` unknown, by the registered model.

Money adds up: over all rows the sum of `pnl` is what the account gained, fees and spreads paid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from daemon.core.units import HOUR, Ns
from daemon.lab.registry import report_folder

FILE: Final = "daily_table.json"
FORMAT: Final = 1
DECIDED_AT: Final[Ns] = 15 * HOUR
"""Since midnight UTC: 10 in the morning in New York's winter, when the strategy `portfolio` rebalances."""

Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class DailyRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market on one day. Dollars are per YES contract but for `pnl`; None is unknown.

    `mid` is the market's at the decision; `predicted` and `realised` are changes of it over 24 hours. Of a
    market that closes within them nothing is said and nothing is traded: what is held is paid out, and
    `realised` is the change up to that payment. `weight` is the share of the day's stake, above 0 for YES and
    below for NO, their sizes summing to 1 over the day; `contracts` what is held after the day's trade, of NO
    below 0. `pnl` is what that gained until the next day's decision, less what the trade cost.
    """

    day: Date
    ticker: str
    event: str
    mid: float
    predicted: float | None
    realised: float | None
    weight: float | None
    contracts: float
    pnl: float | None


class DailyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rows of one model, by day and then by ticker.

    `model` is `<name>/<version>`, `metadata_sha256` that of its metadata. `headline`, to be read first, says
    whether the model beat saying "no change". `start` is the account's dollars before the first day, `stake`
    what share of it is held each day, `profit` its gain in the end.
    """

    format: Literal[1]
    model: str
    metadata_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    series: tuple[str, ...]
    headline: str
    start: float
    stake: float
    profit: float
    rows: tuple[DailyRow, ...]


class NoDailyTable(ValueError):
    """There is no table, or the file is none; names the file."""


def write_daily_table(table: DailyTable, folder: Path) -> Path:
    """Write a table beside its model's folder (`<registry>/<name>/<version>`) and return the file."""
    path = report_folder(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{FILE}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
    partial.replace(path)
    return path


def read_daily_table(folder: Path) -> DailyTable:
    """Return the table of a model's folder.

    Raises:
        NoDailyTable: the model has none, or the file is of another format.
    """
    path = report_folder(folder) / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=DailyTable)
    except FileNotFoundError:
        raise NoDailyTable(f"{path}: no daily table; `kalshid lab daily` writes one") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise NoDailyTable(f"{path}: not a daily table: {error}") from error
