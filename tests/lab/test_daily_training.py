"""A daily model from store to registry: skill where some was planted, none where not, and twice the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from daemon.core.units import DAY
from daemon.lab.daily_report import JSON_FILE
from daemon.lab.daily_rows import FEATURES, DailyRows, read_daily_rows
from daemon.lab.daily_table import read_daily_table
from daemon.lab.daily_training import MANIFEST_FILE, RULE, DailyManifest, Order, Trained, train_daily
from daemon.lab.folds import NotFolded
from daemon.lab.registry import report_folder
from daemon.scoring.metadata import METADATA_FILE, ModelMetadata, file_sha256
from daemon.scoring.vetting import load_vetted
from tests.lab.daily_store import SERIES, made_store, trembling, trending

ORDER = Order("daily", (SERIES,), folds=2, trials=2)
BRIEF = Order("daily", (SERIES,), folds=1, trials=1)


def rows_in(root: Path, **terms: int) -> DailyRows:
    with made_store(root, trending, **{"events": 60, "markets": 3, "life_days": 5, **terms}) as store:
        return read_daily_rows(store, [SERIES], FEATURES["daily"], store.sha256s("trades", "candles"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> DailyRows:
    """Rows of markets that trend."""
    return rows_in(tmp_path_factory.mktemp("training") / "store")


@pytest.fixture(scope="module")
def trained(rows: DailyRows, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of them."""
    return train_daily(tmp_path_factory.mktemp("registry"), rows, ORDER)


def test_planted_skill_is_found(trained: Trained) -> None:
    """A price that goes on as it went is forecast by the days before, and the report says so."""
    assert 'smaller than that of saying "no change"' in trained.report.headline
    assert trained.report.skill.low is not None
    assert trained.report.skill.low > 0.2
    assert trained.report.events >= 20


def test_no_skill_is_claimed_where_none_is(tmp_path: Path) -> None:
    """Markets that only tremble: the headline doesn't say that anything beats "no change"."""
    with made_store(tmp_path / "store", trembling, events=46, markets=1, life_days=5) as store:
        rows = read_daily_rows(store, [SERIES], FEATURES["older"])
    report = train_daily(tmp_path / "models", rows, BRIEF).report
    assert "smaller" not in report.headline


def test_the_daemon_scores_it_bit_for_bit(trained: Trained, rows: DailyRows) -> None:
    """The registered model is vetted, says changes, and needs nothing that a market can lack."""
    loaded = load_vetted(trained.folder)
    assert "change" == loaded.scorer.output
    assert frozenset() == loaded.scorer.required
    row = [None if np.isnan(value) else float(value) for value in rows.x[-1]]
    assert np.isfinite(loaded.scorer.score(row))


def test_same_rows_and_seed_give_the_same_model(trained: Trained, rows: DailyRows, tmp_path: Path) -> None:
    """File, metadata, table: the same bytes."""
    again = train_daily(tmp_path / "models", rows, ORDER)
    for name in ("model.txt", METADATA_FILE):
        assert (trained.folder / name).read_bytes() == (again.folder / name).read_bytes()
    assert trained.table == again.table
    assert trained.report == again.report
    assert not [path.name for path in (tmp_path / "models").iterdir() if path.name.startswith(".")]


def test_the_table_is_of_the_model_and_adds_up(trained: Trained) -> None:
    """It stands beside the folder; weights of a day sum to 1 and results to the profit; no day is twice."""
    table = read_daily_table(trained.folder)
    assert trained.table == table
    assert (f"daily/{trained.folder.name}", trained.report.headline) == (table.model, table.headline)
    assert file_sha256((trained.folder / METADATA_FILE).read_bytes()) == table.metadata_sha256
    assert pytest.approx(table.profit, abs=1e-6) == sum(one.pnl or 0.0 for one in table.rows)
    assert len(table.rows) == len({(one.day, one.ticker) for one in table.rows})
    for day in {one.day for one in table.rows}:
        weights = [abs(one.weight) for one in table.rows if one.day == day and one.weight is not None]
        assert not weights or pytest.approx(1.0, abs=1e-5) == sum(weights)


def test_what_comes_after_does_not_choose_what_is_forecast(tmp_path: Path) -> None:
    """A market that has lost a side of its book a day later is forecast and traded like any other."""
    with made_store(tmp_path / "store", trending, events=30, markets=2, life_days=5) as store:
        rows = read_daily_rows(store, [SERIES], FEATURES["older"])
    known = np.flatnonzero(~np.isnan(rows.label))
    days = np.unique(rows.at[known])
    gone = rows.at == days[-3]
    assert (gone & ~np.isnan(rows.label)).any()
    bare = replace(
        rows,
        bid=np.where(gone, 0.0, rows.bid),
        mid=np.where(gone, np.nan, rows.mid),
        label=np.where(gone | (rows.at == days[-4]), np.nan, rows.label),
    )
    tables = [train_daily(tmp_path / name, one, BRIEF).table for name, one in (("a", rows), ("b", bare))]
    day = datetime.fromtimestamp(int(days[-4]) // 10**9, UTC).strftime("%Y-%m-%d")
    whole, found = (
        {one.ticker: (one.predicted is None, one.weight is None) for one in table.rows if one.day == day}
        for table in tables
    )
    assert (False, False) in whole.values()
    assert whole == found


def test_what_is_forecast_of_now_is_in_the_table(tmp_path: Path) -> None:
    """A market that is still open has a forecast of the model of all rows, and nothing that came of it."""
    with made_store(tmp_path / "store", trending, events=30, markets=1, life_days=4) as store:
        last = read_daily_rows(store, [SERIES], FEATURES["older"])
        with store.as_of(int(last.at.max()) - 2 * DAY) as past:
            rows = read_daily_rows(past, [SERIES], FEATURES["older"])
    found = train_daily(tmp_path / "models", rows, BRIEF)
    now = [one for one in found.table.rows if one.day == found.table.rows[-1].day]
    open_now = [one for one in now if one.predicted is not None]
    assert open_now
    assert {(None, None)} == {(one.realised, one.pnl) for one in open_now}


def test_the_metadata_says_what_it_was_made_of(trained: Trained, rows: DailyRows) -> None:
    """The manifest beside it is pinned, and names rows and files by their digests; gaps are told."""
    content = (report_folder(trained.folder) / MANIFEST_FILE).read_bytes()
    manifest = msgspec.json.decode(content, type=DailyManifest)
    said = msgspec.json.decode((trained.folder / METADATA_FILE).read_bytes(), type=ModelMetadata)
    assert {"daily": file_sha256(content)} == said.training.manifests
    assert (rows.sha256(), rows.inputs) == (manifest.rows_sha256, manifest.inputs)
    assert manifest.inputs
    assert (RULE.purge / 1e9, RULE.embargo / 1e9) == (said.training.purge_s, said.training.embargo_s)
    assert said.metrics["rmse"] < said.metrics["rmse_zero"]
    assert (report_folder(trained.folder) / JSON_FILE).is_file()


def test_too_few_events_are_refused(tmp_path: Path) -> None:
    """Three events carry no walk-forward: it says so, and nothing is registered."""
    with pytest.raises(NotFolded):
        train_daily(tmp_path / "models", rows_in(tmp_path / "store", events=3), ORDER)
    assert not list((tmp_path / "models").glob("daily/*"))
