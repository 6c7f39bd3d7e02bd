"""The reference price's features: one set per source and symbol, shared by all markets on it.

Prices are stamped with our clock at their arrival. A price stays in force until the next one; the
feed's loss makes everything unknown until it is back. Each source of a price has a set of its own, so that
nothing is ever computed across two sources, and changing over to another one needs no warming up.
"""

from __future__ import annotations

from math import log1p, sqrt

from daemon.core.events import ReferencePriceReceived
from daemon.core.features.candles import ClosedCandles
from daemon.core.features.windows import NEVER, Lag, SampledChanges
from daemon.core.units import SECOND, Money, Ns

RETURN_WINDOWS: tuple[Ns, ...] = (1 * SECOND, 5 * SECOND, 30 * SECOND)
VOL_SAMPLES_MIN = 10
VOL_SAMPLES_MAX = 300


class ReferenceFeatures:
    """What is known of one symbol's price now, and of its recent past."""

    __slots__ = (
        "_changes", "_lags", "_past", "_past_at", "_past_revision", "_volatility",
        "_volatility_second", "candles", "past_due_at", "price", "priced_at", "revision",
    )  # fmt: skip

    def __init__(self) -> None:
        self.price: Money | None = None
        """The price in force; None before the first one and after a loss."""
        self._lags = {window: Lag(window) for window in RETURN_WINDOWS}
        self._changes = SampledChanges(SECOND, VOL_SAMPLES_MIN, VOL_SAMPLES_MAX)
        self.candles = ClosedCandles()
        self.priced_at: Ns = 0
        """When the last price came; 0 before the first one."""
        self.revision = 0
        """Grows with every price and every loss, so that readers can keep what they computed."""
        self._volatility: float | None = None
        self._volatility_second: int | None = None
        """Of which second the one that is known is; None after every new price."""
        self._past: tuple[float | None, ...] = ()
        self._past_revision = -1
        self._past_at: Ns = 0
        self.past_due_at: Ns = 0
        """Up to when holds what `past` said last, as long as the revision is the same."""

    def on_price(self, event: ReferencePriceReceived) -> None:
        """Take a new price. One that is not above zero is impossible, and ends what we knew."""
        price = event.price
        if price <= 0:
            self.on_lost()
            return
        # Two feeds' stamps can be handled out of order by some microseconds: time never goes back.
        self.revision += 1
        at = self.priced_at = max(self.priced_at, event.received_at)
        self.price = price
        self._volatility_second = None
        for lag in self._lags.values():
            lag.add(at, price)
        self._changes.add(at, price)

    def on_lost(self) -> None:
        """Forget everything: the feed is gone."""
        self.price = None
        self.revision += 1
        self._volatility_second = None
        for lag in self._lags.values():
            lag.end()
        self._changes.end()
        self.candles.on_lost()

    def in_force(self, now: Ns) -> ReferenceFeatures:  # noqa: ARG002 - a choice of one
        """Return itself: a single source is in force whatever the time."""
        return self

    def index(self, now: Ns) -> ReferenceFeatures | None:  # noqa: ARG002 - there is none
        """Return None: a single source has no index beside it."""
        return None

    def log_return(self, window: Ns, now: Ns) -> float | None:
        """Return ln(price now / price a window ago); None until the prices reach back so far.

        `window` is one of `RETURN_WINDOWS`.
        """
        price = self.price
        then = self._lags[window].get(now)
        if price is None or then is None:
            return None
        # log1p of the exact difference keeps the digits that ln of a ratio near one would lose.
        return log1p((price - then) / then)

    def past(self, now: Ns) -> tuple[float | None, ...]:
        """Return the log returns over each of `RETURN_WINDOWS`, and the volatility last.

        It is the same object for as long as they are the same: thousands of markets on one underlying find
        out by a look at it that theirs stand.
        """
        if self._past_revision == self.revision and self._past_at <= now < self.past_due_at:
            return self._past
        past = (*[self.log_return(window, now) for window in RETURN_WINDOWS], self.volatility(now))
        if past != self._past:
            self._past = past
        self._past_revision, self._past_at = self.revision, now
        if self.price is None:
            self.past_due_at = NEVER
        else:
            # The volatility samples just after whole seconds.
            sampled_at = -(-now // SECOND) * SECOND + 1
            self.past_due_at = min([sampled_at, *[lag.due_at(now) for lag in self._lags.values()]])
        return self._past

    def volatility(self, now: Ns) -> float | None:
        """Return the standard deviation of one-second relative changes, per square root of a second.

        Root mean square of the changes between whole seconds, over at most the last 300 of them,
        relative to the price now. None until there are 10 changes.
        """
        # Several features of several markets ask for it with every tick; it samples at whole seconds, and a
        # sample is of what was before.
        second = (now - 1) // SECOND
        if second != self._volatility_second:
            self._volatility_second = second
            changes = self._changes.get(now)
            if changes is None or self.price is None:
                self._volatility = None
            else:
                self._volatility = sqrt(changes[0] / changes[1]) / self.price
        return self._volatility
