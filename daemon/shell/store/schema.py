"""The store's tables, as the steps that lead to them. A step that was released is never changed: add one.

Version N of a file is what the first N steps make; `PRAGMA user_version` says which it is.
"""

from __future__ import annotations

import sqlite3

_FIRST = """
CREATE TABLE runs (
  epoch INTEGER PRIMARY KEY, at INTEGER NOT NULL, mode TEXT NOT NULL, version TEXT NOT NULL,
  strategies TEXT NOT NULL, model_sha256 TEXT NOT NULL, limits_hash TEXT NOT NULL
) STRICT;
CREATE TABLE run_ends (
  epoch INTEGER PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL, exit_code INTEGER NOT NULL
) STRICT;
CREATE TABLE api_calls (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER,
  latency INTEGER NOT NULL, tokens INTEGER
) STRICT;
CREATE INDEX api_calls_at ON api_calls (at);
CREATE TABLE intents (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, client_order_id TEXT NOT NULL, action TEXT NOT NULL,
  ticker TEXT NOT NULL, side TEXT, price INTEGER, qty INTEGER, style TEXT, purpose TEXT, strategy TEXT,
  reason TEXT NOT NULL, score REAL
) STRICT;
CREATE INDEX intents_order ON intents (client_order_id);
CREATE TABLE order_changes (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, client_order_id TEXT NOT NULL, order_id TEXT,
  ticker TEXT NOT NULL, state TEXT NOT NULL, filled INTEGER NOT NULL, told_by TEXT NOT NULL
) STRICT;
CREATE INDEX order_changes_order ON order_changes (client_order_id);
CREATE TABLE fills (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, trade_id TEXT NOT NULL, order_id TEXT NOT NULL,
  client_order_id TEXT, ticker TEXT NOT NULL, side TEXT NOT NULL, price INTEGER NOT NULL,
  qty INTEGER NOT NULL, fee INTEGER NOT NULL, fee_predicted INTEGER, is_taker INTEGER NOT NULL, mid INTEGER,
  PRIMARY KEY (trade_id, order_id)
) STRICT;
CREATE INDEX fills_at ON fills (at);
CREATE TABLE marks (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, trade_id TEXT NOT NULL, order_id TEXT NOT NULL,
  after INTEGER NOT NULL, mid INTEGER, PRIMARY KEY (trade_id, order_id, after)
) STRICT;
CREATE TABLE settlements (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, ticker TEXT NOT NULL, price INTEGER NOT NULL,
  qty INTEGER NOT NULL, revenue INTEGER NOT NULL,
  fees INTEGER NOT NULL
) STRICT;
CREATE TABLE positions (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, ticker TEXT NOT NULL, qty INTEGER NOT NULL,
  cost INTEGER NOT NULL, realized INTEGER NOT NULL, fees INTEGER NOT NULL
) STRICT;
CREATE INDEX positions_ticker ON positions (ticker, at);
CREATE TABLE equity (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, cash INTEGER NOT NULL, equity INTEGER NOT NULL,
  worst_loss INTEGER NOT NULL, realized INTEGER NOT NULL, fees INTEGER NOT NULL
) STRICT;
CREATE INDEX equity_at ON equity (at);
CREATE TABLE findings (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
  believed INTEGER, told INTEGER, rule TEXT NOT NULL
) STRICT;
CREATE TABLE refusals (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, ticker TEXT NOT NULL, strategy TEXT NOT NULL,
  name TEXT NOT NULL, count INTEGER NOT NULL
) STRICT;
CREATE INDEX refusals_at ON refusals (at);
CREATE TABLE halts (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
  told_by TEXT NOT NULL
) STRICT;
"""

_EVIDENCE = """
ALTER TABLE runs ADD COLUMN config_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE equity ADD COLUMN phase TEXT NOT NULL DEFAULT '';
CREATE TABLE breakers (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
"""

_MODELS = """
CREATE TABLE model_swaps (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, slot TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT;
CREATE TABLE judged_markets (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, ticker TEXT NOT NULL, instants INTEGER NOT NULL,
  outcome REAL NOT NULL, model REAL NOT NULL, mid REAL NOT NULL, challenger REAL
) STRICT;
"""

_RELOADS = """
CREATE TABLE config_reloads (
  epoch INTEGER NOT NULL, at INTEGER NOT NULL, config_sha256 TEXT NOT NULL
) STRICT;
"""

STEPS: tuple[str, ...] = (_FIRST, _EVIDENCE, _MODELS, _RELOADS)
"""Each brings a file from its version to the next."""
APPLICATION_ID = 0x6B616C73
"""`kals`: so that no other program's file is taken for ours."""


class SchemaUnknown(Exception):
    """The file is not a store, or one of a version that this program doesn't know."""


def migrate(database: sqlite3.Connection) -> int:
    """Bring a file to the newest version, each step in a transaction; return the version found.

    Raises:
        SchemaUnknown: nothing was changed.
        sqlite3.Error: the file refuses; the steps before stand.
    """
    (found,) = database.execute("PRAGMA user_version").fetchone()
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and tables:
        raise SchemaUnknown("not a store of kalshid")
    if found > len(STEPS):
        raise SchemaUnknown(f"version {found}; this program knows versions up to {len(STEPS)}")
    for version in range(found, len(STEPS)):
        script = f"BEGIN IMMEDIATE;\n{STEPS[version]}\nPRAGMA user_version = {version + 1};\n"
        try:
            database.executescript(f"{script}PRAGMA application_id = {APPLICATION_ID};\nCOMMIT;")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
    assert isinstance(found, int)
    return found
