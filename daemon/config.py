"""`config.toml` → frozen structs. What is wrong refuses to start, all of it at once, each with its line.

The file is TOML, read with exact types. Every key of the schema below stands in the shipped file; a key
may be left out and then has the default given here. Unknown keys are errors, with a suggestion.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from daemon.config_tables import (
    Audit,
    BreakerLimits,
    Calendar,
    Categories,
    CloseGuard,
    Dollars,
    Drift,
    Feed,
    Live,
    Log,
    Markets,
    Metrics,
    Model,
    Notify,
    Orders,
    Page,
    Reconcile,
    ReferenceTable,
    RiskLimits,
    Sandbox,
    Shadow,
    StoreTable,
    StrategyTable,
    Table,
    Tickers,
    Venue,
)
from daemon.core.probe import doubted_after
from daemon.core.risk import Limits
from daemon.core.terms import Terms
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_CENT, QTY_ONE, SECOND
from daemon.toml_tables import TomlTables
from daemon.trading_hours import parse_trading_hours


class ConfigError(Exception):
    """The configuration can't be used. `problems` holds a line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


STATE_DIR = "var"


class Config(Table, frozen=True):
    """The whole file. Paths are as written; `root` is the folder that they are relative to."""

    root: Path
    mode: Literal["sandbox", "demo", "shadow", "live"] = "sandbox"
    state_dir: Annotated[str, msgspec.Meta(min_length=1)] = STATE_DIR
    on_exit: Literal["cancel", "leave"] = "cancel"
    strategy_path: str = ""
    reload_on_change: bool = False
    venue: Venue = Venue()
    sandbox: Sandbox = Sandbox()
    shadow: Shadow = Shadow()
    live: Live = Live()
    markets: Markets = Markets()
    model: Model = Model()
    drift: Drift = Drift()
    feed: Feed = Feed()
    orders: Orders = Orders()
    risk: RiskLimits = RiskLimits()
    breaker: BreakerLimits = BreakerLimits()
    reconcile: Reconcile = Reconcile()
    reference: ReferenceTable = ReferenceTable()
    calendar: Calendar = Calendar()
    audit: Audit = Audit()
    strategies: tuple[StrategyTable, ...] = ()
    store: StoreTable = StoreTable()
    metrics: Metrics = Metrics()
    page: Page = Page()
    notify: Notify = Notify()
    log: Log = Log()

    @property
    def private_channels(self) -> Literal["first", "own", "none"]:
        """Over which of the venue's connections our fills and orders come.

        In mode "shadow" over none: our account is here. Then the first connection stands in for the private
        one: what is filled is filled on the books that it brings, so while it is well, so is our account.
        """
        if self.mode == "shadow":
            return "none"
        return "own" if self.venue.private_connection else "first"

    @property
    def strategy_folder(self) -> Path | None:
        """Where the owner's own strategies are; None where there are none."""
        return self.path(self.strategy_path) if self.strategy_path else None

    def path(self, text: str) -> Path:
        """Return a path of the file as an absolute one."""
        return (self.root / Path(text).expanduser()).resolve()

    def limits(self) -> Limits:
        """Return the limits in the core's exact units."""
        risk, feed = self.risk, self.feed
        return Limits(
            order_qty_max=risk.order_contracts_max * QTY_ONE,
            position_qty_max=risk.position_contracts_max * QTY_ONE,
            market_loss_max=risk.market_loss_max_dollars * MONEY_ONE,
            total_loss_max=risk.total_loss_max_dollars * MONEY_ONE,
            daily_loss_max=risk.daily_loss_max_dollars * MONEY_ONE,
            price_away_max=risk.price_away_max_cents * PRICE_CENT,
            orders_per_minute_max=risk.orders_per_minute_max,
            close_guard=risk.close_guard_s * SECOND,
            feed_silent_max=doubted_after(feed.silent_max_s * SECOND),
            transport_lag_max=feed.transport_lag_max_ms * MILLISECOND,
            clock_offset_max=feed.clock_offset_max_ms * MILLISECOND,
            refused_per_minute_max=feed.refused_per_minute_max,
            order_notional_max=risk.order_notional_max_dollars * MONEY_ONE,
            fair_away_max=risk.fair_away_max_cents * PRICE_CENT,
            event_qty_max=risk.event_contracts_max * QTY_ONE,
            series_qty_max=risk.series_contracts_max * QTY_ONE,
            settlement_qty_max=risk.settlement_contracts_max * QTY_ONE,
            total_qty_max=risk.total_contracts_max * QTY_ONE,
            event_loss_max=risk.event_loss_max_dollars * MONEY_ONE,
            exposure_max=risk.exposure_max_dollars * MONEY_ONE,
            cash_reserve=risk.cash_reserve_dollars * MONEY_ONE,
            market_orders_max=risk.orders_per_market_max,
            open_orders_max=risk.open_orders_max,
            requests_per_minute_max=risk.requests_per_minute_max,
            repeated_fills_max=risk.repeated_fills_max,
            duplicate_window=risk.duplicate_window_ms * MILLISECOND,
            volume_day_min=risk.volume_day_contracts_min * QTY_ONE,
            spread_max=risk.spread_max_cents * PRICE_CENT,
            depth_min=risk.depth_contracts_min * QTY_ONE,
            hours=parse_trading_hours(risk.trading_hours),
            drawdown_max=risk.drawdown_max_dollars * MONEY_ONE,
            losing_streak_max=risk.losing_streak_max,
            stop_loss=None if risk.stop_loss_cents == "off" else risk.stop_loss_cents * PRICE_CENT,
            take_profit=None if risk.take_profit_cents == "off" else risk.take_profit_cents * PRICE_CENT,
        )

    def terms(self) -> Terms:
        """Return the other terms that may change in a running engine, in the core's exact units."""
        orders, breaker = self.orders, self.breaker
        return Terms(
            order_ttl=orders.ttl_ms * MILLISECOND,
            order_expiry=orders.expire_s * SECOND,
            reconcile_every=self.reconcile.every_s * SECOND,
            failures_max=breaker.failures_max,
            probe_every=breaker.probe_every_s * SECOND,
            rejects_max=breaker.rejects_max,
            ack_max=breaker.ack_p95_max_ms * MILLISECOND,
            cool_down=breaker.cool_down_s * SECOND,
            audit_differences_max=self.audit.differences_max,
            reference_stale_max=self.reference.stale_max_ms * MILLISECOND,
            cancels_on_exit=self.on_exit == "cancel",
        )


