"""`kalshid why` and `kalshid explain`: what the core computed, by computing it again from the journal."""

from __future__ import annotations

import asyncio
import difflib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from daemon import exits
from daemon.account_sources import mode_of
from daemon.assembly import Setup, build_engine
from daemon.command_line import CONFIG_OPTION, Duration, die, load_or_die
from daemon.config import Config, ConfigError
from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import SECOND, Ns, parse_instant
from daemon.model_slots import models_of_setup
from daemon.scoring.registry import ModelRefused
from daemon.scoring.source import RegistrySource
from daemon.shell.control_socket import is_closed
from daemon.shell.giving_way import give_way
from daemon.shell.journal import JournalUnreadable, newest_first, open_journal, read_journal
from daemon.shell.order_story import OrderStory, Result, Told, result_of
from daemon.shell.order_trail import OrderNotFound, OrderRecord, find_order
from daemon.shell.retold import Listener, Retold, Session, retell, session_of
from daemon.shell.retold_words import chain_lines, clock, life_lines
from daemon.shell.why import StrategyChain, WhyTally
from daemon.telling import JSON_OPTION, complain, know_mode, say, say_json, say_mode

MODEL_OPTION = click.option(
    "--model", "moved", type=click.Path(path_type=Path), multiple=True,
    help="Model folder, if it has moved; may be repeated.",
)  # fmt: skip


