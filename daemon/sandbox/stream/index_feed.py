"""The settlement index as the venue passes it on: one value a second, its averages, and a faster series.

A flow that settles its markets on an index of its own tells the values (`IndexPrinted`), and those are what
is sent: a client that averages them arrives at the settlement. For one that tells spot trades only, the
value of a second is the last trade's price before it.

Averages, by whole ticks (documented with the channel):
    avg_60s_data                       [t - 60 s, t), prior ticks only; none: the tick itself, a size of 0
    last_60s_windowed_average_15min    (quarter - 60 s, quarter], in the last minute of each quarter hour
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from daemon.core.units import MILLISECOND, MINUTE, SECOND, Money, Ns, format_decimal
from daemon.sandbox.bodies import whole_cents
from daemon.sandbox.flows.spot import to_cents

INDEX_OF: Final = {"BTC/USD": "BRTI"}
"""Which index follows a spot symbol."""
QUARTER: Final[Ns] = 15 * MINUTE
FAST_STEP: Final[Ns] = 200 * MILLISECOND
_CATCH_UP_MAX: Final = 5
"""Of seconds without a trade, so many are told afterwards: what was longer was no market."""

_encode = msgspec.json.Encoder().encode


def _average(values: list[Money], start: Ns, end: Ns, fallback: Money) -> dict[str, Any]:
    """Return a window's average, to eight decimals, rounded half up."""
    total, count = (sum(values), len(values)) if values else (fallback, 1)
    return {
        "value": format_decimal((200 * total + count) // (2 * count), 8),
        "window_size": len(values),
        "window_start_ts_ms": start // MILLISECOND,
        "window_end_ts_exclusive": end // MILLISECOND,
    }


def _source_frame(index_id: str, value: Money, at: Ns) -> str:
    """Return the index provider's own message, which travels as a text inside ours."""
    cents = whole_cents(value)
    source = {"type": "value", "time": at // MILLISECOND, "id": index_id, "value": format_decimal(cents, 2)}
    return _encode(source).decode()


class _Index:
    """One index: its ticks of the last minutes, and the price it would be told at now."""

    def __init__(self, index_id: str) -> None:
        self.index_id = index_id
        self.ticks: deque[tuple[Ns, Money]] = deque(maxlen=61)
        self.is_told = False
        """Whether the flow tells its values itself."""
        self.price: Money | None = None
        self.priced_at: Ns = 0
        self.fast_at: Ns = 0

    def tick(self, at: Ns, value: Money, now: Ns) -> bytes | None:
        """Take a value; return the body that tells it, None for one that is not newer."""
        if self.ticks and at <= self.ticks[-1][0]:
            return None
        before = list(self.ticks)
        self.ticks.append((at, value))
        window = [price for time, price in before if time >= at - MINUTE]
        body: dict[str, Any] = {
            "index_id": self.index_id,
            "received_at": now // MILLISECOND,
            "data": _source_frame(self.index_id, value, at),
            "avg_60s_data": _average(window, at - MINUTE, at, value),
        }
        quarter = -(-at // QUARTER) * QUARTER
        if quarter - at < MINUTE:
            last = [price for time, price in self.ticks if time > quarter - MINUTE]
            body["last_60s_windowed_average_15min"] = _average(last, quarter - MINUTE, at, value)
        return _encode(body)


class IndexFeed:
    """All indices. Bodies come out; who is told them is the hub's."""

    def __init__(self) -> None:
        self._indices = {index_id: _Index(index_id) for index_id in INDEX_OF.values()}

    @property
    def index_ids(self) -> tuple[str, ...]:
        """The ids that a client may ask for."""
        return tuple(self._indices)

    def value(self, index_id: str, value: Money, at: Ns, now: Ns) -> list[tuple[str, bytes]]:
        """Take a value that the flow tells; return (index id, body) to send."""
        index = self._indices.setdefault(index_id, _Index(index_id))
        index.is_told = True
        index.price, index.priced_at = value, at
        body = index.tick(at, value, now)
        return [] if body is None else [(index_id, body)]

    def print(self, symbol: str, price: Money, at: Ns, now: Ns) -> list[tuple[str, bytes]]:
        """Take a spot trade; return (index id, body) of the seconds that it ended."""
        index = self._indices.get(INDEX_OF.get(symbol, ""))
        if index is None or index.is_told:
            return []
        bodies: list[tuple[str, bytes]] = []
        if index.price is not None:
            first = max(index.priced_at, at - _CATCH_UP_MAX * SECOND) // SECOND + 1
            for second in range(first * SECOND, at + 1, SECOND):
                body = index.tick(second, to_cents(index.price / 1e6), now)
                if body is not None:
                    bodies.append((index.index_id, body))
        index.price, index.priced_at = price, at
        return bodies

    def fast(self, now: Ns) -> list[tuple[str, bytes]]:
        """Return (index id, body) of the five-a-second series, where one is due."""
        at = now - now % FAST_STEP
        bodies: list[tuple[str, bytes]] = []
        for index in self._indices.values():
            if index.price is None or at <= index.fast_at:
                continue
            index.fast_at = at
            body = {
                "index_id": index.index_id,
                "value_usd": format_decimal(index.price * 100, 8),
                "source_ts_ms": at // MILLISECOND,
                "received_at": now // MILLISECOND,
                "data": _source_frame(index.index_id, index.price, at),
            }
            bodies.append((index.index_id, _encode(body)))
        return bodies
