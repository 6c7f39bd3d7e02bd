"""`config.toml` → frozen structs. What is wrong refuses to start, all of it at once, each with its line.

The file is TOML, read with exact types. Every key of the schema below stands in the shipped file; a key
may be left out and then has the default given here. Unknown keys are errors, with a suggestion.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from daemon.core.probe import doubted_after
from daemon.core.risk import Limits
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_CENT, QTY_ONE, SECOND
from daemon.toml_tables import TomlTables

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Millis = Annotated[int, msgspec.Meta(ge=1, le=600_000)]
Dollars = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https?|wss?)://[^\s]+$")]
SeriesTicker = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]+$")]
Ticker = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9][A-Z0-9.\-]*$")]
Tickers = Annotated[list[SeriesTicker], msgspec.Meta(min_length=1)]
Source = Literal["kraken", "cfbenchmarks"]
Address = Annotated[str, msgspec.Meta(pattern=r"^[^\s:]+:[0-9]{1,5}$")]


class ConfigError(Exception):
    """The configuration can't be used. `problems` holds a line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all tables share."""


class Venue(_Table, frozen=True):
    """`[venue]`: where Kalshi is, and our key. Used by mode = "demo"."""

    rest_url: Url = "https://external-api.demo.kalshi.co/trade-api/v2"
    ws_url: Url = "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"
    key_id: str = ""
    private_key_file: str = ""
    request_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    markets_per_connection: Annotated[int, msgspec.Meta(ge=1, le=400)] = 400
    private_connection: bool = False


class Sandbox(_Table, frozen=True):
    """`[sandbox]`: the exchange that ships with kalshid."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    cash_dollars: Dollars = 10_000
    idle_exit_s: Seconds = 600
    maintenance: bool = False


class Markets(_Table, frozen=True):
    """`[markets]`: what is watched."""

    series: list[SeriesTicker] = msgspec.field(default_factory=lambda: ["KXBTC15M", "KXBTCD"])
    events: list[Ticker] = []
    tickers: list[Ticker] = []
    categories: list[Annotated[str, msgspec.Meta(min_length=1)]] = []
    volume_24h_min: Annotated[int, msgspec.Meta(ge=0)] = 0
    spread_max_cents: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    depth_min: Annotated[int, msgspec.Meta(ge=0)] = 0
    closes_in_min_s: Annotated[int, msgspec.Meta(ge=0)] = 0
    closes_in_max_s: Annotated[int, msgspec.Meta(ge=1)] = 31_536_000
    tick_structures: list[Annotated[str, msgspec.Meta(min_length=1)]] = []
    refresh_s: Seconds = 5
    roll_ahead_s: Seconds = 120


class Underlying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One underlying: the series on it (by how they begin), and what each source calls it."""

    series: SeriesTicker
    kraken: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]+/[A-Z0-9]+$")]
    cfbenchmarks: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9_]+$")]


class ReferenceTable(_Table, frozen=True):
    """`[reference]`: the price of the underlying, and whom to believe."""

    prefer: Annotated[list[Source], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: list[Source](["kraken", "cfbenchmarks"])
    )
    stale_max_ms: Millis = 15_000
    underlyings: list[Underlying] = msgspec.field(
        default_factory=lambda: [Underlying("KXBTC", "BTC/USD", "BRTI")]
    )
    kraken_ws_url: Url = "wss://ws.kraken.com/v2"
    kraken_rest_url: Url = "https://api.kraken.com/0/public"


class Model(_Table, frozen=True):
    """`[model]`: the model folder."""

    path: Annotated[str, msgspec.Meta(min_length=1)] = "strategies/models/btc15m-demo/1"


class Feed(_Table, frozen=True):
    """`[feed]`: when market data is not to be trusted."""

    silent_max_s: Seconds = 15
    transport_lag_max_ms: Millis = 500
    clock_offset_max_ms: Millis = 1_000
    refused_per_minute_max: Annotated[int, msgspec.Meta(ge=1)] = 20
    channel_quiet_max_s: Seconds = 300


class Orders(_Table, frozen=True):
    """`[orders]`: the order queue."""

    ttl_ms: Millis = 1_000
    requests_per_s_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 10
    in_flight_max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    reserve_tokens: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 20


