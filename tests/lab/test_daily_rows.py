"""Daily rows: the live features bit for bit, the label by hand, and nothing in a row that came after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemon.core.events import TradePrinted
from daemon.core.features.feature_set import FeatureSet
from daemon.core.markets import MarketSpec
from daemon.core.reference import Spot
from daemon.core.scorer import FeatureSchema
from daemon.core.units import DAY, HOUR, MINUTE
from daemon.lab.daily_rows import FEATURES, TABLES, DailyRows, NoDailyRows, read_daily_rows
from daemon.lab.daily_table import DECIDED_AT
from daemon.lab.store import Reader, Store, open_store
from daemon.shell.daily import SETTLED, bars_of
from tests.lab.daily_store import FIRST_DAY, SERIES, made_store, trembling

NAMES = FEATURES["daily"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of thirty events."""
    with made_store(tmp_path_factory.mktemp("daily") / "store", trembling) as made:
        yield made


def rows_of(store: Reader) -> DailyRows:
    return read_daily_rows(store, [SERIES], NAMES)


def test_the_features_are_the_pipelines() -> None:
    """Fifty, and the older set's twenty; the time stamp is in neither."""
    assert (50, 20) == (len(NAMES), len(FEATURES["older"]))
    assert {"RET_1", "VOL_NO_10", "RET_STD_5", "DIST_MAX_20", "VOL_IMBALANCE"} <= set(NAMES)
    assert "TS" not in NAMES + FEATURES["older"]


