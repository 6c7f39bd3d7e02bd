"""Online equals offline: the features, event by event, against numpy over the whole list of events.

On invented streams, on a slice of the recorded books, and (`full`) on a whole recorded day; a restart in the
middle included. A failure names the feature and the row.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.book import Book
from daemon.core.events import (
    BookDeltaReceived,
    BookSnapshotReceived,
    ReferencePriceReceived,
    TradePrinted,
)
from daemon.core.features import CATALOGUE, FeatureSet, ReferenceFeatures, is_exact
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Side
from tests.core.feature_twins.batch import Columns, Tape, columns_of, spot_columns
from tests.core.feature_twins.ladders import Ints
from tests.core.features.recorded import recorded_prices, recorded_tapes
from tests.core.features.told import BEYOND, START, market

SCHEMA = FeatureSchema(
    (*(name for name, one in CATALOGUE.items() if one.source in {"book", "trades"}), *BEYOND)
)
SPOT = FeatureSchema(
    (
        *("reference_return_1s", "reference_return_5s", "reference_return_30s", "reference_vol_300s"),
        *("strike_distance", "strike_distance_sigma"),
    )
)
DAY = "2026-05-13"
SLICE_ROWS = 100_000


def rows_of(tape: Tape) -> tuple[list[list[float | None]], list[dict[str, dict[int, int]]]]:
    """Feed a tape to a cold set; returns the row after each event, and the book before each."""
    book = Book("T")
    features = FeatureSet(SCHEMA, market(), ReferenceFeatures())
    rows, books = [], []
    columns = (tape.at, tape.price, tape.delta_yes, tape.delta_no, tape.traded)
    for number, (at, price, yes, no, traded) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        if number % 10_000 == 0:
            books.append({"yes": dict(book.yes.sizes), "no": dict(book.no.sizes)})
        if number == 0:
            bids, asks = (tuple(sorted(levels.items())) for levels in (tape.yes, tape.no))
            book.apply_snapshot(BookSnapshotReceived("T", bids, asks, at, None))
            features.on_book(book, at)
        elif traded:
            side: Side = "yes" if traded > 0 else "no"
            features.on_trade(TradePrinted("T", str(number), price, abs(traded), side, at, None))
        else:
            was_synced = book.is_synced
            book.apply_delta(BookDeltaReceived("T", "yes" if yes else "no", price, yes or no, at, None))
            if was_synced:
                features.on_book(book, at, yes or no)
        rows.append(features.row(at))
    return rows, books


def compare(
    name: str, rows: list[list[float | None]], columns: Columns, schema: FeatureSchema = SCHEMA
) -> None:
    """Exact ones bit for bit, the others to 1e-9, and NaN exactly where the twin has it."""
    online = np.array(rows, dtype=np.float64)
    for place, feature in enumerate(schema.names):
        actual, expected = online[:, place], columns[feature]
        differs = np.isnan(actual) != np.isnan(expected)
        if is_exact(feature):
            differs |= (actual != expected) & ~np.isnan(expected)
        else:
            differs |= np.abs(actual - expected) > np.maximum(1e-9 * np.abs(expected), 1e-12)
        wrong = np.flatnonzero(differs)
        row = int(wrong[0]) if len(wrong) else -1
        said = f"{name}: {feature}, row {row} of {len(rows)}: {len(wrong)} differ"
        assert len(wrong) == 0, f"{said}: twin {expected[row]!r}, feature {actual[row]!r}"


def rest_of(tape: Tape, place: int, book: dict[str, dict[int, int]]) -> Tape:
    """What a daemon sees that starts in the middle: a snapshot, and the events from there on."""
    price, yes, no, traded = (
        np.concatenate([[0], column[place:]])
        for column in (tape.price, tape.delta_yes, tape.delta_no, tape.traded)
    )
    at = np.concatenate([[tape.at[place]], tape.at[place:]])
    return Tape(at, book["yes"], book["no"], price, yes, no, traded)


def invented(count: int, seed: int, pace_ms: tuple[int, ...]) -> Tape:
    """A stream of deltas and trades; no delta is impossible."""
    rng = random.Random(seed)
    sizes = {side: {4_000 - 100 * n: rng.randrange(1, 9_999) for n in range(8)} for side in ("yes", "no")}
    start = {side: dict(levels) for side, levels in sizes.items()}
    at, rows = START + rng.randrange(60_000) * MILLISECOND, [(0, 0, 0, 0, 0)]
    rows[0] = (at, 0, 0, 0, 0)
    for _ in range(count):
        at += rng.choice(pace_ms) * MILLISECOND
        if rng.random() < 0.1:
            rows.append((at, rng.randrange(1, 10_000), 0, 0, rng.choice((-1, 1)) * rng.randrange(1, 9_999)))
            continue
        side = rng.choice(("yes", "no"))
        price = rng.randrange(38, 52) * 100 if rng.random() < 0.3 else max(sizes[side], default=4_000)
        size = sizes[side].get(price, 0)
        is_fewer = size > 0 and rng.random() < 0.5
        delta = -rng.choice((size, rng.randint(1, size))) if is_fewer else rng.randint(1, 999)
        sizes[side][price] = size + delta
        if size + delta == 0:
            del sizes[side][price]
        rows.append((at, price, delta if side == "yes" else 0, delta if side == "no" else 0, 0))
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    return Tape(columns[0], start["yes"], start["no"], *columns[1:])


PACES = ((0, 1, 20), (0, 300, 1_000), (1_000, 30_000, 61_000))


@given(seed=st.integers(0, 10**6), count=st.integers(1, 300), pace=st.sampled_from(PACES))
@settings(max_examples=60, deadline=None)
def test_invented_streams_equal_their_twin(seed: int, count: int, pace: tuple[int, ...]) -> None:
    """Any stream of deltas and trades, at any pace, one-sided and crossed books included."""
    tape = invented(count, seed, pace)
    compare(f"seed {seed}", rows_of(tape)[0], columns_of(tape))


def test_every_feature_but_those_of_days_is_known_somewhere() -> None:
    """Two hours of a market warm up all windows: nothing is compared as NaN alone."""
    tape = invented(2_500, 7, (0, 1_000, 5_000, 10_000))
    rows = np.array(rows_of(tape)[0], dtype=np.float64)
    never = {name for name, column in zip(SCHEMA.names, rows.T, strict=True) if np.isnan(column).all()}
    assert never == {"mean_deviation_7d", "mean_deviation_1d"}
    compare("two hours", list(rows), columns_of(tape))


def check_tape(name: str, tape: Tape) -> int:
    """Compare a tape, a replay of it, and a start in its middle; returns the rows."""
    rows, books = rows_of(tape)
    compare(name, rows, columns_of(tape))
    middle = len(books) // 2
    if middle and (books[middle]["yes"] or books[middle]["no"]):
        place = middle * 10_000
        rest = rest_of(tape, place, books[middle])
        restarted, _ = rows_of(rest)
        compare(f"{name}, restarted at {place}", restarted, columns_of(rest))
        # Whatever a restarted daemon knows, it knows as if it had never been away.
        before = np.array(rows[place:], dtype=np.float64)
        after = np.array(restarted[1:], dtype=np.float64)
        before[np.isnan(after)] = np.nan
        places = [place for place, feature in enumerate(SCHEMA.names) if feature != "book_age"]
        assert np.array_equal(before[:, places], after[:, places], equal_nan=True), name
    return len(rows)


def test_a_replay_equals_itself_bit_for_bit() -> None:
    """The same events, the same rows: inexact features too."""
    tape = invented(2_000, 3, (0, 300, 1_000))
    assert rows_of(tape)[0] == rows_of(tape)[0]


def test_a_restart_in_the_middle_knows_nothing_else() -> None:
    """What was away for a while is unknown, and then what it would have been."""
    tape = invented(12_500, 11, (0, 100, 300))
    assert check_tape("restart", tape) == 12_501


def test_a_slice_of_the_recorded_books_equals_its_twin() -> None:
    """Real messages: bursts of one instant, crossed books, impossible deltas."""
    rows = 0
    for name, tape in recorded_tapes(DAY):
        rows += check_tape(name, tape)
        if rows >= SLICE_ROWS:
            break
    assert rows >= SLICE_ROWS


@pytest.mark.full
def test_all_recorded_books_of_a_day_equal_their_twin() -> None:
    """All of 2026-05-13: 1.3 million messages."""
    assert sum(check_tape(name, tape) for name, tape in recorded_tapes(DAY)) > 1_000_000


def spot_rows(at: Ints, prices: Ints, strike: int, close_at: int) -> list[list[float | None]]:
    """Feed prices of the underlying to a cold set; returns the row after each."""
    reference = ReferenceFeatures()
    features = FeatureSet(SPOT, market(strike, close_at), reference)
    rows = []
    for now, price in zip(at.tolist(), prices.tolist(), strict=True):
        reference.on_price(ReferencePriceReceived("x", "BTC/USD", price, now, None))
        rows.append(features.row(now))
    return rows


def test_a_days_recorded_prices_of_the_underlying_equal_their_twin() -> None:
    """All of 2026-05-13, with its hole of hours and the market's close; and a start in its middle."""
    at, prices = recorded_prices(DAY)
    strike, close_at = 79_500 * MONEY_ONE, int(at[len(at) * 9 // 10])
    rows = spot_rows(at, prices, strike, close_at)
    compare("spot", rows, spot_columns(at, prices, strike, close_at), SPOT)
    middle = len(at) // 2
    at, prices = at[middle:], prices[middle:]
    restarted = spot_rows(at, prices, strike, close_at)
    compare("spot, restarted", restarted, spot_columns(at, prices, strike, close_at), SPOT)
    before, after = (np.array(one, dtype=np.float64) for one in (rows[middle:], restarted))
    whole = at > at[0] + 301 * SECOND
    assert len(rows) > 100_000
    assert whole.any()
    assert np.array_equal(before[whole], after[whole], equal_nan=True)
