"""A core that trades by a configuration file, with a pump of its own, and reloads of that file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from daemon.assembly import ModelRef, Setup, TableSlots, build_engine, setup_of
from daemon.config import load_config
from daemon.core import events as e
from daemon.core.commands import CancelOrder, Command, Decided, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.features.catalogue import CATALOGUE
from daemon.core.models import CHALLENGER, DEFAULT, Model
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.units import DAY, SECOND, Ns
from daemon.scoring.registry import load_model
from daemon.scoring.source import core_model
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox
from daemon.shell.metrics import Metrics
from daemon.shell.reloads import Reloads, ReloadTerms
from tests.core.worlds import NOW, T0, reconciled, snapshot, spec
from tests.scoring.model_versions import write_version

TEXT = """{top}
[risk]
open_orders_max = {open_orders_max}
order_contracts_max = {order_contracts_max}

[strategies.fair_value]
enabled = {enabled}
series = ["KXBTC15M"]
edge_min = {edge_min}
"""
WATCHED = "reload_on_change = true"
WRITTEN = {
    "top": "",
    "open_orders_max": "100",
    "order_contracts_max": "100",
    "enabled": "true",
    "edge_min": "0.02",
}


START = (
    e.MarketListed(spec(close_at=T0 + DAY), T0),
    e.FeedConnected("kalshi", T0),
    snapshot(),
    reconciled(T0 + 3 * SECOND),
    reconciled(NOW),
)


class Wide:
    """A model that reads every feature there is, so that all are computed, and says nothing of note."""

    name, version = "wide", "1"
    output: Output = "probability"
    schema = FeatureSchema(tuple(CATALOGUE))
    required: frozenset[str] = frozenset()

    def score(self, _row: Sequence[float | None]) -> float:
        """Return a half."""
        return 0.5


class Daemon:
    """What a run has of a core and its configuration; the clock stands unless the test moves it."""

    def __init__(self, root: Path, *, is_bound: bool = False, first: str = "", is_wide: bool = False) -> None:
        """Build.

        Args:
            root: its folder.
            is_bound: whether evidence binds it, as real money is.
            first: what its file says at the start, besides the usual.
            is_wide: whether all features are computed, and not only those that its model reads.
        """
        self.path = root / "config.toml"
        self.write(first)
        self.at: Ns = NOW
        self.model: Model = core_model(load_model(write_version(root, 1)))
        config = load_config(self.path)
        self.setup: Setup = setup_of(config, ModelRef("toy/1", "toy", "1", self.model.sha256), 1)
        self._models = {DEFAULT: self.model} | ({CHALLENGER: Model(Wide())} if is_wide else {})
        self.engine = self.fresh()
        header = JournalHeader(kalshid_version="0", instance="test", epoch=1, engine=msgspec.Raw(b"\xc0"))
        self.journal = Journal.create(root / "journal", header)
        self.inbox = Inbox()
        self.handled: list[e.Event] = []
        """What of the feeds' health the core was told."""
        self.free = asyncio.Event()
        """While it is not set the pump stands still."""
        self.free.set()
        self.metrics = Metrics()
        self.taken: list[int] = []
        slots = self.engine.changes.source
        assert isinstance(slots, TableSlots)
        terms = ReloadTerms(
            read=lambda: load_config(self.path),
            prepare=lambda tables: slots.prepare(tables, self.engine),
            is_bound=is_bound,
            now=lambda: self.at,
            emit=self.inbox.put,
            on_taken=lambda taken: self.taken.append(taken.risk.open_orders_max),
        )
        self.reloads = Reloads(config, self.engine, self.metrics, terms)

    def fresh(self) -> Engine:
        """Return an engine of the same start."""
        return build_engine(self.setup, self._models, str(self.path))

    def write(self, more: str = "", **changes: object) -> None:
        """Write the file anew, with these values instead of the usual ones."""
        self.path.write_text(TEXT.format(**{**WRITTEN, **changes}) + more)

    async def pump(self) -> None:
        """Journal, handle and decide, until cancelled; what is asked for happens at once."""
        while True:
            batch = await self.inbox.drain(None)
            await self.free.wait()
            self.turn(batch)

    def turn(self, batch: list[e.Event]) -> None:
        """Take one batch, as the pump does."""
        self.journal.append(batch)
        for event in batch:
            self.engine.handle(event)
            if isinstance(event, e.FeedDropped | e.ChannelQuieted):
                self.handled.append(event)
        commands = self.engine.decide(self.at)
        self.journal.append([Decided(self.at), *commands])
        self.inbox.extend(self._answers(commands))

    def _answers(self, commands: list[Command]) -> list[e.Event]:
        answers: list[e.Event] = []
        for one in commands:
            name = getattr(one, "client_order_id", "")
            if isinstance(one, PlaceOrder):
                answers.append(e.OrderAccepted("place", name, f"v{name}", 0, one.qty, self.at, self.at))
            elif isinstance(one, CancelOrder):
                answers.append(e.OrderAccepted("cancel", name, f"v{name}", 0, 0, self.at, self.at))
        return answers

    async def settled(self) -> None:
        """Let the pump take all that waits."""
        while len(self.inbox):  # noqa: ASYNC110 - the pump's turns are what is waited for
            await asyncio.sleep(0)
        await asyncio.sleep(0)
