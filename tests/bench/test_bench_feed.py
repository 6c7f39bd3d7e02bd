"""The feed's hot path, measured against `json.loads` into dicts in the same run.

`feed_rates` is also what `make bench` calls. In the gate it runs once, small, for correctness: figures
depend on the machine, so only what must hold on any machine is asserted.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived
from daemon.core.units import format_price, format_qty
from daemon.kalshi.session import Session

MARKETS = 20
_LEVELS = 20


def _frames(count: int, seed: int = 1) -> list[bytes]:
    """Return snapshots of 20 markets, then `count` deltas that no book refuses, in today's wire format."""
    rng = random.Random(seed)
    tickers = [f"KXBTC15M-26SEP2515{i:02d}-{i:02d}" for i in range(MARKETS)]
    sizes: dict[tuple[int, str, int], int] = {}
    frames: list[bytes] = []
    for market, ticker in enumerate(tickers):
        ladders: dict[str, list[list[str]]] = {}
        for side in ("yes", "no"):
            for level in range(_LEVELS):
                sizes[market, side, 2000 + 100 * level] = 10_000
            ladders[f"{side}_dollars_fp"] = [[format_price(2000 + 100 * i), "100.00"] for i in range(_LEVELS)]
        frames.append(_frame("orderbook_snapshot", len(frames) + 1, {"market_ticker": ticker, **ladders}))
    while len(frames) < count + MARKETS:
        market, side = rng.randrange(MARKETS), rng.choice(("yes", "no"))
        key = (market, side, 2000 + 100 * int(rng.triangular(0, _LEVELS + 2, _LEVELS)))
        size = sizes.get(key, 0)
        delta = -size if size and rng.random() < 0.3 else rng.randrange(1, 500) * 100
        sizes[key] = size + delta
        msg = {
            "market_ticker": tickers[market],
            "market_id": "ef0ce114-eb71-419d-9563-c670d1859d5d",
            "price_dollars": format_price(key[2]),
            "delta_fp": format_qty(delta),
            "side": side,
            "ts": "2026-09-25T19:13:44.342537Z",
            "ts_ms": 1790363624342 + len(frames),
        }
        frames.append(_frame("orderbook_delta", len(frames) + 1, msg))
    return frames


def _frame(kind: str, seq: int, msg: object) -> bytes:
    text = json.dumps({"type": kind, "sid": 1, "seq": seq, "msg": msg}, separators=(",", ":"))
    return text.encode() + b"\n"


def _open_session() -> Session:
    session = Session(is_private=False)
    session.watch([f"KXBTC15M-26SEP2515{i:02d}-{i:02d}" for i in range(MARKETS)])
    session.connected(0)
    session.receive(b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}', 0)
    return session


def _run_session(frames: list[bytes]) -> tuple[int, int]:
    """Decode, apply and read the top for every frame; return (sum of tops, synced books)."""
    session = _open_session()
    books = {ticker: Book(ticker) for ticker in session.watched}
    receive = session.receive
    tops = 0
    for at, frame in enumerate(frames):
        for event in receive(frame, at):
            if type(event) is BookDeltaReceived:
                book = books[event.ticker]
                book.apply_delta(event)
            elif type(event) is BookSnapshotReceived:
                book = books[event.ticker]
                book.apply_snapshot(event)
            else:
                continue
            bid, ask = book.bid, book.ask
            if bid is not None and ask is not None:
                tops += bid + ask
    return tops, sum(book.is_synced for book in books.values())


def _run_json(frames: list[bytes]) -> tuple[int, int]:
    """Only turn every frame into dicts: the least that any client with json does."""
    loads = json.loads
    kinds = 0
    for frame in frames:
        kinds += len(loads(frame)["type"])
    return kinds, MARKETS


def _rate(run: Callable[[list[bytes]], tuple[int, int]], frames: list[bytes]) -> float:
    started = time.perf_counter()
    run(frames)
    return len(frames) / (time.perf_counter() - started)


def feed_rates(frames_count: int = 100_000, rounds: int = 5) -> dict[str, float]:
    """Return median rates in messages per second, interleaved, and the median of their ratios.

    Keys: `session_per_s` (decode, apply, top of book), `json_per_s` (`json.loads` into dicts alone),
    `ratio`, `frame_bytes`.
    """
    frames = _frames(frames_count)
    pairs = [(_rate(_run_session, frames), _rate(_run_json, frames)) for _ in range(rounds)]
    return {
        "session_per_s": statistics.median(session for session, _ in pairs),
        "json_per_s": statistics.median(plain for _, plain in pairs),
        "ratio": statistics.median(session / plain for session, plain in pairs),
        "frame_bytes": statistics.median(len(frame) for frame in frames),
    }


def test_every_book_of_the_measured_run_ends_synced() -> None:
    """What the benchmark measures is real work: no frame is refused and no book is lost on the way."""
    tops, synced = _run_session(_frames(2_000))
    assert MARKETS == synced
    assert tops > 0


def test_rates_are_reported() -> None:
    """The benchmark returns a rate for both ways and their ratio."""
    rates = feed_rates(frames_count=500, rounds=1)
    assert ["frame_bytes", "json_per_s", "ratio", "session_per_s"] == sorted(rates)
    assert all(rate > 0 for rate in rates.values())