PORT_MAX = 65_535
_STATE_DIR = re.compile(r"""^[ \t]*state_dir[ \t]*=[ \t]*(["'])([^"'\n]+)\1""", re.MULTILINE)
PRODUCTION_HOSTS = ("external-api.kalshi.com", "external-api-ws.kalshi.com", "api.elections.kalshi.com")
"""Where orders are real. Source: protocol sheet 1.1."""


PRODUCTION_URLS = {
    "rest_url": "https://external-api.kalshi.com/trade-api/v2",
    "ws_url": "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
}
"""By key of `[venue]`."""


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its address: tests run an exchange of their own there."""
    return host in ("127.0.0.1", "::1")


_OF_ALL_STRATEGIES: dict[str, object] = {
    "enabled": bool,
    "series": Tickers | None,
    "categories": Categories | None,
    "close_guard_s": CloseGuard | None,
    "model": str,
    "capital_dollars": Dollars | None,
    "daily_loss_max_dollars": Dollars | None,
}
"""The keys that every strategy's table may have, besides its own parameters."""


def _strategies(reader: TomlTables, found: object, folder: Path | None) -> tuple[StrategyTable, ...]:
    """Return the `[strategies.*]` tables; their own parameters are checked by the strategies."""
    if not isinstance(found, dict):
        reader.complain(("strategies",), "expected tables [strategies.<name>]")
        return ()
    tables = []
    for name, table in found.items():
        path = ("strategies", name)
        if not isinstance(table, dict):
            reader.complain(path, "expected a table")
            continue
        if "enabled" not in table:
            reader.complain(path, "enabled is missing")
        if "series" not in table and "categories" not in table:
            reader.complain(path, "series is missing (or categories)")
        before = len(reader.problems)
        given: dict[str, Any] = {
            key: reader.field((*path, key), table[key], kind)
            for key, kind in _OF_ALL_STRATEGIES.items()
            if key in table
        }
        if len(reader.problems) == before:
            params = {key: value for key, value in table.items() if key not in _OF_ALL_STRATEGIES}
            usual = {"enabled": False, "series": [], **given}
            tables.append(StrategyTable(name=name, params=params, code_sha256=code_of(folder, name), **usual))
    return tuple(tables)


def code_of(folder: Path | None, strategy: str) -> str:
    """Return the fingerprint of an owner's own strategy, as it is on disk; empty where there is no file."""
    if folder is None:
        return ""
    try:
        return hashlib.sha256((folder / f"{strategy}.py").read_bytes()).hexdigest()
    except OSError:
        return ""  # whoever loads it says what is wrong with that


