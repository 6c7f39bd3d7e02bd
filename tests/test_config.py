"""config.toml: the shipped file is the schema; what is wrong with one is said at once, with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from daemon.config import Config, ConfigError, convert_params, load_config, parse_config
from daemon.config_tables import StrategyTable
from daemon.core.risk import Limits
from daemon.core.units import MILLISECOND, MONEY_ONE, QTY_ONE, SECOND
from daemon.trading_hours import parse_trading_hours
from strategies import SHIPPED

ROOT = Path(__file__).parents[1]
SHIPPED_FILE = ROOT / "config.toml"


def tables_of(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The fields of a struct that are structs themselves."""
    hints = get_type_hints(kind)
    return {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    }


def problems(text: str) -> list[str]:
    """What is wrong with a text; fails if nothing is."""
    with pytest.raises(ConfigError) as caught:
        parse_config("config.toml", text, ROOT)
    return caught.value.problems


# --- the shipped file ----------------------------------------------------------------------------


def test_the_shipped_file_has_every_key_of_the_schema_and_no_other() -> None:
    """Table by table: whoever reads the file knows all that can be set."""
    document = tomllib.loads(SHIPPED_FILE.read_text(encoding="utf-8"))
    assert set(Config.__struct_fields__) - {"root"} == set(document)
    for name, kind in tables_of(Config).items():
        assert set(kind.__struct_fields__) == set(document[name]), name
    assert set(SHIPPED) == set(document["strategies"])
    for name, shipped in SHIPPED.items():
        written = set(document["strategies"][name])
        assert 1 == len({"series", "categories"} & written), name
        assert {"enabled", *shipped.params.__struct_fields__} == written - {"series", "categories"}, name


def test_every_shipped_value_is_the_schemas_default() -> None:
    """An empty file is the shipped one, but for its strategies: those trade only when they are named."""
    shipped, empty = load_config(SHIPPED_FILE), parse_config("config.toml", "", SHIPPED_FILE.parent)
    assert () == empty.strategies
    assert msgspec.structs.replace(shipped, strategies=()) == empty
    for table in shipped.strategies:
        params = SHIPPED[table.name].params
        assert params() == convert_params(str(SHIPPED_FILE), table, params)


def test_no_secret_is_in_the_shipped_file() -> None:
    """It names a key file, and no key."""
    shipped = load_config(SHIPPED_FILE)
    assert ("", "") == (shipped.venue.key_id, shipped.venue.private_key_file)
    assert "PRIVATE KEY" not in SHIPPED_FILE.read_text(encoding="utf-8")


