"""An engine that has lived a little: an order that rests, one that was filled, a refusal, a second market."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.engine import Engine
from daemon.core.strategy import Target
from daemon.core.units import MINUTE, Ns
from tests.core.worlds import NOW, TICKER, Scripted, snapshot, spec, trading

SECOND_TICKER = "KXBTC15M-26SEP251545-45"
BUY = Target("bid", 4_000, 1_000, "rest", "rests 3.0c from fair value 43.0c")
SELL = Target("ask", 4_200, 1_000, "rest", "rests 3.0c from fair value 39.0c")
TOO_MUCH = Target("bid", 4_000, 10_001, "rest", "far too much")
FEE = 16_800
LATER: Ns = NOW + 3_000_000_000


def lived() -> Engine:
    """Bought 4 contracts at 40 c for a fee of $0.0168, 6 rest; then a wish too large was refused."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    later = spec(SECOND_TICKER, open_at=NOW + 2 * MINUTE, close_at=NOW + 17 * MINUTE, status="initialized")
    subject.handle(e.MarketListed(later, NOW))
    (placed,) = [command for command in subject.decide(NOW) if isinstance(command, PlaceOrder)]
    name = placed.client_order_id
    subject.handle(e.OrderAccepted("place", name, "v-1", 0, 1_000, NOW, NOW))
    subject.handle(e.OrderFilled("t-1", "v-1", name, TICKER, "bid", 4_000, 400, FEE, False, NOW, NOW))
    subject.handle(snapshot(LATER))
    strategy.targets = (BUY, TOO_MUCH)
    subject.decide(LATER)
    return subject
