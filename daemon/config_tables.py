"""The tables of `config.toml`, one struct each: names, types, bounds and defaults. `config` reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Millis = Annotated[int, msgspec.Meta(ge=1, le=600_000)]
Dollars = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https?|wss?)://[^\s]+$")]
CloseGuard = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
Cents = Annotated[int, msgspec.Meta(ge=1, le=99)]
SeriesTicker = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]+$")]
Ticker = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9][A-Z0-9.\-]*$")]
Tickers = Annotated[list[SeriesTicker], msgspec.Meta(min_length=1)]
Categories = Annotated[list[Annotated[str, msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]
Source = Literal["kraken", "cfbenchmarks"]
LoopbackAddress = Annotated[str, msgspec.Meta(pattern=r"^((127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5})?$")]
Address = Annotated[str, msgspec.Meta(pattern=r"^[^\s:]+:[0-9]{1,5}$")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all tables share."""


class Venue(Table, frozen=True):
    """`[venue]`: where Kalshi is, and our key. Used by every mode but "sandbox"."""

    rest_url: Url = "https://external-api.demo.kalshi.co/trade-api/v2"
    ws_url: Url = "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"
    key_id: str = ""
    private_key_file: str = ""
    request_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    markets_per_connection: Annotated[int, msgspec.Meta(ge=1, le=400)] = 400
    private_connection: bool = False


class Sandbox(Table, frozen=True):
    """`[sandbox]`: the exchange that ships with kalshid."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    cash_dollars: Dollars = 10_000
    idle_exit_s: Seconds = 600
    maintenance: bool = False


class Shadow(Table, frozen=True):
    """`[shadow]`: the account that trades on paper on the live exchange's books."""

    cash_dollars: Dollars = 10_000
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 150


class Live(Table, frozen=True):
    """`[live]`: what a person writes before real money is traded."""

    confirm: str = ""
    override_reason: str = ""


class Markets(Table, frozen=True):
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


class ReferenceTable(Table, frozen=True):
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


class ReleaseTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scheduled publication: whose markets it moves, and when; the time has a zone, such as Z."""

    series: SeriesTicker
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    name: Annotated[str, msgspec.Meta(min_length=1)]


class Calendar(Table, frozen=True):
    """`[calendar]`: what is published when."""

    releases: list[ReleaseTable] = []


ModelName = Annotated[str, msgspec.Meta(pattern="^(?!(default|challenger|fallback)$)[a-z][a-z0-9_]*$")]
ModelPath = Annotated[str, msgspec.Meta(min_length=1)]


class Model(Table, frozen=True):
    """`[model]`: the model folders.

    `named` are those that strategies name; `challenger` is only measured; `fallback` takes the place of one
    that has drifted.
    """

    path: ModelPath = "strategies/models/btc15m-demo/1"
    challenger: str = ""
    named: dict[ModelName, ModelPath] = {}
    fallback: str = ""


class Drift(Table, frozen=True):
    """`[drift]`: when a model is taken to see another world than it was trained on."""

    events: Annotated[int, msgspec.Meta(ge=50, le=100_000)] = 500
    alarm_delta: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.002
    warn_z: Annotated[float, msgspec.Meta(ge=1, le=100)] = 3.0
    warn_psi: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.25


class Feed(Table, frozen=True):
    """`[feed]`: when market data is not to be trusted."""

    silent_max_s: Seconds = 15
    transport_lag_max_ms: Millis = 500
    clock_offset_max_ms: Millis = 1_000
    refused_per_minute_max: Annotated[int, msgspec.Meta(ge=1)] = 20
    channel_quiet_max_s: Seconds = 300


class Orders(Table, frozen=True):
    """`[orders]`: the order queue."""

    ttl_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 1_000
    requests_per_s_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 10
    in_flight_max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    reserve_tokens: Annotated[int, msgspec.Meta(ge=10, le=10_000)] = 20
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    expire_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 60
    group_contracts_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 2_000
    id_prefix: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]{1,12}$")] = "kd"


class RiskLimits(Table, frozen=True):
    """`[risk]`: the named limits."""

    order_contracts_max: Count = 100
    position_contracts_max: Count = 300
    market_loss_max_dollars: Dollars = 200
    total_loss_max_dollars: Dollars = 600
    daily_loss_max_dollars: Dollars = 300
    price_away_max_cents: Annotated[int, msgspec.Meta(ge=1, le=99)] = 10
    orders_per_minute_max: Count = 120
    close_guard_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 10
    order_notional_max_dollars: Dollars = 100
    fair_away_max_cents: Cents = 30
    event_contracts_max: Count = 600
    series_contracts_max: Count = 900
    settlement_contracts_max: Count = 900
    total_contracts_max: Count = 1_500
    event_loss_max_dollars: Dollars = 300
    exposure_max_dollars: Dollars = 1_000
    cash_reserve_dollars: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 100
    orders_per_market_max: Count = 10
    open_orders_max: Count = 100
    requests_per_minute_max: Count = 300
    repeated_fills_max: Count = 20
    duplicate_window_ms: Millis = 50
    volume_day_contracts_min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 200
    spread_max_cents: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    depth_contracts_min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1
    trading_hours: str = ""
    drawdown_max_dollars: Dollars = 400
    losing_streak_max: Count = 10
    stop_loss_cents: Cents | Literal["off"] = "off"
    take_profit_cents: Cents | Literal["off"] = "off"


class BreakerLimits(Table, frozen=True):
    """`[breaker]`: when to stop sending, and how to find out that one may again."""

    failures_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    probe_every_s: Seconds = 2
    rejects_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    ack_p95_max_ms: Millis = 2_000
    cool_down_s: Seconds = 30


class Reconcile(Table, frozen=True):
    """`[reconcile]`: how often the account is compared with the venue's lists, and our fills are read."""

    every_s: Seconds = 30
    fills_every_ms: Annotated[int, msgspec.Meta(ge=500, le=4_000)] = 1_500


class Audit(Table, frozen=True):
    """`[audit]`: the streamed books are held against REST ones, one market after the other."""

    every_s: Seconds = 30
    differences_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2


class StrategyTable(msgspec.Struct, frozen=True):
    """`[strategies.<name>]`: what every strategy has; its other keys are its own `Params`."""

    name: str
    enabled: bool
    series: list[str]
    params: dict[str, Any]
    close_guard_s: int | None = None
    """So long before the close it leaves a market; None for the one of `[risk]`, or of slow strategies."""
    model: str = ""
    """Whose scores it reads: a name of `[model.named]`; empty for the default's."""
    capital_dollars: int | None = None
    """The most that it may have at stake; None for the limits of `[risk]` alone. So is the next."""
    daily_loss_max_dollars: int | None = None
    categories: list[str] = []
    """All series of these, besides `series`."""
    code_sha256: str = ""
    """Of its file, where that is the owner's own; empty for a shipped one. Never written by a person."""


class StoreTable(Table, frozen=True):
    """`[store]`: what happened, as SQL, for people and reports."""

    calls_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30


class Metrics(Table, frozen=True):
    """`[metrics]`: where Prometheus scrapes."""

    listen: Address = "127.0.0.1:9464"
    tickers_max: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class Page(Table, frozen=True):
    """`[page]`: where the owner's page is; "" is nowhere."""

    listen: LoopbackAddress = "127.0.0.1:8484"


NoticeKind: TypeAlias = Literal["halt", "loss_limit", "finding", "settlement", "daily_report"]


class Notify(Table, frozen=True):
    """`[notify]`: what is told to a person's telephone or mailbox."""

    urls_file: str = ""
    events: list[NoticeKind] = msgspec.field(default_factory=lambda: list(get_args(NoticeKind)))


class Log(Table, frozen=True):
    """`[log]`: how much, and for whom."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
