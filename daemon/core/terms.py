"""The terms besides limits that may change in a running engine: a part of the event that changes them."""

from __future__ import annotations

import msgspec

from daemon.core.units import Ns


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, in core units; each is named as in `EngineConfig`, which says what it is.

    `reference_stale_max` is how long a source of the reference price may say nothing and be well.
    """

    order_ttl: Ns
    order_expiry: Ns
    reconcile_every: Ns
    failures_max: int
    probe_every: Ns
    rejects_max: int
    ack_max: Ns
    cool_down: Ns
    audit_differences_max: int
    reference_stale_max: Ns
    cancels_on_exit: bool