def test_limits_are_the_cores_exact_units() -> None:
    """Contracts, dollars, cents, seconds and milliseconds become integers without a float."""
    text = (
        "[risk]\norder_contracts_max = 7\nposition_contracts_max = 8\nmarket_loss_max_dollars = 9\n"
        "total_loss_max_dollars = 10\ndaily_loss_max_dollars = 11\nprice_away_max_cents = 12\n"
        "orders_per_minute_max = 13\nclose_guard_s = 14\norder_notional_max_dollars = 15\n"
        "fair_away_max_cents = 16\nevent_contracts_max = 17\nseries_contracts_max = 18\n"
        "settlement_contracts_max = 19\ntotal_contracts_max = 20\nevent_loss_max_dollars = 21\n"
        "exposure_max_dollars = 22\ncash_reserve_dollars = 23\norders_per_market_max = 24\n"
        "open_orders_max = 25\nrequests_per_minute_max = 26\nrepeated_fills_max = 27\n"
        "duplicate_window_ms = 28\nvolume_day_contracts_min = 29\nspread_max_cents = 30\n"
        "depth_contracts_min = 31\ntrading_hours = 'Mon-Fri 09:30-16:00 UTC'\ndrawdown_max_dollars = 32\n"
        "losing_streak_max = 33\nstop_loss_cents = 34\ntake_profit_cents = 35\n"
        "[feed]\nsilent_max_s = 15\ntransport_lag_max_ms = 16\nclock_offset_max_ms = 17\n"
    )
    expected = Limits(
        order_qty_max=7 * QTY_ONE,
        position_qty_max=8 * QTY_ONE,
        market_loss_max=9 * MONEY_ONE,
        total_loss_max=10 * MONEY_ONE,
        daily_loss_max=11 * MONEY_ONE,
        price_away_max=1_200,
        orders_per_minute_max=13,
        close_guard=14 * SECOND,
        feed_silent_max=15 * SECOND // 2,
        transport_lag_max=16 * MILLISECOND,
        clock_offset_max=17 * MILLISECOND,
        refused_per_minute_max=20,
        order_notional_max=15 * MONEY_ONE,
        fair_away_max=1_600,
        event_qty_max=17 * QTY_ONE,
        series_qty_max=18 * QTY_ONE,
        settlement_qty_max=19 * QTY_ONE,
        total_qty_max=20 * QTY_ONE,
        event_loss_max=21 * MONEY_ONE,
        exposure_max=22 * MONEY_ONE,
        cash_reserve=23 * MONEY_ONE,
        market_orders_max=24,
        open_orders_max=25,
        requests_per_minute_max=26,
        repeated_fills_max=27,
        duplicate_window=28 * MILLISECOND,
        volume_day_min=29 * QTY_ONE,
        spread_max=3_000,
        depth_min=31 * QTY_ONE,
        hours=parse_trading_hours("Mon-Fri 09:30-16:00 UTC"),
        drawdown_max=32 * MONEY_ONE,
        losing_streak_max=33,
        stop_loss=3_400,
        take_profit=3_500,
    )
    assert expected == parse_config("config.toml", text, ROOT).limits()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Wherever the daemon is started from."""
    path = tmp_path / "config.toml"
    path.write_text('state_dir = "state"\n')
    config = load_config(path)
    assert tmp_path / "state" == config.path(config.state_dir)
    assert Path("/var/lib/kalshid") == config.path("/var/lib/kalshid")
    assert Path.home() / "key.pem" == config.path("~/key.pem")


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modes = 1", ":1: modes: unknown key; did you mean mode?"),
        ("\n[feeds]\n", ":2: feeds: unknown key; did you mean feed?"),
        ("[feed]\nsilent_max = 3", ":2: feed.silent_max: unknown key; did you mean silent_max_s?"),
        ("[log]\nzzz = 3", ":2: log.zzz: unknown key; allowed: level, format"),
        ("root = '/'", ":1: root: unknown key"),
        ("[orders]\nttl_ms = '5'", ":2: orders.ttl_ms: '5' is not allowed: Expected `int`, got"),
        ("[orders]\nttl_ms = 5.0", ":2: orders.ttl_ms: 5.0 is not allowed: Expected `int`"),
        ("[orders]\nttl_ms = true", ":2: orders.ttl_ms: True is not allowed: Expected `int`"),
        ("[orders]\nttl_ms = 0", ":2: orders.ttl_ms: 0 is not allowed: Expected `int` >= 1"),
        ("[orders]\nttl_ms = 60001", ":2: orders.ttl_ms: 60001 is not allowed: Expected `int` <= 60000"),
        ("[feed]\nsilent_max_s = 86401", ":2: feed.silent_max_s: 86401 is not allowed: Expected `int` <= "),
        ('mode = "paper"', ":1: mode: 'paper' is not allowed: expected one of 'sandbox', 'demo', 'shadow'"),
        ('[log]\nlevel = "loud"', ":2: log.level: 'loud' is not allowed: expected one of 'debug'"),
        ("[markets]\nseries = []", ":1: markets: name what to watch: series, events, tickers or categories"),
        ('[markets]\nseries = ["kx"]', ":2: markets.series: ['kx'] is not allowed"),
        ('[venue]\nrest_url = "ftp://x"', ":2: venue.rest_url: 'ftp://x' is not allowed"),
        ('[page]\nlisten = "0.0.0.0:8484"', ":2: page.listen: '0.0.0.0:8484' is not allowed"),
        ('[page]\nlisten = "localhost:70000"', ":2: page.listen: 'localhost:70000': ports end"),
        ('[metrics]\nlisten = "9464"', ":2: metrics.listen: '9464' is not allowed"),
        ('[metrics]\nlisten = "127.0.0.1:70000"', ":2: metrics.listen: '127.0.0.1:70000': ports end"),
        ("[orders]\nreserve_tokens = 100", ":2: orders.reserve_tokens: must stay below"),
        ("venue = 5", ":1: venue: 5 is not allowed: expected a table"),
        ("orders.ttl_ms = 0", ":1: orders.ttl_ms: 0 is not allowed: Expected `int` >= 1"),
        ("state_dir = ''", ":1: state_dir: '' is not allowed"),
        ("strategies = 5", ":1: strategies: expected tables [strategies.<name>]"),
        ("[strategies]\nfair_value = 5", ":2: strategies.fair_value: expected a table"),
        ("[strategies.x]\nseries = ['A']", ":1: strategies.x: enabled is missing"),
        ("[strategies.x]\nenabled = true", ":1: strategies.x: series is missing"),
        (
            '[calendar]\nreleases = [{ series = "KXCPI", at = 2026-12-10T13:30:00, name = "CPI" }]',
            ":2: calendar.releases: [{",
        ),
        ('[model]\nnamed = { default = "a" }', ":2: model.named: {'default': 'a'} is not allowed"),
        ('[model]\nnamed = { slow = "" }', ":2: model.named: {'slow': ''} is not allowed"),
        (
            "[strategies.x]\nenabled = true\nseries = ['KXBTC15M']\nmodel = 'slow'",
            ":4: strategies.x.model: 'slow' is not in [model.named]; there are: none",
        ),
        ("[strategies.x]\nenabled = true\nseries = ['A']\nmodel = 5", ":4: strategies.x.model: 5 is not"),
        ("[strategies.x]\nenabled = 1\nseries = ['A']", ":2: strategies.x.enabled: 1 is not allowed"),
        ("[strategies.x]\nenabled = true\nseries = 5", ":3: strategies.x.series: 5 is not allowed"),
        ("[strategies.x]\nenabled = true\nseries = 'A'", ":3: strategies.x.series: 'A' is not allowed"),
    ],
)  # fmt: skip
def test_a_problem_names_line_key_value_and_what_is_allowed(text: str, expected: str) -> None:
    """Unknown keys with the nearest known one, wrong types, values out of range."""
    (problem,) = problems(text)
    assert problem.startswith(f"config.toml{expected}"), problem


def test_everything_wrong_is_said_at_once_with_its_line() -> None:
    """Nobody should have to start five times to learn of five mistakes."""
    text = (
        'mode = "paper"\n'
        "\n"
        "[orders]\n"
        "ttl_ms = 0   # a comment\n"
        "  in_flight_max = 'many'\n"
        "[ risk ]  # another\n"
        "close_gard_s = 1\n"
        "[strategies.fair_value]\n"
        "enabled = true\n"
        "series = []\n"
    )
    starts = [problem.split(": ")[:2] for problem in problems(text)]
    assert [
        ["config.toml:1", "mode"],
        ["config.toml:4", "orders.ttl_ms"],
        ["config.toml:5", "orders.in_flight_max"],
        ["config.toml:7", "risk.close_gard_s"],
        ["config.toml:10", "strategies.fair_value.series"],
    ] == starts


def test_what_is_not_toml_is_said_with_its_place() -> None:
    """The parser's own words, with line and column."""
    (problem,) = problems("mode = \n")
    assert problem.startswith("config.toml: not TOML: ")
    assert "line 1" in problem


