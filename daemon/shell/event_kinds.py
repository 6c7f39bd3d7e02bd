"""The names under which the core counts what happened: shown from the start, so that a first one is a rise.

Connects and drops of a connection are not among them: they are counted by connection.
"""

from __future__ import annotations

from typing import Final

EVENT_KINDS: Final = (
    "account_doubts",
    "adopted_orders",
    "answers_to_closed_orders",
    "audit_differences",
    "audit_failures",
    "audits",
    "books_lost",
    "channels_quieted",
    "corrections",
    "exchange_status_changes",
    "fills",
    "flows_unread",
    "foreign_orders",
    "frames_refused",
    "illegal_order_events",
    "late_words",
    "orders_forgotten",
    "pauses_met",
    "queue_drops",
    "reactivations_met",
    "reconciliations",
    "recovered_orders",
    "reference_frames_refused",
    "reference_trades_lost",
    "rejected_amend",
    "rejected_cancel",
    "rejected_place",
    "rejected_probe",
    "resnapshots",
    "results_corrected",
    "results_disputed",
    "settled_positions",
    "settlements_corrected",
    "trades_lost",
    "unknown_outcomes",
    "unused_references",
    "unwatched_deltas",
    "unwatched_market_events",
    "unwatched_snapshots",
)
