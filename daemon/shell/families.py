"""The table of all metric families: name, kind, help text, labels.

Names follow the conventions: base units, `_total` on counters, labels with few values only.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SAMPLED = 64
"""One turn of the pump in so many, and one frame in so many, is measured by stages."""
OTHER = "other"
"""The label of what has no name of its own."""


class Family(msgspec.Struct, frozen=True):
    """One metric family: its kind, its help text and its labels, if it has any."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    "kalshid_build_info": Family("gauge", "Always 1; the labels are the versions.", ("version", "python")),
    "kalshid_mode_info": Family("gauge", "Always 1; the label is the mode that it runs in.", ("mode",)),
    "kalshid_config_info": Family("gauge", "Always 1; the label is the configuration in force.", ("sha256",)),
    "kalshid_config_last_reload_successful": Family("gauge", "1 while the last reload was not refused."),
    "kalshid_config_last_reload_success_timestamp_seconds": Family(
        "gauge", "When the configuration in force was read."
    ),
    "kalshid_ready": Family("gauge", "1 when connected, reconciled and trading."),
    "kalshid_phase": Family("gauge", "1 for the phase that the engine is in.", ("phase",)),
    "kalshid_halted": Family("gauge", "1 for who halted it, while it is halted.", ("by",)),
    "kalshid_loop_lag_seconds": Family("histogram", "How late a timer of the event loop comes."),
    # --- the venue's connections, and Kraken's
    "kalshid_frames_total": Family("counter", "WebSocket frames taken in.", ("feed",)),
    "kalshid_frame_bytes_total": Family("counter", "Bytes of WebSocket frames taken in.", ("feed",)),
    "kalshid_feed_connected": Family("gauge", "1 while the connection is up.", ("feed",)),
    "kalshid_feed_connects_total": Family("counter", "Connections made.", ("feed",)),
    "kalshid_feed_drops_total": Family("counter", "Connections lost or given up.", ("feed",)),
    "kalshid_feed_last_heard_timestamp_seconds": Family(
        "gauge", "When anything last came over the connection, pings included.", ("feed",)
    ),
    "kalshid_transport_lag_seconds": Family(
        "gauge", "Delay of the last message above the best one.", ("feed",)
    ),
    "kalshid_clock_offset_seconds": Family(
        "gauge", "Our clock minus the exchange's, transport included.", ("feed",)
    ),
    "kalshid_channel_quiet": Family(
        "gauge", "1 while a channel is silent against its habit and others speak.", ("feed", "channel")
    ),
    "kalshid_session_total": Family("counter", "Gaps, duplicates, resets and refused frames.", ("kind",)),
    "kalshid_session_errors_total": Family("counter", "The venue's error messages by code.", ("code",)),
    "kalshid_refused_frames_total": Family("counter", "Frames that can't be read, by shape.", ("shape",)),
    "kalshid_refused_answers_total": Family(
        "counter", "REST answers that can't be read, by endpoint and shape.", ("shape",)
    ),
    "kalshid_schema_drift": Family("gauge", "1 while too many frames can't be read to trade on."),
    "kalshid_trades_lost_total": Family("counter", "Times that public trades may have been missed."),
    # --- markets and their books
    "kalshid_markets_watched": Family("gauge", "Markets that discovery has chosen."),
    "kalshid_markets_unplaced": Family("gauge", "Watched markets that no connection has room for."),
    "kalshid_listings_refused": Family("gauge", "Listed markets that can't be read or priced."),
    "kalshid_books_tracked": Family("gauge", "Markets with a book."),
    "kalshid_books_synced": Family("gauge", "Books that are vouched for."),
    "kalshid_books_unsynced": Family("gauge", "Books of open markets that are not vouched for."),
    "kalshid_audits_total": Family("counter", "Books compared with the venue's REST books.", ("verdict",)),
    "kalshid_audit_failures_total": Family("counter", "Books given up because audits differed in a row."),
    "kalshid_backfill_waiting": Family("gauge", "Markets that are not traded before their past is read."),
    "kalshid_backfilled_total": Family("counter", "Markets, trades and candles read over REST.", ("kind",)),
    "kalshid_backfill_failures_total": Family("counter", "Reads of the past that failed."),
    "kalshid_exchange_paused": Family(
        "gauge", "1 while the exchange, trading or a maintenance stops us.", ("reason",)
    ),
    "kalshid_exchange_resume_timestamp_seconds": Family("gauge", "When a paused exchange means to be back."),
    "kalshid_maintenance_start_timestamp_seconds": Family("gauge", "Start of the present or next window."),
    "kalshid_maintenance_end_timestamp_seconds": Family("gauge", "End of the present or next window."),
    # --- the reference price
    "kalshid_reference_in_force": Family("gauge", "1 for the source that is believed.", ("symbol", "source")),
    "kalshid_reference_preferred": Family(
        "gauge", "1 while the first source of the preference is believed.", ("symbol",)
    ),
    "kalshid_reference_last_heard_timestamp_seconds": Family(
        "gauge", "When a source was last heard.", ("source",)
    ),
    "kalshid_kraken_total": Family("counter", "What came of Kraken's stream.", ("kind",)),
    "kalshid_kraken_requests_total": Family("counter", "Requests for candles to Kraken.", ("kind",)),
    "kalshid_kraken_system": Family("gauge", "1 for what Kraken says of its trading system.", ("state",)),
    # --- decisions and orders
    "kalshid_events_total": Family(
        "counter", "Things the core counted: losses, fills, unknowns, ….", ("kind",)
    ),
    "kalshid_decisions_total": Family("counter", "Times that a strategy was asked."),
    "kalshid_model_scores_total": Family(
        "counter", "Rows that a slot's model was asked to score, by what came of it.", ("slot", "outcome")
    ),
    "kalshid_model_info": Family(
        "gauge", "Always 1; a slot's model and how its sha256 begins.", ("slot", "model", "sha256")
    ),
    "kalshid_model_trained_timestamp_seconds": Family(
        "gauge", "When the last outcome was known that a slot's model was fitted to.", ("slot",)
    ),
    "kalshid_model_scored_timestamp_seconds": Family("gauge", "When a slot last had a score.", ("slot",)),
    "kalshid_model_members_absent": Family(
        "gauge", "Members of a slot's ensemble that took no part in its last score.", ("slot",)
    ),
    "kalshid_model_challenger_difference": Family(
        "gauge", "Mean absolute difference of the challenger's scores from the default's."
    ),
    "kalshid_model_brier": Family(
        "gauge", "Mean Brier score over markets that ended: model, challenger, mid.", ("source",)
    ),
    "kalshid_model_drift_state": Family(
        "gauge", "A slot's model: 0 steady, 1 warned, 2 alarmed or taken out for it.", ("slot",)
    ),
    "kalshid_model_brier_excess": Family(
        "gauge", "Mean Brier score less the mid's over the last window of events.", ("slot",)
    ),
    "kalshid_model_calibration_error_ratio": Family(
        "gauge", "How far the mean score is from the share that came true, over that window.", ("slot",)
    ),
    "kalshid_model_psi_max": Family(
        "gauge", "Highest population stability index of a feature, of the last full window.", ("slot",)
    ),
    "kalshid_model_swaps_total": Family("counter", "Models exchanged while running.", ("outcome",)),
    "kalshid_refusals_total": Family("counter", "Proposals that risk refused, by reason.", ("reason",)),
    "kalshid_orders_total": Family("counter", "Orders approved and sent to the queue."),
    "kalshid_orders_open": Family("gauge", "Our orders that may still trade, by state.", ("state",)),
    "kalshid_orders_unresolved_oldest_timestamp_seconds": Family(
        "gauge", "Since when the longest unresolved order is unknown; absent while there is none."
    ),
    "kalshid_orders_limited_total": Family("counter", "Order requests refused for want of tokens (429)."),
    "kalshid_strategy_on": Family("gauge", "1 while the strategy is on; 0 switched off.", ("strategy",)),
    "kalshid_strategy_orders_total": Family("counter", "Orders approved, by strategy.", ("strategy",)),
    "kalshid_strategy_fills_total": Family("counter", "Fills of the strategy's orders.", ("strategy",)),
    "kalshid_strategy_pnl_dollars": Family(
        "gauge", "Marked profit and loss of the strategy's trades since the start, after fees.", ("strategy",)
    ),
    "kalshid_strategy_realized_dollars": Family("gauge", "Its closed part, after all fees.", ("strategy",)),
    "kalshid_strategy_staked_dollars": Family(
        "gauge", "What the strategy's positions cost and its orders may cost.", ("strategy",)
    ),
    "kalshid_queue_depth": Family("gauge", "Commands that wait in the order queue.", ("priority",)),
    "kalshid_order_batches_total": Family("counter", "Requests that carried more than one order or cancel."),
    "kalshid_queue_dropped_total": Family("counter", "Orders dropped by the queue before they were sent."),
    "kalshid_queue_wait_seconds": Family("histogram", "Time that sent commands waited in the queue."),
    "kalshid_decision_seconds": Family("histogram", "From a frame's arrival to the decision on it."),
    "kalshid_stage_seconds": Family(
        "histogram", f"Stages of decisions and, parse, of frames; of one in {SAMPLED}.", ("stage",)
    ),
    "kalshid_tick_to_order_seconds": Family(
        "histogram", "From a tick's arrival to the leaving of a request that was decided on it."
    ),
    "kalshid_order_requests_total": Family(
        "counter", "What became of placing, amending, cancelling and probing orders.", ("action", "result")
    ),
    "kalshid_cancels_total": Family(
        "counter",
        "Cancels by what decided them: a refusal, an exit, or a changed wish (strategy).",
        ("reason",),
    ),
    "kalshid_order_ack_seconds": Family("histogram", "From an order request's leaving to yes or no."),
    "kalshid_order_request_seconds": Family("histogram", "Round trip of order requests."),
    "kalshid_api_requests_total": Family(
        "counter", "REST requests by endpoint and class of status.", ("endpoint", "code")
    ),
    "kalshid_api_request_seconds": Family("histogram", "REST requests by endpoint.", ("endpoint",)),
    "kalshid_reads_total": Family("counter", "Reads let through by the gate.", ("line",)),
    "kalshid_reads_waiting": Family("gauge", "Reads that wait at the gate.", ("line",)),
    "kalshid_reads_limited_total": Family("counter", "Reads refused for want of tokens (429)."),
    "kalshid_read_wait_seconds": Family("histogram", "Time that reads waited at the gate."),
    "kalshid_rate_limit_tokens": Family("gauge", "Tokens in the bucket.", ("bucket",)),
    "kalshid_rate_limit_capacity_tokens": Family("gauge", "Tokens that the bucket can hold.", ("bucket",)),
    "kalshid_breaker_state": Family(
        "gauge", "A rule's worst breaker: 0 closed, 1 half open, 2 open.", ("breaker", "scope")
    ),
    "kalshid_breaker_opened_total": Family("counter", "Times that a rule's breakers opened.", ("breaker",)),
    "kalshid_latch_failures_total": Family("counter", "Halts that the disk did not take, or not let go."),
    # --- account and machine
    "kalshid_reconcile_findings_total": Family(
        "counter", "Beliefs that the venue did not share, by kind.", ("kind",)
    ),
    "kalshid_reconcile_last_success_timestamp_seconds": Family("gauge", "When the account was last read."),
    "kalshid_cash_dollars": Family("gauge", "Cash at the venue, as believed."),
    "kalshid_equity_dollars": Family("gauge", "Cash plus positions at the mid."),
    "kalshid_pnl_dollars": Family("gauge", "Marked profit and loss since the start."),
    "kalshid_pnl_realized_dollars": Family("gauge", "Its closed part since the start, after all fees."),
    "kalshid_pnl_unrealized_dollars": Family("gauge", "Its open part: what positions gained since then."),
    "kalshid_drawdown_dollars": Family("gauge", "The highest equity since the start less that of now."),
    "kalshid_fills_total": Family("counter", "Fills of our orders: as maker, as taker.", ("liquidity",)),
    "kalshid_fill_contracts_total": Family("counter", "Contracts of all fills."),
    "kalshid_fees_dollars_total": Family("counter", "Fees paid since the start."),
    "kalshid_positions_open": Family("gauge", "Markets in which a position is held."),
    "kalshid_market_staked_dollars": Family(
        "gauge", "What a market's position cost and its orders may cost (metrics.tickers_max).", ("ticker",)
    ),
    "kalshid_market_position_contracts": Family("gauge", "What is held of it; NO is negative.", ("ticker",)),
    "kalshid_market_mid_dollars": Family("gauge", "The middle between its bid and its ask.", ("ticker",)),
    "kalshid_risk_limit_dollars": Family("gauge", "The account's limits that are on.", ("limit",)),
    "kalshid_risk_taken_dollars": Family("gauge", "What is taken of each of them.", ("limit",)),
    "kalshid_journal_bytes_total": Family("counter", "Bytes written to the journal."),
    "kalshid_journal_append_seconds": Family(
        "histogram", f"Unsynced writes of events to the journal; of one turn in {SAMPLED}."
    ),
    "kalshid_journal_fsync_seconds": Family("gauge", "How long the last fdatasync took."),
    "kalshid_disk_free_bytes": Family("gauge", "What the journal's file system has left for us."),
    "kalshid_store_failing": Family("gauge", "1 while nothing can be written to the store for reports."),
    "kalshid_notifications_total": Family(
        "counter",
        "Notices to people, by what became of them (whole when all targets took it), and further tries.",
        ("outcome",),
    ),
    "kalshid_store_rows_total": Family("counter", "Rows for the store, written or lost.", ("outcome",)),
    "kalshid_inbox_depth": Family("gauge", "Events that wait for the core."),
}