class RiskLimits(_Table, frozen=True):
    """`[risk]`: the named limits."""

    order_contracts_max: Count = 100
    position_contracts_max: Count = 300
    market_loss_max_dollars: Dollars = 200
    total_loss_max_dollars: Dollars = 600
    daily_loss_max_dollars: Dollars = 300
    price_away_max_cents: Annotated[int, msgspec.Meta(ge=1, le=99)] = 10
    orders_per_minute_max: Count = 120
    close_guard_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 10


class BreakerLimits(_Table, frozen=True):
    """`[breaker]`: when to stop sending, and how to find out that one may again."""

    failures_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    probe_every_s: Seconds = 2


class Reconcile(_Table, frozen=True):
    """`[reconcile]`: how often the account is compared with the venue's lists."""

    every_s: Seconds = 30


class Audit(_Table, frozen=True):
    """`[audit]`: the streamed books are held against REST ones, one market after the other."""

    every_s: Seconds = 30
    differences_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2


class StrategyTable(msgspec.Struct, frozen=True):
    """`[strategies.<name>]`: what every strategy has; its other keys are its own `Params`."""

    name: str
    enabled: bool
    series: list[str]
    params: dict[str, Any]


class Metrics(_Table, frozen=True):
    """`[metrics]`: where Prometheus scrapes."""

    listen: Address = "127.0.0.1:9464"


class Log(_Table, frozen=True):
    """`[log]`: how much, and for whom."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Config(_Table, frozen=True):
    """The whole file. Paths are as written; `root` is the folder that they are relative to."""

    root: Path
    mode: Literal["sandbox", "demo"] = "sandbox"
    state_dir: Annotated[str, msgspec.Meta(min_length=1)] = "var"
    venue: Venue = Venue()
    sandbox: Sandbox = Sandbox()
    markets: Markets = Markets()
    model: Model = Model()
    feed: Feed = Feed()
    orders: Orders = Orders()
    risk: RiskLimits = RiskLimits()
    breaker: BreakerLimits = BreakerLimits()
    reconcile: Reconcile = Reconcile()
    reference: ReferenceTable = ReferenceTable()
    audit: Audit = Audit()
    strategies: tuple[StrategyTable, ...] = ()
    metrics: Metrics = Metrics()
    log: Log = Log()

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
        )


PORT_MAX = 65_535
PRODUCTION_HOSTS = ("external-api.kalshi.com", "external-api-ws.kalshi.com", "api.elections.kalshi.com")
"""Where orders are real. Source: protocol sheet 1.1."""


def _strategies(reader: TomlTables, found: object) -> tuple[StrategyTable, ...]:
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
        for key in ("enabled", "series"):
            if key not in table:
                reader.complain(path, f"{key} is missing")
        reader.field((*path, "enabled"), table.get("enabled", True), bool)
        series = reader.field((*path, "series"), table.get("series", ["X"]), Tickers)
        params = {key: value for key, value in table.items() if key not in ("enabled", "series")}
        known = series if isinstance(series, list) else []
        tables.append(StrategyTable(name, table.get("enabled") is True, known, params))
    return tuple(tables)


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
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from None
    reader = TomlTables(name, text)
    found = document.pop("strategies", {})
    values = reader.table((), document, Config, elsewhere=("root", "strategies"))
    strategies = _strategies(reader, found)
    if reader.problems:
        raise ConfigError(reader.problems)
    config = Config(root=root, strategies=strategies, **values)  # type: ignore[arg-type]  # checked field by field above
    if config.mode == "demo":
        _check_demo(reader, config)
    if config.orders.reserve_tokens >= 100:
        reader.complain(("orders", "reserve_tokens"), "must stay below the smallest write bucket (100)")
    if int(config.metrics.listen.rpartition(":")[2]) > PORT_MAX:
        reader.complain(("metrics", "listen"), f"{config.metrics.listen!r}: ports end at {PORT_MAX}")
    _check_markets(reader, config)
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


def _check_demo(reader: TomlTables, config: Config) -> None:
    """Complain of what the demo exchange lacks, and of hosts that are not it."""
    for key in ("key_id", "private_key_file"):
        if not getattr(config.venue, key):
            reader.complain(("venue", key), 'mode = "demo" needs it')
    for key in ("rest_url", "ws_url"):
        if urlsplit(getattr(config.venue, key)).hostname in PRODUCTION_HOSTS:
            reader.complain(("venue", key), 'mode = "demo" is refused where orders are real')


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