def parse_config(name: str, text: str, root: Path) -> Config:
    """Return the configuration in a TOML text.

    Args:
        name: the file's name, for messages.
        text: its content.
        root: the folder that relative paths in it start from.

    Raises:
        ConfigError: all problems at once, each with file, line, key, value and what is allowed.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from None
    reader = TomlTables(name, text)
    found = document.pop("strategies", {})
    values = reader.table((), document, Config, elsewhere=("root", "strategies"))
    own = values.get("strategy_path")
    folder = (root / Path(own).expanduser()).resolve() if isinstance(own, str) and own else None
    strategies = _strategies(reader, found, folder)
    if reader.problems:
        raise ConfigError(reader.problems)
    config = Config(root=root, strategies=strategies, **values)  # type: ignore[arg-type]  # checked field by field above
    if config.mode != "sandbox":
        _check_venue(reader, config)
    if config.orders.reserve_tokens >= 100:
        reader.complain(("orders", "reserve_tokens"), "must stay below the smallest write bucket (100)")
    if int(config.metrics.listen.rpartition(":")[2]) > PORT_MAX:
        reader.complain(("metrics", "listen"), f"{config.metrics.listen!r}: ports end at {PORT_MAX}")
    if config.page.listen and int(config.page.listen.rpartition(":")[2]) > PORT_MAX:
        reader.complain(("page", "listen"), f"{config.page.listen!r}: ports end at {PORT_MAX}")
    _check_markets(reader, config)
    _check_models(reader, config)
    try:
        parse_trading_hours(config.risk.trading_hours)
    except ValueError as error:
        reader.complain(("risk", "trading_hours"), f"{config.risk.trading_hours!r}: {error}")
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


def _check_venue(reader: TomlTables, config: Config) -> None:
    """Complain of what Kalshi's exchange needs and lacks, and of hosts that are not the mode's."""
    mode = f'mode = "{config.mode}"'
    for key in ("key_id", "private_key_file"):
        if not getattr(config.venue, key):
            reader.complain(("venue", key), f"{mode} needs it")
    for key, should in PRODUCTION_URLS.items():
        url = urlsplit(getattr(config.venue, key))
        is_production = url.hostname in PRODUCTION_HOSTS
        if config.mode == "demo":
            if is_production:
                reader.complain(("venue", key), f"{mode} is refused where orders are real")
        elif not is_production and not is_loopback(url.hostname):
            reader.complain(("venue", key), f'{mode} needs Kalshi\'s own: "{should}"')
        elif is_production and url.scheme not in ("https", "wss"):
            reader.complain(("venue", key), f'{mode} needs an encrypted connection: "{should}"')


def _check_models(reader: TomlTables, config: Config) -> None:
    """Complain of strategies that read the scores of a model that is none."""
    named = config.model.named
    for table in config.strategies:
        if table.model and table.model not in named:
            there_are = ", ".join(sorted(named)) or "none"
            reader.complain(
                ("strategies", table.name, "model"),
                f"{table.model!r} is not in [model.named]; there are: {there_are}",
            )


def _check_markets(reader: TomlTables, config: Config) -> None:
    """Complain of markets that can't be, and of strategies whose series nobody watches."""
    markets = config.markets
    named = (markets.series, markets.events, markets.tickers, markets.categories)
    if not any(named):
        reader.complain(("markets",), "name what to watch: series, events, tickers or categories")
    if markets.closes_in_min_s >= markets.closes_in_max_s:
        reader.complain(("markets", "closes_in_max_s"), "must be above closes_in_min_s")
    if markets.categories:
        return  # which series a category holds is the venue's to say
    single = [*markets.events, *markets.tickers]
    for table in config.strategies:
        unwatched = [
            series
            for series in table.series
            if series not in markets.series and not any(name.startswith(f"{series}-") for name in single)
        ]
        if unwatched and table.enabled:
            path = ("strategies", table.name, "series")
            reader.complain(path, f"{', '.join(unwatched)} not among [markets]: never watched")


def load_config(path: Path) -> Config:
    """Return the configuration in a file.

    Raises:
        ConfigError: it can't be read, or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {error}"]) from None
    return parse_config(str(path), text, path.resolve().parent)


def state_folder(path: Path) -> Path:
    """Return the state folder that a file names, whatever else is wrong with the file.

    For whoever has to find the daemon all the same. By default where it names none, or can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = _STATE_DIR.search(text)
    written = STATE_DIR if named is None else named[2]
    return (path.resolve().parent / Path(written).expanduser()).resolve()


def convert_params(config_name: str, table: StrategyTable, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return a strategy's own parameters as its `Params`.

    Raises:
        ConfigError: unknown keys or values that are not allowed, all at once.
    """
    path = Path(config_name)
    reader = TomlTables(config_name, path.read_text(encoding="utf-8") if path.is_file() else "")
    values = reader.table(("strategies", table.name), table.params, kind)
    if reader.problems:
        raise ConfigError(reader.problems)
    return kind(**values)
