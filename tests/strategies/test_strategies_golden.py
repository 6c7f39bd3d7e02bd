"""What each strategy wants of a recorded sequence of views: `golden/<name>.json`, readable, step by step.

A step says in words what is going on, what the view shows (only what differs from the step before), and what
is wanted of it. `UPDATE_GOLDEN=1` writes down what is wanted now; the difference is what to read.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.strategy import MarketView, Peer
from daemon.core.units import MONEY_ONE, QTY_ONE, SECOND, Ns
from strategies import SHIPPED
from tests.strategies.views import Around, assert_sane, peer, told, view

GOLDEN = Path(__file__).parent / "golden"


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step's view shows, in the units of people: cents, contracts, dollars, hours."""

    at: str
    """UTC, such as "2026-09-25T16:00:00"."""
    closes_in_h: float
    bid: float | None = 40
    ask: float | None = 42
    bid_size: float = 400
    ask_size: float = 300
    score: float | None = None
    features: dict[str, float | None] = {}
    held: float = 0
    """Contracts that this strategy holds; the account holds no others."""
    volume_day: float | None = 1_000
    equity: int = 10_000
    peers: list[tuple[str, float, float, float, float | None, int]] = []
    """Others of the event and series: ticker, bid, ask, position, score, strike in dollars."""


def instant(text: str) -> Ns:
    """UTC without a zone, as the scenes write it."""
    return round(datetime.fromisoformat(text + "+00:00").timestamp()) * SECOND


def qty(contracts: float) -> int:
    return round(contracts * QTY_ONE)


def price(cents: float | None) -> int | None:
    return None if cents is None else round(cents * 100)


def around(scene: Scene, closes_at: Ns) -> list[Peer]:
    """The scene's other markets."""
    return [
        peer(
            ticker,
            price(bid),
            price(ask),
            position=qty(position),
            score=score,
            strike=strike * MONEY_ONE,
            close_at=closes_at,
        )
        for ticker, bid, ask, position, score, strike in scene.peers
    ]


def view_of(scene: Scene) -> MarketView:
    """The view of a scene."""
    now, closes_in = instant(scene.at), round(scene.closes_in_h * 3_600) * SECOND
    others = around(scene, now + closes_in)
    return view(
        price(scene.bid),
        price(scene.ask),
        sizes=(qty(scene.bid_size), qty(scene.ask_size)),
        score=scene.score,
        features=scene.features,
        now=now,
        closes_in=closes_in,
        volume_day=None if scene.volume_day is None else qty(scene.volume_day),
        position=qty(scene.held),
        own_position=qty(scene.held),
        equity=scene.equity * MONEY_ONE,
        peers=Around(others, others),
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_a_strategy_wants_what_its_golden_scenario_says(name: str) -> None:
    """Step by step, with its reason; at the shipped parameters, but for those that the scenario names."""
    path = GOLDEN / f"{name}.json"
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    shipped = SHIPPED[name]
    strategy = shipped.build(msgspec.convert(golden["params"], shipped.params))
    shown: dict[str, Any] = {}
    found = []
    for step in golden["steps"]:
        shown |= step["view"]
        seen = view_of(msgspec.convert(shown, Scene))
        wanted = strategy.wants(seen)
        assert_sane(seen, wanted)
        found.append({"wants": told(wanted), "reason": wanted.reason})
    if os.environ.get("UPDATE_GOLDEN") == "1":
        steps = [
            {"says": step["says"], "view": step["view"], **now}
            for step, now in zip(golden["steps"], found, strict=True)
        ]
        text = json.dumps(golden | {"steps": steps}, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    else:
        assert [{"wants": step["wants"], "reason": step["reason"]} for step in golden["steps"]] == found


def test_every_scenario_acts_and_holds_back() -> None:
    """A scenario in which nothing is ever wanted, or always, would show half of a strategy."""
    for name in SHIPPED:
        steps = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["steps"]
        assert {True, False} == {bool(step["wants"]) for step in steps}, name
