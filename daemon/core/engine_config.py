"""What the engine is built from besides its strategies and its model: a part of every journal's header.

A field that is added has a default that means what was so before it: old journals stay readable.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from daemon.core.connections import FIRST_FEED
from daemon.core.drift_record import DriftConfig
from daemon.core.events import Feed
from daemon.core.features.releases import Release
from daemon.core.reference import ReferenceConfig
from daemon.core.risk import Limits
from daemon.core.units import SECOND, Ns, Qty


class EngineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine's configuration, in core units.

    `order_id_prefix` and `epoch` (Unix ms of the start) make client order ids unique for ever:
    `<prefix>-<epoch>-<sequence>` in base 36. `private_feed` is the connection that carries our orders and
    fills. `audit_differences_max` unequal audits of a book in a row, and it is lost. `is_backfilled` says
    that the shell reads what was missed of a market and ends it with `MarketBackfilled`: until then nothing
    is sent there. `cancels_on_exit`: a stop takes out what rests; if not, it waits only for what is in
    flight. From `model_expires_at` on no position is entered; None for never. `rejects_max`, `ack_max` and
    `cool_down` are thresholds in the breakers' table. What rests expires `order_expiry` after it was last
    kept alive, None for never, and is in an order group of `order_group_limit` per 15 s, 0 for none.
    `releases` are what is published when, by series. `remembers_day` says that how the day went is decided as
    a record (`KeepDay`), for the next life. `drift` are the terms by which models are watched, None for not.
    """

    order_id_prefix: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]{1,12}$")]
    epoch: int
    limits: Limits
    order_ttl: Ns
    heartbeat: Ns
    reconcile_every: Ns
    failures_max: int
    probe_every: Ns
    private_feed: Feed = FIRST_FEED
    audit_differences_max: int = 2
    is_backfilled: bool = False
    reference: ReferenceConfig = ReferenceConfig()
    cancels_on_exit: bool = True
    model_expires_at: Ns | None = None
    rejects_max: int = 5
    ack_max: Ns = 2 * SECOND
    cool_down: Ns = 30 * SECOND
    order_expiry: Ns | None = None
    order_group_limit: Qty = 0
    releases: tuple[Release, ...] = ()
    remembers_day: bool = False
    drift: DriftConfig | None = None
