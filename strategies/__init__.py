"""The strategies that ship with kalshid: one file each, with its idea, source, risks and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from daemon.core.strategy import Strategy
from strategies import fair_value, market_maker, mean_reversion, momentum, portfolio, volatility_event


class Shipped(msgspec.Struct, frozen=True):
    """A strategy by its parts: its parameters' struct, and what builds it from them."""

    params: type[msgspec.Struct]
    build: Callable[[Any], Strategy]


SHIPPED: dict[str, Shipped] = {
    fair_value.FairValue.name: Shipped(fair_value.Params, fair_value.FairValue),
    market_maker.MarketMaker.name: Shipped(market_maker.Params, market_maker.MarketMaker),
    volatility_event.VolatilityEvent.name: Shipped(volatility_event.Params, volatility_event.VolatilityEvent),
    mean_reversion.MeanReversion.name: Shipped(mean_reversion.Params, mean_reversion.MeanReversion),
    momentum.Momentum.name: Shipped(momentum.Params, momentum.Momentum),
    portfolio.Portfolio.name: Shipped(portfolio.Params, portfolio.Portfolio),
}
"""By the name that config.toml uses: `[strategies.<name>]`."""
