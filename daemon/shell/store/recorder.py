"""What feeds a run's store: the pump's batches, the requests, the run's beginning and end.

The store is for people and reports. So nothing that goes wrong here reaches what trades: a file that can't be
opened, a disk that is full, even a mistake in the projection is said, counted, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from daemon.core import events as e
from daemon.core.commands import Command
from daemon.core.engine import Engine
from daemon.core.units import SECOND, Ns, format_price, format_qty
from daemon.shell.store import rows as r
from daemon.shell.store.projection import Projection
from daemon.shell.store.writer import KEPT, Store, StoreFailed

log = structlog.get_logger(__name__)

STORE_NAME = "store.sqlite"
"""In the state folder."""
_BATCHED = "/batched"


class Recorder:
    """The store of one run, or what is left of it after a failure."""

    def __init__(
        self,
        path: Path,
        engine: Engine,
        run: r.Run,
        *,
        cost: Callable[[str, str], int],
        now: Callable[[], Ns],
        kept: Ns = KEPT,
    ) -> None:
        """Open the store and write the run's beginning; a store that can't be opened is said, and missed.

        Args:
            path: its file.
            engine: whose run it is.
            run: its beginning.
            cost: the tokens of a request, by method and path.
            now: our clock.
            kept: how long calls and refusals are kept.
        """
        self._cost = cost
        self._now = now
        self._projection: Projection | None = Projection(engine)
        self._failure: str | None = None
        self._store: Store | None = None
        try:
            self._store = Store(path, engine.config.epoch, kept)
        except StoreFailed as error:
            self._failure = str(error)
            log.error("store.failed", reason=str(error))
        else:
            self._store.put((run,))

    @property
    def failure(self) -> str | None:
        """Why nothing is written at this moment; None when all is well."""
        return self._failure or (None if self._store is None else self._store.failure)

    @property
    def rows(self) -> dict[str, int]:
        """Rows so far, by whether they were `written` or `lost`."""
        if self._store is None:
            return {"written": 0, "lost": 0}
        return {"written": self._store.written_total, "lost": self._store.lost_total}

    def keep(self, kept: Ns) -> None:
        """From now on delete calls and refusals that are older than this."""
        if self._store is not None:
            self._store.kept = kept

    def on_batch(self, events: Sequence[e.Event], commands: Sequence[Command]) -> None:
        """Take what the core has handled and decided."""
        store, projection = self._store, self._projection
        if store is None or projection is None:
            return
        try:
            rows = projection.rows(events, commands, self._now())
        except Exception as error:  # noqa: BLE001 - a mistake in what is for reports must not stop what trades
            self._give_up(error)
            return
        if rows:
            store.put(rows)
            _say(rows)

    def on_call(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """Take one request to the venue, answered or not; of the path what stands before its query."""
        if self._store is None:
            return
        path = path.partition("?")[0]
        tokens = None if path.endswith(_BATCHED) else self._cost(method, path)
        at = self._now()
        latency = int(seconds * SECOND)
        self._store.put((r.ApiCall(at - latency, method, path, status, latency, tokens),))

    def end(self, reason: str, exit_code: int) -> None:
        """Write the run's end."""
        if self._store is None:
            return
        now = self._now()
        rows: list[r.Row] = [r.RunEnd(now, reason, exit_code)]
        if self._projection is not None:
            try:
                rows = [*self._projection.close(now), *rows]
            except Exception as error:  # noqa: BLE001 - as in `on_batch`
                self._give_up(error)
        self._store.put(rows)

    def close(self) -> None:
        """Write what waits, and close. Twice does nothing."""
        if self._store is not None:
            self._store.close()

    def _give_up(self, error: Exception) -> None:
        self._projection = None
        self._failure = f"{type(error).__name__}: {error}"
        log.error("store.given_up", exc_info=error)


def _say(rows: Sequence[r.Row]) -> None:
    """Log what became of our orders: `journalctl KALSHID_CLIENT_ORDER_ID=…` is an order's life."""
    for row in rows:
        if isinstance(row, r.OrderChange):
            log.info(
                "order.changed", client_order_id=row.client_order_id, order_id=row.order_id,
                ticker=row.ticker, state=row.state, filled=format_qty(row.filled), told_by=row.told_by,
            )  # fmt: skip
        elif isinstance(row, r.Fill):
            log.info(
                "order.filled", client_order_id=row.client_order_id, order_id=row.order_id, ticker=row.ticker,
                side=row.side, price=format_price(row.price), qty=format_qty(row.qty), trade_id=row.trade_id,
            )  # fmt: skip
