"""Tests of the bodies of markets' and events' lives."""

from __future__ import annotations

import json

from daemon.core.units import SECOND
from daemon.exchange import facts as f
from daemon.sandbox.stream.lifecycle_frames import (
    event_fee_body,
    event_lifecycle_body,
    is_combo,
    lifecycle_body,
)
from tests.sandbox.scripted import OPEN, spec_of

T0 = 1_790_363_624_342_537_000


def test_open_and_close_have_no_message() -> None:
    """They are clocks; everything else of a market's life is told, in seconds."""
    assert lifecycle_body(f.MarketOpened(OPEN, T0)) is None
    assert lifecycle_body(f.MarketClosed(OPEN, T0)) is None
    settled = lifecycle_body(f.Settled(OPEN, T0))
    assert settled is not None
    expected = {"market_ticker": OPEN, "settled_ts": T0 // SECOND, "event_type": "settled"}
    assert expected == json.loads(settled)


def test_every_change_of_a_market_is_told_with_its_type() -> None:
    """One event_type each."""
    spec = spec_of(OPEN, T0, T0 + SECOND)
    kinds = []
    for fact in (
        f.MarketCreated(spec, T0),
        f.MarketActivated(OPEN, T0),
        f.MarketDeactivated(OPEN, T0),
        f.StrikeSet(OPEN, 83_950_620_000, "greater_or_equal", T0),
        f.CloseMoved(OPEN, T0, T0),
        f.GridChanged(OPEN, spec.bands, T0),
        f.Determined(OPEN, "yes", 10_000, T0),
    ):
        body = lifecycle_body(fact)
        assert body is not None
        kinds.append(json.loads(body)["event_type"])
    assert [
        "created",
        "activated",
        "deactivated",
        "metadata_updated",
        "close_date_updated",
        "price_level_structure_updated",
        "determined",
    ] == kinds


def test_an_event_is_told_with_its_series() -> None:
    """Strike date in seconds."""
    spec = spec_of(OPEN, T0, T0 + SECOND)
    body = json.loads(event_lifecycle_body(spec))
    assert (spec.event_ticker, "KXBTC15M", 2, T0 // SECOND + 1) == (
        body["event_ticker"],
        body["series_ticker"],
        body["exchange_index"],
        body["strike_date"],
    )


def test_a_lifted_fee_rule_is_two_nulls() -> None:
    """A multiplier is a number: whole where it is whole."""
    told = [
        json.loads(event_fee_body(fact))
        for fact in (
            f.EventFeesChanged("E", "quadratic", 1_000_000, T0),
            f.EventFeesChanged("E", "quadratic", 500_000, T0),
            f.EventFeesChanged("E", None, None, T0),
        )
    ]
    assert [1, 0.5, None] == [body["fee_multiplier_override"] for body in told]
    assert ["quadratic", "quadratic", None] == [body["fee_type_override"] for body in told]


def test_combos_have_a_channel_of_their_own() -> None:
    """By how their tickers begin."""
    assert (True, False) == (is_combo("KXMVESPORTS-1"), is_combo(OPEN))
