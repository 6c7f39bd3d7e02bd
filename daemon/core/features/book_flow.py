"""The features of the book's changes: over a window, and the time since the last one."""

# `Statistic` documents `get` once for all overrides.
# ruff: noqa: D102

from __future__ import annotations

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import AT_ONCE, WHOLE_WINDOW, Reading, Statistic, WindowSum, window_of
from daemon.core.units import QTY_ONE, SECOND, Ns

_SECONDS = Bounds("seconds", 1, 3_600)


class OrderFlowImbalance(WindowSum):
    """Net size that joined the bid or left the ask at the best prices, over a window."""

    __slots__ = ()
    families = (
        Family(
            name="ofi_#s",
            unit="contracts",
            numbers=(_SECONDS,),
            documented=((1,), (5,), (10,), (60,)),
            window_unit=SECOND,
            source="book",
            warm_up=WHOLE_WINDOW,
            citation="Cont, Kukanov, Stoikov 2014, The Price Impact of Order Book Events, eq. 2-3",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition, inputs.flow.window(window_of(definition)), QTY_ONE)


class MessageRate(WindowSum):
    """Deltas and snapshots of this book per second, over a window."""

    __slots__ = ()
    families = (
        Family(
            name="message_rate_#s",
            unit="per second",
            numbers=(_SECONDS,),
            documented=((1,), (10,), (60,)),
            window_unit=SECOND,
            source="book",
            warm_up=WHOLE_WINDOW,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        (seconds,) = definition.numbers
        super().__init__(inputs, definition, inputs.messages.window(window_of(definition)), seconds)


class CancelShare(Statistic):
    """Of the contracts that deltas took away from the book in a window, the share that no trade explains.

    (removed - traded) / removed, and 0 where more was traded than removed, for the two come over streams of
    their own. Removed: the sum of all negative deltas, of both sides, at any price. Traded: all public
    trades. None while nothing was removed.
    """

    __slots__ = ("_removed", "_traded")
    families = (
        Family(
            name="cancel_share_#s",
            unit="1",
            numbers=(_SECONDS,),
            documented=((10,), (60,)),
            window_unit=SECOND,
            source="trades",
            warm_up="the book has been synced, and every trade is known, for the whole window",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._removed = inputs.removed.window(window_of(definition))
        self._traded = inputs.trades.window(inputs.trades.volume, window_of(definition))

    def get(self, now: Ns) -> float | None:
        removed, traded = self._removed.get(now), self._traded.get(now)
        if not removed or traded is None:
            return None
        return max(0, removed - traded) / removed


class TopAge(Reading):
    """Seconds since the price or size of a best level last changed."""

    families = (
        Family(
            name="top_age",
            unit="s",
            source="book",
            warm_up="a best level has changed since the book was synced: before that the age isn't known",
        ),
    )

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        changed_at = inputs.top_changed_at
        return None if changed_at is None else (now - changed_at) / SECOND


class BookAge(Reading):
    """Seconds since the last snapshot or delta of this book came."""

    families = (Family(name="book_age", unit="s", source="book", warm_up=AT_ONCE),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        return None if inputs.book is None else (now - inputs.heard_at) / SECOND
