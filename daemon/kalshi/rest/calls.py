"""What all groups of REST calls share: the way to the venue; lists are converted whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote

from daemon.core.units import MILLISECOND, Ns
from daemon.kalshi.errors import Unreadable
from daemon.kalshi.http import Http, Params
from daemon.kalshi.strict import endpoint_of

CACHED_MAX = 10_000
TICKERS_MAX = 100
"""Names in one request: what the venue takes for books and candles, and what keeps a URL short for others."""
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Calls:
    """Calls over one connection pool; what a group of them knows beside it, it keeps itself."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._clock = http.clock

    def _convert(self, path: str, listed: Iterable[_In], convert: Callable[[_In], _Out]) -> list[_Out]:
        """Convert a whole list. One bad entry refuses all: half an account is worse than none.

        Raises:
            Unreadable: a number or a time isn't one.
        """
        try:
            return [convert(one) for one in listed]
        except ValueError as error:
            raise self._refused(path, error) from error

    def _convert_one(self, path: str, convert: Callable[[], _Out]) -> _Out:
        """Convert one body. Raises Unreadable when a number or a time isn't one."""
        try:
            return convert()
        except ValueError as error:
            raise self._refused(path, error) from error

    def _refused(self, path: str, error: ValueError) -> Unreadable:
        # The text quotes a value, which is no name to count by.
        self._http.refuse(path, "a value that can't be read")
        return Unreadable(endpoint_of(path), str(error))


def part(text: str) -> str:
    """Return one part of a path as it stands on the wire."""
    return quote(text, safe="")


def millis(ts_ms: int | None) -> Ns | None:
    """Return milliseconds as Ns; None stays None."""
    return None if ts_ms is None else ts_ms * MILLISECOND


def query(**params: str | int | None) -> Params:
    """Return a query of what is not None."""
    return {name: value for name, value in params.items() if value is not None}


def chunks(tickers: Sequence[str], size: int = TICKERS_MAX) -> Iterator[Sequence[str]]:
    """Yield the tickers in parts of at most `size`."""
    for start in range(0, len(tickers), size):
        yield tickers[start : start + size]


def remember(known: dict[str, _Out], key: str, value: _Out) -> _Out:
    """Put a value into a cache that never grows beyond its bound."""
    if len(known) >= CACHED_MAX:
        known.clear()
    known[key] = value
    return value