class Instant(click.ParamType[Ns]):
    """An instant in UTC: 2026-11-21T18:00:00Z."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Ns:
        """Return the instant in Ns since 1970."""
        try:
            return parse_instant(str(value))
        except ValueError:
            self.fail(f"{value!r} is not an instant in UTC such as 2026-11-21T18:00:00Z", param, ctx)


class WhyAnswer(msgspec.Struct, frozen=True):
    """What `why --json` prints. Instants are Ns since 1970; see `StrategyChain`."""

    mode: str
    subject: str | None
    since: Ns | None
    until: Ns | None
    sessions: tuple[str, ...]
    chains: tuple[StrategyChain, ...]
    events: int
    decisions: int
    different: int
    seconds: float


class ExplainAnswer(msgspec.Struct, frozen=True):
    """What `explain --json` prints.

    Prices are counted in 1e-4 $, contracts in 0.01, money in 1e-6 $, instants in Ns since 1970.
    """

    mode: str
    session: str
    client_order_id: str
    order_id: str | None
    ticker: str
    strategy: str
    decisions: tuple[Told, ...]
    records: tuple[dict[str, object], ...]
    """Each with its `kind` and its fields by name."""
    left_out: int
    ahead_at_most: int | None
    result: Result
    events: int
    different: int
    seconds: float


@click.command()
@click.argument("subject", required=False, metavar="[TICKER|STRATEGY]")
@CONFIG_OPTION
@click.option("--since", "since_s", type=Duration(), help="So long before the last decision, such as 10m.")
@click.option("--from", "from_at", type=Instant(), help="From this instant in UTC on.")
@click.option("--to", "to_at", type=Instant(), help="Up to this instant in UTC.")
@JSON_OPTION
@MODEL_OPTION
def why(
    subject: str | None,
    config_path: Path,
    since_s: float | None,
    from_at: Ns | None,
    to_at: Ns | None,
    is_json: bool,
    moved: tuple[Path, ...],
) -> None:
    """Say why it did not trade: how far each strategy came, and what stopped it how often.

    Of one market, one strategy, or all; without a range, in the last session. It replays the journal, also
    that of a daemon that runs, and a session from its start: about 20 seconds for 2 million events. Exits 65
    when there is nothing to tell.
    """
    if since_s is not None and (from_at is not None or to_at is not None):
        raise click.UsageError("--since counts back from the last decision: give it without --from and --to")
    if from_at is not None and to_at is not None and from_at > to_at:
        raise click.UsageError("--from is after --to")
    config = load_or_die(config_path)
    know_mode(asyncio.run(mode_of(config)))
    sessions, since = _in_range(_folder(config), since_s, from_at, to_at)
    know_mode(sessions[0].instance)
    ticker, strategy = _subject(sessions, subject)
    tally = WhyTally(ticker=ticker, strategy=strategy, since=since, until=to_at)
    started_at = time.perf_counter()
    told = [_retell(one, config, moved, tally, to_at) for one in reversed(sessions)]
    seconds = time.perf_counter() - started_at
    whole = Retold(*(sum(counts) for counts in zip(*map(msgspec.structs.astuple, told), strict=True)))
    if is_json:
        names = tuple(one.path.name for one in reversed(sessions))
        answer = WhyAnswer(
            ", ".join(_modes(sessions)), subject, since, to_at, names, tally.chains,
            whole.events, whole.decisions, whole.different, seconds,
        )  # fmt: skip
        say_json(answer)
        return
    first, last = since or sessions[-1].first_at, to_at or sessions[0].last_at
    assert first is not None, "a session in range has decisions"
    assert last is not None, "a session in range has decisions"
    for mode in _modes(sessions):
        say_mode(mode)
    say(f"{clock(first)} to {clock(last)} UTC, {_count(len(sessions))}")
    _warn(whole, sessions[0].kalshid_version)
    for chain in tally.chains:
        for line in chain_lines(chain):
            say(line)
    if not tally.chains:
        say("no strategy looked at anything: no market of theirs was watched, or no book changed")
    _say_cost(whole, seconds)


@click.command()
@click.argument("order")
@CONFIG_OPTION
@JSON_OPTION
@MODEL_OPTION
def explain(order: str, config_path: Path, is_json: bool, moved: tuple[Path, ...]) -> None:
    """Tell the whole life of an ORDER, by our id of it or the venue's: from what was seen to its P&L.

    It replays the session that placed it, from its start. Exits 65 when no journal has the order.
    """
    config = load_or_die(config_path)
    know_mode(asyncio.run(mode_of(config)))
    try:
        paths = _journals(_folder(config))
        trail = give_way(lambda: find_order(paths, order, _leave_out))
    except (OrderNotFound, OSError) as error:
        die(str(error), exits.BAD_INPUT)
    know_mode(trail.session.instance)
    story = OrderStory(trail)
    started_at = time.perf_counter()
    told = _retell(trail.session, config, moved, story, story.until)
    seconds = time.perf_counter() - started_at
    result, place = result_of(trail, story), trail.place
    if is_json:
        answer = ExplainAnswer(
            trail.session.instance, trail.session.path.name, place.client_order_id, trail.order_id,
            place.ticker, place.strategy, tuple(story.told), tuple(map(_named, trail.records)),
            trail.left_out, story.ahead_at_most, result, told.events, told.different, seconds,
        )  # fmt: skip
        say_json(answer)
        return
    say(f"session {trail.session.path.name}, times in UTC")
    _warn(told, trail.session.kalshid_version)
    for line in life_lines(trail, story, result):
        say(line)
    _say_cost(told, seconds)


def _folder(config: Config) -> Path:
    return config.path(config.state_dir) / "journal"


def _journals(folder: Path) -> list[Path]:
    """Return the journals, the newest first; exits where there is none."""
    if is_closed(folder):
        die(f"{folder}: only its owner may read it", exits.BAD_INPUT)
    return newest_first(folder) or die(f"no journal in {folder}: nothing has run here yet", exits.BAD_INPUT)


def _leave_out(words: str) -> None:
    complain(f"left out: {words}")


def _sessions(folder: Path) -> Iterator[Session]:
    """Yield the sessions, the newest first. One that can't be read is named, and the others are told."""
    for path in _journals(folder):
        try:
            yield session_of(path)
        except (JournalUnreadable, OSError) as error:
            _leave_out(str(error))


def _in_range(
    folder: Path, since_s: float | None, from_at: Ns | None, to_at: Ns | None
) -> tuple[list[Session], Ns | None]:
    """Return the sessions with decisions in the range, the newest first, and from when on they count."""
    found: list[Session] = []
    is_last_only = since_s is None and from_at is None and to_at is None
    for session in _sessions(folder):
        if session.last_at is None:
            continue
        if since_s is not None and from_at is None:
            from_at = session.last_at - round(since_s * SECOND)
        if session.overlaps(from_at, to_at):
            found.append(session)
        if is_last_only and found:
            break
        # Sessions follow each other, but for tapes: those run in times of their own.
        if found and from_at is not None and session.last_at < from_at:
            break
    if not found:
        die(f"no session in {folder} decided anything in that range", exits.BAD_INPUT)
    return found, from_at