def live_row(spec: MarketSpec, trades: list[TradePrinted], at: int) -> list[float]:
    """Return the row of a daemon that starts at an instant: bars of the days that are over are read, anew."""
    over = (at - SETTLED) // DAY
    known = [one for one in trades if one.received_at < over * DAY]
    features = FeatureSet(FeatureSchema(NAMES), spec, Spot(()))
    for bar in bars_of(spec.ticker, range(max(spec.open_at // DAY, at // DAY - 21), over), known, at):
        features.on_daily_bar(bar)
    return [np.nan if value is None else value for value in features.row(at)]


def test_a_row_is_the_live_row_bit_for_bit(store: Store) -> None:
    """Whatever was traded, a daemon that starts at the decision computes the same floats."""
    rows = rows_of(store)
    traded = store.rows("SELECT ticker, trade_id, price, qty, taker_side, traded_at FROM trades").to_pylist()
    for row in range(0, rows.count, 7):
        spec = rows.markets[rows.market[row]].spec
        trades = [
            TradePrinted(
                one["ticker"], one["trade_id"], one["price"], one["qty"], one["taker_side"],
                one["traded_at"], one["traded_at"],
            )
            for one in traded
            if one["ticker"] == spec.ticker
        ]  # fmt: skip
        live = np.array(live_row(spec, trades, int(rows.at[row])))
        assert live.tobytes() == rows.x[row].tobytes()


def test_the_label_is_the_mids_change(store: Store) -> None:
    """From one decision to the next, by candles that had ended; unknown where the market closes within."""
    rows = rows_of(store)
    mids = {
        (one["ticker"], one["ended_at"]): (one["bid_close"] + one["ask_close"]) / 20_000
        for one in store.rows("SELECT * FROM candles WHERE period_min = 60").to_pylist()
    }
    assert set(rows.at % DAY) == {DECIDED_AT}
    for row in range(rows.count):
        market, at = rows.markets[rows.market[row]].spec, int(rows.at[row])
        assert mids[market.ticker, at] == rows.mid[row]
        if at + DAY >= market.close_at:
            assert np.isnan(rows.label[row])
        else:
            change = mids[market.ticker, at + DAY] - mids[market.ticker, at]
            assert pytest.approx(change, abs=1e-12) == rows.label[row]


def test_the_future_changes_no_row(store: Store) -> None:
    """Rows of a store that is cut at a decision are those of the whole one, whose past they are."""
    whole = rows_of(store)
    cut_at = (FIRST_DAY + 15) * DAY + DECIDED_AT
    with store.as_of(cut_at) as past:
        then = read_daily_rows(past, [SERIES], NAMES)
    early = whole.at <= cut_at
    assert then.x.tobytes() == whole.x[early].tobytes()
    assert [one.spec.ticker for one in (then.markets[place] for place in then.market)] == [
        one.spec.ticker for one in (whole.markets[place] for place in whole.market[early])
    ]
    known = ~np.isnan(then.label)
    assert (whole.label_at[early][known] <= cut_at).all()
    assert np.array_equal(then.label[known], whole.label[early][known])


def test_rows_of_an_event_weigh_as_one(store: Store) -> None:
    """The markets of an event on a day share one row's weight, and only known labels are fitted."""
    rows = rows_of(store)
    fit, numbers = rows.fit_rows()
    assert not np.isnan(fit.y).any()
    assert len(
        {(event, at) for event, at in zip(np.asarray(rows.events())[numbers], rows.at[numbers], strict=True)}
    ) == (pytest.approx(fit.weight.sum()))
    assert 30 == fit.outcomes


def test_an_empty_side_has_no_mid(tmp_path: Path) -> None:
    """Then nothing is known of the price, and neither of the change to the next day or from the last."""
    made_store(tmp_path / "whole", trembling, events=3).close()
    with open_store(tmp_path / "whole") as whole, open_store(tmp_path / "less", may_create=True) as less:
        for table in TABLES:
            rows = whole.rows(f'SELECT * FROM "{table}"').to_pylist()
            if table == "candles":
                for one in rows:
                    if one["ended_at"] == (FIRST_DAY + 3) * DAY + DECIDED_AT:
                        one["bid_close"] = None
            less.add(table, rows)
        found = rows_of(less)
    here = found.at == (FIRST_DAY + 3) * DAY + DECIDED_AT
    assert here.any()
    assert np.isnan(found.mid[here]).all()
    assert (found.bid[here] == 0).all()
    assert np.isnan(found.label[here | (found.at == (FIRST_DAY + 2) * DAY + DECIDED_AT)]).all()
    assert not np.isnan(found.label[found.at == (FIRST_DAY + 5) * DAY + DECIDED_AT]).any()


def test_old_quotes_say_nothing(tmp_path: Path) -> None:
    """A market that was quoted within a day has a row with those quotes; a day later it has none."""
    made_store(tmp_path / "whole", trembling, events=1, markets=1).close()
    silent = range((FIRST_DAY + 3) * DAY, (FIRST_DAY + 5) * DAY)
    with open_store(tmp_path / "whole") as whole, open_store(tmp_path / "less", may_create=True) as less:
        for table in TABLES:
            rows = whole.rows(f'SELECT * FROM "{table}"').to_pylist()
            less.add(table, [one for one in rows if table != "candles" or one["ended_at"] not in silent])
        found = rows_of(less)
    days = (found.at // DAY - FIRST_DAY).tolist()
    assert [0, 1, 2, 3, 5, 6, 7] == days
    assert found.mid[days.index(2)] == found.mid[days.index(3)]
    assert np.isnan(found.label[days.index(3)])


@pytest.mark.parametrize(
    ("leave_out", "said"),
    [("markets", "no market of KXMADE"), ("trades", "no trades"), ("candles", "no hourly candles")],
)
def test_what_is_missing_is_named(tmp_path: Path, leave_out: str, said: str) -> None:
    """And the command that reads it."""
    made_store(tmp_path / "whole", trembling, events=2).close()
    with open_store(tmp_path / "whole") as whole, open_store(tmp_path / "less", may_create=True) as less:
        for table in TABLES:
            if table != leave_out:
                less.add(table, whole.rows(f'SELECT * FROM "{table}"').to_pylist())
        with pytest.raises(NoDailyRows, match=f"{said}.*kalshid lab ingest kalshi"):
            rows_of(less)


def test_a_digest_names_the_rows(store: Store) -> None:
    """The same store, the same digest; one label more, another."""
    one = rows_of(store)
    assert one.sha256() == rows_of(store).sha256()
    assert one.sha256() != replace(one, label=np.nan_to_num(one.label)).sha256()


def test_no_decision_before_the_bars_are_in() -> None:
    """Yesterday's bar is read a minute after midnight: long before the decision."""
    assert SETTLED + HOUR < DECIDED_AT
    assert MINUTE <= SETTLED
