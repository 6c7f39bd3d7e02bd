"""`kalshid lab ingest`: the venue's markets, Kraken's candles and series from files, into the lab's store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from daemon import exits
from daemon.command_line import CONFIG_OPTION, die, load_or_die, loading
from daemon.config import Config
from daemon.core.units import DAY, SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import BadKey, KalshiError, KeyRefused, Refused
from daemon.kraken.rest import KrakenRest, ReadFailed, ReadRefused
from daemon.shell.clock import SystemClock
from daemon.telling import complain, has_json_words, say
from daemon.venue import SANDBOX_FOLDER, Address, RunOptions, find_venue, running_venue

if TYPE_CHECKING:
    from daemon.lab.ingest.kalshi import Request, Tally, What
    from daemon.lab.ingest.kraken import Told
    from daemon.lab.store import Store
    from daemon.lab.store_writer import Added

STORE = click.option(
    "--store", "root", type=click.Path(path_type=Path, file_okay=False), default=Path("var/lab"),
    show_default=True, help="The store's folder; made at the first use.",
)  # fmt: skip
DAYS = 7
"""How far back is read where nothing is said."""
LEFT_OUT_SHOWN_MAX = 10
_T = TypeVar("_T")


class Instant(click.ParamType[int]):
    """A date, or an instant in UTC: 2026-11-21, 2026-11-21T13:30, 2026-11-21T13:30:00Z."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Ns:
        """Return the instant in ns."""
        try:
            found = datetime.fromisoformat(str(value).removesuffix("Z"))
            if found.tzinfo is not None:
                raise ValueError(value)
        except ValueError:
            self.fail(f"{value!r} is not a date or an instant in UTC such as 2026-11-21T13:30Z", param, ctx)
        return int(found.replace(tzinfo=UTC).timestamp()) * SECOND


class Whats(click.ParamType[frozenset[str]]):
    """Names with commas between: markets,candles,trades,books."""

    name = "what"
    allowed = ("markets", "candles", "trades", "books")

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str]:
        """Return the names."""
        found = value if isinstance(value, frozenset) else frozenset(str(value).split(","))
        if strange := found - set(self.allowed):
            self.fail(f"{', '.join(sorted(strange))}: allowed are {','.join(self.allowed)}", param, ctx)
        return found


@click.group()
def ingest() -> None:
    """Read from elsewhere into the lab's store: nothing twice, and a Ctrl-C loses nothing."""


@ingest.command("kalshi")
@CONFIG_OPTION
@STORE
@click.option("--series", "series", multiple=True, required=True, help="Such as KXBTC15M; may be repeated.")
@click.option(
    "--from", "since", type=Instant(), help=f"Markets open from here on; {DAYS} days ago if not given."
)
@click.option("--to", "until", type=Instant(), help="Up to here; up to now if not given.")
@click.option("--what", type=Whats(), default="markets,candles,trades", show_default=True,
              help="Of markets,candles,trades,books. Books are those of this moment.")  # fmt: skip
@click.option("--period", "periods", type=click.Choice([1, 60, 1440]), multiple=True, default=(1, 60, 1440),
              show_default=True, help="Minutes of the candles; may be repeated.")  # fmt: skip
@has_json_words
def ingest_kalshi(
    config_path: Path,
    root: Path,
    series: tuple[str, ...],
    since: Ns | None,
    until: Ns | None,
    what: frozenset[What],
    periods: tuple[int, ...],
) -> None:
    """Read series of the venue: markets with their ends, candles, trades, books.

    The venue is that of the configuration's mode; for mode = "sandbox" the one that runs. Reads keep within
    the account's budget. Exits 69 when the venue does not answer, 65 when it says no or the store can't be
    written.
    """
    with loading():
        from daemon.lab.ingest.kalshi import Request  # noqa: PLC0415 - the daemon starts without the lab
    now = SystemClock().now
    if since is None:
        since = (now() if until is None else until) - DAYS * DAY
    if until is not None and until <= since:
        die("--to is not after --from", exits.USAGE)
    requests = [Request(one, since, until, what, periods) for one in dict.fromkeys(series)]
    with _failing(), _store(root) as store:
        _run(_read_kalshi(load_or_die(config_path), store, requests, now))


@ingest.command("kraken")
@CONFIG_OPTION
@STORE
@click.option("--pair", default="BTC/USD", show_default=True, help="XBT/USD is the same as BTC/USD.")
@click.option("--interval", type=click.Choice([1, 5, 15, 30, 60, 240, 1440, 10080, 21600]), default=1,
              show_default=True, help="Minutes of a candle.")  # fmt: skip