def _subject(sessions: Sequence[Session], subject: str | None) -> tuple[str | None, str | None]:
    """Return the ticker or the strategy that a person named; exits where nothing is called so."""
    if subject is None:
        return None, None
    strategies: dict[str, None] = {}
    for session in sessions:
        _, header, _ = open_journal(session.path)
        strategies |= {one.name: None for one in msgspec.msgpack.decode(header.engine, type=Setup).strategies}
    if subject in strategies:
        return None, subject
    tickers: dict[str, None] = {}
    for session in sessions:
        for batch in read_journal(session.path):
            for record in batch:
                if isinstance(record, e.MarketListed):
                    tickers[record.spec.ticker] = None
        if subject in tickers:
            return subject, None
    return _unknown(subject, tuple(strategies), tuple(tickers))


def _unknown(subject: str, strategies: tuple[str, ...], tickers: tuple[str, ...]) -> NoReturn:
    near = difflib.get_close_matches(subject, (*strategies, *tickers), n=3, cutoff=0.5)
    like = f"near to it: {', '.join(near)}" if near else f"strategies: {', '.join(strategies)}"
    die(f"{subject!r} is no market and no strategy of that time; {like}", exits.BAD_INPUT)


def _retell(
    session: Session, config: Config, moved: tuple[Path, ...], listener: Listener, until: Ns | None
) -> Retold:
    try:
        file = read_journal(session.path)
        engine = _engine(msgspec.msgpack.decode(file.header.engine, type=Setup), config, moved)
        on_progress = _progress(session, until)
        return give_way(lambda: retell(engine, file, listener, until=until, on_progress=on_progress))
    except (JournalUnreadable, ModelRefused, ConfigError, msgspec.DecodeError) as error:
        die(f"{session.path}: {error}", exits.BAD_INPUT)
    finally:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", err=True, nl=False)


def _engine(setup: Setup, config: Config, moved: tuple[Path, ...]) -> Engine:
    """Return a fresh engine of a session; its models are looked for from the configuration's folder too."""
    own = [config.path(ref.path) for ref in (setup.model, *setup.others)]
    source = RegistrySource((*moved, *(path for path in own if path.is_dir())))
    models = models_of_setup(setup, source)
    return build_engine(setup, models, source=source, strategy_folder=config.strategy_folder)


def _progress(session: Session, until: Ns | None) -> Callable[[Ns, int], None] | None:
    """Return what tells a terminal how far a replay is; None where nobody watches."""
    first, last = session.first_at, session.last_at
    if not sys.stderr.isatty() or first is None or last is None:
        return None
    end = max(last if until is None else min(last, until), first + 1)
    began_at = time.perf_counter()

    def say(now: Ns, events: int) -> None:
        share, rate = min(1.0, (now - first) / (end - first)), events / (time.perf_counter() - began_at)
        line = f"\rreplaying {session.path.name}: {share:.0%}, {rate:,.0f} events/s "
        click.echo(line, err=True, nl=False)

    return say


def _named(record: OrderRecord) -> dict[str, object]:
    """Return a record with its fields by name: on disk it is an array."""
    return {"kind": type(record).__name__} | msgspec.structs.asdict(record)


def _modes(sessions: Sequence[Session]) -> tuple[str, ...]:
    """Return the modes that sessions traded in, as the journals say: the file may name another one by now."""
    return tuple(dict.fromkeys(one.instance for one in reversed(sessions)))


def _count(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"


def _warn(told: Retold, version: str) -> None:
    """Say where the retelling is not what happened."""
    if told.different:
        say(
            f"WARNING: {told.different:,} of {told.decisions:,} decisions are not the recorded ones (kalshid"
            f" {version}): the code, a strategy or a model has changed, and this is what it would do today"
        )


def _say_cost(told: Retold, seconds: float) -> None:
    say(f"({told.events:,} events and {told.decisions:,} decisions replayed in {seconds:.1f} s)")
