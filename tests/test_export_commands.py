"""`kalshid export`: tables of the store as others read them, exact."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from daemon import exits
from daemon.export_commands import NAMES, columns_of
from tests.commands_rig import kalshid, leave_store
from tests.e2e.daemon_process import write_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose last life left a store."""
    leave_store(tmp_path / "var")
    return write_config(tmp_path)


@pytest.mark.parametrize("table", sorted(NAMES))
def test_every_table_can_be_had(config: Path, table: str) -> None:
    """As CSV with its columns, as JSON Lines with the same ones."""
    result = kalshid(config, "export", table)
    assert exits.OK == result.exit_code, result.output
    rows = list(csv.DictReader(result.stdout.splitlines()))
    lines = [json.loads(line) for line in kalshid(config, "export", table, "--json").stdout.splitlines()]
    assert len(rows) == len(lines)
    assert all(list(columns_of(table)) == list(line) for line in [*rows, *lines])


def test_amounts_are_exact_decimal_text(config: Path) -> None:
    """Dollars and contracts; instants in UTC; unknown is empty, or null."""
    (row,) = csv.DictReader(kalshid(config, "export", "fills").stdout.splitlines())
    assert ("2.00", "0.4000", "0.007000", "", "sandbox") == (
        row["qty"], row["price"], row["fee"], row["mid"], row["mode_of_run"],
    )  # fmt: skip
    (line,) = kalshid(config, "export", "fills", "--json").stdout.splitlines()
    assert json.loads(line)["mid"] is None
    assert row["at"].endswith("Z")


def test_days_and_modes_bound_what_is_written(config: Path, tmp_path: Path) -> None:
    """Both days are in; a file is made anew."""
    day = next(csv.DictReader(kalshid(config, "export", "fills").stdout.splitlines()))["at"][:10]
    out = tmp_path / "fills.csv"
    result = kalshid(config, "export", "fills", "--from", day, "--to", day, "--out", str(out))
    assert "1 rows of fills" in result.stdout
    assert 2 == len(out.read_text().splitlines())
    for words in (("--from", "2030-01-01"), ("--to", "2020-01-01"), ("--mode", "live")):
        assert 1 == len(kalshid(config, "export", "fills", *words).stdout.splitlines())


def test_what_cannot_be_is_refused(config: Path, tmp_path: Path) -> None:
    """No such table, a folder that isn't there, no store."""
    assert exits.USAGE == kalshid(config, "export", "secrets").exit_code
    missing = str(tmp_path / "no" / "such" / "folder.csv")
    assert exits.UNRECORDED == kalshid(config, "export", "fills", "--out", missing).exit_code
    (tmp_path / "var/store.sqlite").unlink()
    assert exits.UNAVAILABLE == kalshid(config, "export", "fills", "--json").exit_code
