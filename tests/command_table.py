"""A row for every command: what is typed, and what must be true of what it says."""

from __future__ import annotations

from typing import Any, NamedTuple

from daemon import exits
from daemon.live_guard import DAYS_MIN
from tests.report.days import DAY_NAME

SERIES = "KXBTC15M"


class Row(NamedTuple):
    """A command's words, and what must be true of what it says. Patterns are searched for.

    Attributes:
        words: those that end well.
        says: a pattern of what it then tells a person; its JSON too, where that is its words.
        failing: words that do not.
        code: how they exit.
        wrong: a pattern of their complaint.
        has: what stands in a JSON of its own, in its first line where there are several; `...` is anything.
        last: what stands in the last of several lines.
        is_process: whether it lives until it is stopped, and is started as a process of its own.
        is_long: whether its words, not the failing ones, take so long that they are for the full run.
        extra: a package that the words need.
    """

    words: str
    says: str
    failing: str
    code: int
    wrong: str
    has: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    is_process: bool = False
    is_long: bool = False
    extra: str | None = None


BAD = r"bad\.toml:2: orders\.ttl_ms: 0 is not allowed"
NOBODY = "no daemon listens"
TRAIN = "--registry {tmp}/models --out {tmp}/out --trials 1"
# {live}: a daemon that runs. {fresh}: where nothing ever ran. {past}, {day}, {paper}: what lives left.
TABLE: dict[str, Row] = {
    "backup": Row(
        "{tmp}/away --config {past}", r"\.tar\.gz: [\d,]+ bytes",
        "{tmp}/away --config {fresh}", exits.BAD_INPUT, "neither a journal nor a store",
    ),
    "cancel-all": Row(
        "--config {live}", "nothing of ours rests", "--config {bad}", exits.CONFIG, BAD,
    ),
    "check": Row(
        "--config {fresh}", "model +ok", "--config {bad}", exits.CONFIG, BAD,
    ),
    "completion": Row("bash", "_KALSHID_COMPLETE", "csh", exits.USAGE, "'csh' is not one of"),
    "config check": Row(
        "--config {fresh}", "usable; mode", "--config {bad}", exits.CONFIG, BAD,
        has={"mode": "sandbox"},
    ),
    "config diff": Row(
        "--config {live}", "no difference", "--config {fresh}", exits.UNAVAILABLE, NOBODY,
        has={"changes": []},
    ),
    "config new": Row(
        "--profile shadow", 'mode = "shadow"', "--profile paper", exits.USAGE, "'paper' is not one of",
    ),
    "config show": Row(
        "--config {fresh}", 'mode = "sandbox"', "--config {bad}", exits.CONFIG, BAD,
        has={"key": "mode", "value": "sandbox"},
    ),
    "doctor": Row(
        "--config {fresh}", "model +ok", "--config {bad}", exits.CONFIG, BAD,
        has={"mode": "sandbox", "is_live": False},
    ),
    "explain": Row(
        "kd-mwqmtptw-1 --config {past}", r"P&L: -\$4\.7500 after fees",
        "kd-mwqmtptw-11 --config {past}", exits.BAD_INPUT, "near to it: kd-mwqmtptw-1",
        has={"client_order_id": "kd-mwqmtptw-1", "mode": "sandbox", "different": 0},
    ),
    "export": Row(
        "fills --config {past}", "epoch,mode_of_run,.*\n.*,sandbox,",
        "fills --config {fresh}", exits.UNAVAILABLE, r"store\.sqlite",
        has={"mode_of_run": "sandbox"}, last={},
    ),
    "fills": Row(
        "--config {past}", "1 fills, from the store",
        "--config {fresh}", exits.UNAVAILABLE, r"store\.sqlite", has={"mode": "sandbox", "source": "store"},
    ),
    "flatten": Row(
        "--config {live}", "flat, and halted until",
        "--config {fresh}", exits.UNAVAILABLE, "only a running daemon can close positions",
    ),
    "halt": Row(
        "--config {live} now", "halted, and on disk",
        "--config {bad}", exits.CONFIG, "there is no state folder",
    ),
    "install": Row(
        "--systemd --print --config {fresh}", "ExecStart=.*/config.toml",
        "--systemd --into {bad}/below", exits.UNRECORDED, "not installed",
    ),
    "lab champions": Row(
        "{registry}", r"btc15m: new/1 \(the second\)", "{damaged}", exits.BAD_INPUT, r"champions\.jsonl:1",
    ),
    "lab daily": Row(
        "--store {daily} --series KXMADE --registry {tmp}/m --folds 2 --trials 1 --features older",
        '"no change"', "--store {empty} --series KXMADE", exits.BAD_INPUT, "kalshid lab ingest", is_long=True,
    ),
    "lab dataset build": Row(
        "{tape} --out {tmp}/rows --every 2s --feature mid", "10 rows of 2 markets in 1 events",
        "{tape} --out {tmp}/rows --feature luck", exits.BAD_INPUT, "no such features: luck",
    ),
    "lab export-mlflow": Row(
        "{registry}/new/1 --uri file://{tmp}/runs", "new/1: exported",
        "{registry}/new/1 --uri runs", exits.USAGE, "--uri: ", extra="mlflow",
    ),
    "lab ingest kalshi": Row(
        f"--config {{live}} --store {{tmp}}/store --series {SERIES} --what markets", f"{SERIES}: 1 series",
        f"--config {{fresh}} --store {{tmp}}/store --series {SERIES}", exits.UNAVAILABLE,
        r"kalshid sandbox --state \S+/var/sandbox",
    ),
    "lab ingest kraken": Row(
        "--config {live} --store {tmp}/store", r"BTC/USD: \d+ ohlc new",
        "--config {fresh} --store {tmp}/store --pair BTC", exits.USAGE, "is not a pair such as BTC/USD",
    ),
    "lab ingest series": Row(
        "{releases} --name cpi --store {tmp}/store", "1 rows, 1 of them new",
        "{misprint} --name cpi --store {tmp}/store", exits.BAD_INPUT, r"misprint\.csv:2: known_at 'soon'",
    ),
    "lab pipeline": Row(
        "{markets} --out {tmp}/out --trials 1", "the market's mid",
        "{empty} --out {tmp}/out", exits.BAD_INPUT, "no journal here", is_long=True,
    ),
    "lab promote": Row(
        "{mine}/old/1 --line btc15m --reason again", r"btc15m: old/1 is champion \(again\)",
        "{mine}/old/1 --line btc15m", exits.BAD_INPUT, "not promoted",
    ),
    "lab retrain": Row(
        f"{{markets}} --series {SERIES} --days 3650 {TRAIN}", "challenger: ",
        f"{{empty}} --series {SERIES} {TRAIN}", exits.BAD_INPUT, "no journal here", is_long=True,
    ),
    "lab rollback": Row(
        "{mine} --line btc15m --reason loses", r"btc15m: old/1 is champion \(loses\)",
        "{mine} --line weather --reason loses", exits.BAD_INPUT, "not rolled back",
    ),
    "lab serve": Row(
        "--models {registry} --port 0", "listening on http://127",
        "--models {tmp}/none", exits.USAGE, "--models", has={"models": "{registry}"}, last={"exit_code": 0},
        is_process=True,
    ),
    "lab tape import": Row(
        "{golden} {tmp}/tape", "1 sessions, 4 markets",
        "{empty} {tmp}/tape", exits.BAD_INPUT, "no journal here",
    ),
    "lab train": Row(
        f"{{rows}} {TRAIN}", "the market's mid",
        f"{{empty}} {TRAIN}", exits.BAD_INPUT, "not a dataset's manifest",
        is_long=True,
    ),
    "lab train-demo": Row(
        "{tmp}/models", "btc15m-demo", "{tmp}/models --seed -1", exits.USAGE, "--seed", is_long=True,
    ),
    "lab train-sequence": Row(
        "{rows} --channel candle_mid_# --steps 2 --registry {tmp}/m --out {tmp}/out", "the market's mid",
        "{empty} --out {tmp}/out --steps 61", exits.USAGE, "--steps", is_long=True, extra="torch",
    ),
    "man": Row("", r"\.TH KALSHID 8", "8", exits.USAGE, "unexpected extra argument"),
    "model status": Row(
        "--config {live}", r"default \(traded\): btc15m-demo/1",
        "--config {fresh}", exits.UNAVAILABLE, NOBODY, has={"models": ...},
    ),
    "model swap": Row(
        "{demo} --config {live}", "default: btc15m-demo/1 -> btc15m-demo/1",
        "{empty} --config {live}", exits.BAD_INPUT, "not swapped",
    ),
    "orders": Row(
        "--config {live}", r"from the daemon \(process \d+\)",
        "--config {fresh}", exits.UNAVAILABLE, NOBODY, has={"mode": "sandbox", "source": "daemon"},
    ),
    "pnl": Row(
        "--config {live}", r"P&L today \(UTC\)  \$",
        "--config {fresh}", exits.UNAVAILABLE, NOBODY, has={"mode": "sandbox", "is_live": False},
    ),
    "positions": Row(
        "--config {live}", r"\d+ positions",
        "--config {fresh}", exits.UNAVAILABLE, NOBODY, has={"mode": "sandbox", "orders": []},
    ),
    "reconcile": Row(
        "--config {live}", "they agree", "--config {fresh}", exits.UNAVAILABLE, NOBODY,
        has={"is_agreed": True, "mode": "sandbox"},
    ),
    "reload": Row(
        "--config {live}", "unchanged: sha256", "--config {fresh}", exits.UNAVAILABLE, NOBODY,
        has={"outcome": "unchanged"},
    ),
    "replay": Row(
        "{golden}", "identical: every decision", "{releases}", exits.BAD_INPUT, r"releases\.csv: ",
    ),
    "report": Row(
        f"--day {DAY_NAME} --config {{day}}", r"PAPER 2024-10-04: P&L \+0\.8200 \$",
        "--config {fresh}", exits.BAD_INPUT, "nothing to report from", has={"mode": "sandbox"},
    ),
    "report golive": Row(
        "--days 3 --config {paper}", f"2 of {DAYS_MIN} needed",
        "--config {fresh}", exits.BAD_INPUT, "no evidence", has={"mode": "demo", "fills": 2},
    ),
    "resume": Row(
        "--reason mended --config {live}", "resumed: phase",
        "--reason '' --config {fresh}", exits.USAGE, "a halt is lifted for a reason",
    ),
    "run": Row(
        "--config {fresh} --for 1s", "after [0-9.]+ s: ", "--config {bad}", exits.CONFIG, BAD,
        has={"mode": "sandbox", "is_live": False}, last={"exit_code": 0, "error": None, "summary": ...},
        is_process=True,
    ),
    "sandbox": Row(
        "--state {tmp}/exchange --idle-exit 0.1s", '"rest_url":"http://127', "--speed max",
        exits.UNAVAILABLE, "--speed max is for tapes", has={"mode": ...}, last={"exit_code": 0},
        is_process=True,
    ),
    "status": Row(
        "--config {live}", r"[A-Z]+  process \d+", "--config {bad}", exits.CONFIG, BAD,
        has={"mode": "sandbox", "is_running": True, "notified": None},
    ),
    "strategy list": Row(
        "--config {fresh}", "fair_value +shipped", "--config {bad}", exits.CONFIG, BAD,
    ),
    "strategy new": Row(
        "mine_too --into {tmp}/mine --config {fresh}", r"\[strategies\.mine_too\]",
        "1x --config {fresh}", exits.USAGE, "begins with a letter",
    ),
    "strategy off": Row(
        "fair_value --config {live}", "fair_value is off",
        "luck --config {live}", exits.BAD_INPUT, "not switched",
    ),
    "strategy on": Row(
        "fair_value --config {live}", "fair_value is on",
        "fair_value --config {fresh}", exits.UNAVAILABLE, NOBODY,
    ),
    "version": Row("", r"Python 3\.\d+", "--old", exits.USAGE, "No such option", has={"kalshid": ...}),
    "why": Row(
        "--config {past}", "fair_value: 597 looks at 1 market",
        "fair_valu --config {past}", exits.BAD_INPUT, "near to it: fair_value",
        has={"mode": "sandbox", "decisions": 680, "different": 0},
    ),
}  # fmt: skip
NO_MODE = {
    "export": "each row has the mode of its run",
    "install": "only names a configuration, which may be written later",
    "strategy new": "reads one only to know where yours are",
}
"""Commands with --config that don't say PAPER or LIVE, and why."""