@has_json_words
def ingest_kraken(config_path: Path, root: Path, pair: str, interval: int) -> None:
    """Read Kraken's newest candles, at most 720: what is older it doesn't tell.

    Exits 69 when Kraken does not answer, 65 when it knows no such pair.
    """
    with loading():
        from daemon.lab.ingest.kraken import symbol_of  # noqa: PLC0415 - the daemon starts without the lab
    try:
        symbol = symbol_of(pair)
    except ValueError as error:
        die(str(error), exits.USAGE)
    with _failing(), _store(root) as store:
        told = _run(_read_kraken(load_or_die(config_path), store, symbol, interval))
    _say(symbol, {"ohlc": told.added})
    for since, until in told.gaps:
        complain(f"never read: {_text(since)} to {_text(until)}: Kraken tells 720 candles back")


@ingest.command("series")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@STORE
@click.option("--name", help="The series' name, where the file has no such column.")
@has_json_words
def ingest_series(file: Path, root: Path, name: str | None) -> None:
    """Take a CSV or Parquet FILE of a series from elsewhere: releases, forecasts.

    Its columns are series, at (event time), known_at (when it was published), value and, if you like,
    vintage. Exits 65 when a row is bad, naming each, and then takes none.
    """
    with loading():
        from daemon.lab.ingest.outside import ingest_file  # noqa: PLC0415 - the daemon starts without the lab
    with _failing(), _store(root) as store:
        added, count = ingest_file(file, store, name, SystemClock().now())
    say(f"{file}: {count:,} rows, {added.new:,} of them new")


# --- what they share --------------------------------------------------------------------------------


@contextmanager
def _failing() -> Iterator[None]:
    """Exit saying what went wrong; what was read until then is kept."""
    try:
        yield
    except KeyboardInterrupt:
        die("stopped; what was read is kept, and the same command goes on from there", exits.INTERRUPTED)
    except (BadKey, KeyRefused) as error:
        die(str(error), exits.CONFIG)
    except (Refused, ReadRefused, ValueError, OSError) as error:
        die(str(error), exits.BAD_INPUT)
    except (KalshiError, ReadFailed) as error:
        die(f"{error}\nwhat was read is kept, and the same command goes on from there", exits.UNAVAILABLE)


def _store(root: Path) -> Store:
    with loading():
        from daemon.lab.store import open_store  # noqa: PLC0415 - the daemon starts without the lab
    return open_store(root, may_create=True)


def _run(reading: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(reading)


async def _address(config: Config, stack: AsyncExitStack) -> Address:
    """Return where the venue is; no sandbox is started for this."""
    if config.mode != "sandbox":
        return await find_venue(config, RunOptions(), stack)
    address = await running_venue(config)
    if address is None:
        folder = config.path(config.state_dir) / SANDBOX_FOLDER
        start = f"start one by `kalshid run` or `kalshid sandbox --state {folder}`"
        die(f'no sandbox runs in {folder}: {start}, or set mode = "demo"', exits.UNAVAILABLE)
    return address


async def _read_kalshi(config: Config, store: Store, requests: list[Request], now: Callable[[], Ns]) -> None:
    from daemon.lab.ingest.kalshi import ingest_kalshi  # noqa: PLC0415 - the daemon starts without the lab
    from daemon.lab.ingest.venue import reading  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        address = await _address(config, stack)
        signer = Signer(address.key_id, load_private_key(address.private_key_file))
        venue = await stack.enter_async_context(reading(address.rest_url, signer, now))
        for request in requests:
            try:
                with _bar(request.series) as tell:
                    tally = await ingest_kalshi(venue, store, request, now=now, progress=tell)
            except Refused as error:
                if isinstance(error, KeyRefused):
                    raise
                die(f"{request.series}: {error}", exits.BAD_INPUT)
            _say_series(request.series, tally)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while it lasts; what it gives moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


async def _read_kraken(config: Config, store: Store, symbol: str, interval: int) -> Told:
    from daemon.lab.ingest import kraken  # noqa: PLC0415 - the daemon starts without the lab

    async with AsyncExitStack() as stack:
        address = await _address(config, stack)
        rest = await stack.enter_async_context(KrakenRest(address.reference_rest_url))
        return await kraken.ingest_kraken(rest, store, symbol, interval, SystemClock().now)


def _say_series(series: str, tally: Tally) -> None:
    _say(series, tally.added)
    for ticker, reason in list(tally.left_out.items())[:LEFT_OUT_SHOWN_MAX]:
        complain(f"left out: {ticker}: {reason}")
    if (more := len(tally.left_out) - LEFT_OUT_SHOWN_MAX) > 0:
        complain(f"left out: {more} more")


def _say(name: str, added: Mapping[str, Added]) -> None:
    new = ", ".join(f"{one.new:,} {table}" for table, one in added.items() if one.new)
    say(f"{name}: {new or 'nothing'} new")
    for table, one in added.items():
        if one.contradicted:
            said = f"{one.contradicted:,} rows of {table} say otherwise than the store, which stays"
            complain(f"{name}: {said}")


def _text(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