def test_a_text_nested_beyond_reading_is_no_toml() -> None:
    """Whoever writes thousands of brackets gets an error like any other."""
    (problem,) = problems("x = " + "[" * 100_000)
    assert problem.startswith("config.toml: not TOML: ")


def test_a_key_twice_is_no_toml() -> None:
    """The later one doesn't win silently."""
    (problem,) = problems('mode = "demo"\nmode = "sandbox"\n')
    assert "not TOML" in problem


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """No such file, a folder, or bytes that are no text."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "binary.toml"):
        with pytest.raises(ConfigError, match="can't be read") as caught:
            load_config(path)
        assert str(path) in str(caught.value)


def test_demo_needs_a_key() -> None:
    """Both of its parts, said at once, with the line where the key stands empty."""
    found = problems('mode = "demo"\n[venue]\nkey_id = ""\n')
    assert [
        'config.toml:3: venue.key_id: mode = "demo" needs it',
        'config.toml: venue.private_key_file: mode = "demo" needs it',
    ] == found
    config = parse_config(
        "config.toml", 'mode = "demo"\n[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\n', ROOT
    )
    assert "demo" == config.mode


# --- a strategy's own parameters -----------------------------------------------------------------


def test_a_strategys_parameters_are_its_own() -> None:
    """What is neither `enabled` nor `series` is kept for the strategy, unchecked here."""
    config = parse_config("c", "[strategies.x]\nenabled = false\nseries = ['A']\nedge = 0.5\n", ROOT)
    assert (StrategyTable("x", False, ["A"], {"edge": 0.5}),) == config.strategies


def test_a_series_that_is_not_watched_is_no_series_to_trade() -> None:
    """A strategy that could never see its market would wait in silence."""
    text = "[markets]\nseries = ['A']\n[strategies.x]\nenabled = true\nseries = ['A', 'B']\n"
    assert ["config.toml:5: strategies.x.series: B not among [markets]: never watched"] == problems(text)


def test_wrong_parameters_are_all_named_with_their_lines(tmp_path: Path) -> None:
    """As any other key of the file."""
    path = tmp_path / "config.toml"
    path.write_text(
        "[strategies.fair_value]\nenabled = true\nseries = ['KXBTC15M']\nedge_mn = 0.1\nmargin = 'wide'\n"
        "kelly_fraction = 0.0\nbook_changed_max_ms = 'never'\nedge_min = nan\n"
    )
    (table,) = load_config(path).strategies
    with pytest.raises(ConfigError) as caught:
        convert_params(str(path), table, SHIPPED["fair_value"].params)
    starts = [problem.removeprefix(f"{path}:").split(": ")[:2] for problem in caught.value.problems]
    assert [
        ["4", "strategies.fair_value.edge_mn"],
        ["5", "strategies.fair_value.margin"],
        ["6", "strategies.fair_value.kelly_fraction"],
        ["7", "strategies.fair_value.book_changed_max_ms"],
        ["8", "strategies.fair_value.edge_min"],
    ] == starts
    assert "did you mean edge_min?" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("rest_url", "https://external-api.kalshi.com/trade-api/v2"),
        ("rest_url", "https://api.elections.kalshi.com/trade-api/v2"),
        ("ws_url", "wss://external-api-ws.kalshi.com/trade-api/ws/v2"),
    ],
)
def test_practice_is_not_sent_where_orders_are_real(key: str, url: str) -> None:
    """One wrong line must not trade with real money."""
    text = f'mode = "demo"\n[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\n{key} = "{url}"\n'
    expected = f"""config.toml:5: venue.{key}: mode = "demo" is refused where orders are real"""
    assert [expected] == problems(text)


@pytest.mark.parametrize("mode", ["shadow", "live"])
def test_live_books_are_kalshis_own(mode: str) -> None:
    """Not demo's, nobody else's, and never in the clear; this machine's only so that tests can be it."""
    start = f'mode = "{mode}"\n[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\n'
    good = {
        "rest_url": "https://external-api.kalshi.com/trade-api/v2",
        "ws_url": "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
    }
    wrong = {
        "https://external-api.demo.kalshi.co/trade-api/v2": "needs Kalshi's own",
        "https://external-api.kalshi.com.example.org/trade-api/v2": "needs Kalshi's own",
        "http://localhost:8000/trade-api/v2": "needs Kalshi's own",
        "http://external-api.kalshi.com/trade-api/v2": "needs an encrypted connection",
    }

    def text(**changes: str) -> str:
        return start + "".join(f'{key} = "{url}"\n' for key, url in (good | changes).items())

    assert mode == parse_config("config.toml", text(), ROOT).mode
    parse_config("config.toml", text(rest_url="http://127.0.0.1:8000/trade-api/v2"), ROOT)
    for url, what in wrong.items():
        (problem,) = problems(text(rest_url=url))
        assert f'venue.rest_url: mode = "{mode}" {what}: "{good["rest_url"]}"' in problem


def test_fills_come_from_within_in_shadow_alone() -> None:
    """No stream could tell of them there; elsewhere over the first connection, or one of their own."""
    own = '[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\nprivate_connection = true\n'
    urls = 'rest_url = "http://127.0.0.1:1/v2"\nws_url = "ws://127.0.0.1:1/v2"\n'
    assert "first" == parse_config("config.toml", "", ROOT).private_channels
    assert "own" == parse_config("config.toml", own, ROOT).private_channels
    assert "none" == parse_config("config.toml", f'mode = "shadow"\n{own}{urls}', ROOT).private_channels


def test_what_is_wrong_inside_a_list_is_named_with_its_place() -> None:
    """An underlying without its index."""
    text = '[reference]\nunderlyings = [{ series = "KXBTC", kraken = "BTC/USD" }]\n'
    (problem,) = problems(text)
    assert problem.startswith("config.toml:2: reference.underlyings: ")
    assert "cfbenchmarks" in problem
    assert "underlyings[0]" in problem
