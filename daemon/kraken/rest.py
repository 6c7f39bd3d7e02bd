"""Kraken's REST candles: the past that the stream does not tell.

Errors come with status 200 and a list of texts; the series stands under a legacy name (`XXBTZUSD`), as the
one key beside `last`; the row behind `last` is the candle that still runs. Source: protocol sheet 8.2.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from msgspec import Raw

from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kraken.candles import Past, candle_of

ROWS_MAX = 720
TIMEOUT_S = 10.0
_LEGACY_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_TRANSIENT = (
    "EService:",
    "EGeneral:Too many requests",
    "EGeneral:Temporary",
    "EAPI:Rate limit",
    "EGeneral:Internal",
)
"""How errors begin that go by: Kraken is busy, down, or has heard enough of us."""
_BODY_BYTES_MAX = 4 * 1024 * 1024


class ReadFailed(Exception):
    """No usable answer came: asking again later may help."""


class ReadRefused(Exception):
    """Kraken said no, and will again: the symbol or the interval is not one of its own."""


class _Answer(msgspec.Struct, frozen=True):
    error: list[str]
    result: dict[str, Raw] = {}


_Row = tuple[int, str, str, str, str, str, str, int]
"""Time in seconds, open, high, low, close, vwap, volume, number of trades."""

_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_last = msgspec.json.Decoder(int).decode


def pair_of(symbol: str) -> str:
    """Return a symbol such as "BTC/USD" as REST spells it, "XBTUSD"."""
    return "".join(_LEGACY_NAMES.get(part, part) for part in symbol.split("/"))


def decode_ohlc(body: bytes, period: Ns) -> Past:
    """Return the finished candles of an answer; periods without trades are left out.

    Raises:
        ReadFailed: an error that goes by, or a body that isn't such an answer.
        ReadRefused: any other error.
    """
    try:
        answer = _decode_answer(body)
        if answer.error:
            text = "; ".join(answer.error)
            # A warning ("W...") stands beside a result; only errors begin with E.
            errors = [error for error in answer.error if error.startswith("E")]
            if any(error.startswith(_TRANSIENT) for error in errors):
                raise ReadFailed(text)
            if errors or not answer.result:
                raise ReadRefused(text)
        names = [name for name in answer.result if name != "last"]
        if len(names) != 1 or "last" not in answer.result:
            raise ValueError(f"one series and `last` were expected, not {sorted(answer.result)}")
        last = _decode_last(answer.result["last"])
        rows = _decode_rows(answer.result[names[0]])
        return _past_of(rows, last, period)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ReadFailed(f"not an answer of candles: {error}") from error


def _past_of(rows: list[_Row], last: int, period: Ns) -> Past:
    times = [row[0] for row in rows]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("candles out of order")
    unfinished = [time for time in times if time > last]
    if len(unfinished) > 1:
        raise ValueError(f"{len(unfinished)} candles that still run")
    candles = [
        candle_of(time * SECOND, period, (first, high, low, close), volume)
        for time, first, high, low, close, _, volume, trades in rows
        if time <= last and trades
    ]
    if not rows:
        return Past((), 0)
    covered_until = unfinished[0] * SECOND if unfinished else last * SECOND + period
    if covered_until % period:
        raise ValueError(f"a candle that begins inside a period: {covered_until}")
    return Past(tuple(candles), covered_until)


class KrakenRest:
    """The way to Kraken's public REST. Use as an async context manager, inside a running loop."""

    def __init__(self, base_url: str) -> None:
        """Build. `base_url` is such as `https://api.kraken.com/0/public`."""
        self._base = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def ohlc(self, symbol: str, period: Ns, since: Ns | None) -> Past:
        """Return the finished candles that began at `since` or later, at most 720, the newest.

        Raises:
            ReadFailed: no usable answer; later it may come.
            ReadRefused: Kraken said no for good.
        """
        params = {"pair": pair_of(symbol), "interval": str(period // MINUTE)}
        if since is not None:
            # Whether `since` itself is within is not documented: a second before, it is.
            params["since"] = str(since // SECOND - 1)
        status, body = await self._get("/OHLC", params)
        if status != 200:
            text = f"HTTP {status}"
            # Errors of Kraken's own come with 200; others are of whoever stands before it.
            raise ReadFailed(text) if status in {408, 425, 429} or status >= 500 else ReadRefused(text)
        return decode_ohlc(body, period)

    async def _get(self, path: str, params: dict[str, str]) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers={"Accept": "application/json"}, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            async with self._http.get(
                self._base + path, params=params, timeout=self._timeout, allow_redirects=False
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) > _BODY_BYTES_MAX:
                        raise ReadFailed(f"an answer of more than {_BODY_BYTES_MAX} bytes")
                return response.status, bytes(body)
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ReadFailed(f"{type(error).__name__}: {error}") from error
