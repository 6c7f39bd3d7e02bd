"""The dashboards of the process and of its way to the venue."""

from __future__ import annotations

from grafana.mixin.panel import Dashboard, Panel, Query, age, count, now, p50_p99, per_second, quantile

FEEDS = Dashboard(
    "kalshid-feeds",
    "kalshid: feed health",
    "What comes in from the venue and from the reference, and whether it can be believed.",
    (
        Panel(
            "Connections",
            "1 while the connection is up.",
            "short",
            (now("kalshid_feed_connected", "{{feed}}"),),
        ),
        Panel(
            "Made and lost",
            "Connections made, and lost or given up.",
            "short",
            (
                count("kalshid_feed_connects_total", "{{feed}} made", "feed"),
                count("kalshid_feed_drops_total", "{{feed}} lost", "feed"),
            ),
        ),
        Panel(
            "Silence of connections",
            "Time since anything came, pings included.",
            "s",
            (age("kalshid_feed_last_heard_timestamp_seconds", "{{feed}}"),),
        ),
        Panel(
            "Lag and clock offset",
            "Delay of the last message above the best one, and our clock minus the exchange's.",
            "s",
            (
                now("kalshid_transport_lag_seconds", "{{feed}} lag"),
                now("kalshid_clock_offset_seconds", "{{feed}} clock offset"),
            ),
        ),
        Panel(
            "Bytes",
            "What the connections bring, a second.",
            "Bps",
            (per_second("kalshid_frame_bytes_total", "{{feed}}", "feed"),),
        ),
        Panel(
            "Gaps and losses",
            "What the feed lost and noticed.",
            "short",
            (
                count("kalshid_session_total", "{{kind}}", "kind"),
                count("kalshid_trades_lost_total", "trades lost"),
            ),
        ),
        Panel(
            "Quiet channels and drift",
            "1 while a channel is silent against its habit, or while too much can't be read to trade on.",
            "short",
            (
                now("kalshid_channel_quiet", "{{feed}} {{channel}}"),
                now("kalshid_schema_drift", "schema drift"),
            ),
        ),
        Panel(
            "Markets",
            "What is watched, and what of it can't be traded yet or at all.",
            "short",
            (
                now("kalshid_markets_watched", "watched"),
                now("kalshid_markets_unplaced", "without a connection"),
                now("kalshid_backfill_waiting", "waiting for their past"),
                now("kalshid_listings_refused", "listings refused"),
            ),
        ),
        Panel(
            "Book audits",
            "Streamed books against the venue's REST books, and those given up.",
            "short",
            (
                count("kalshid_audits_total", "{{verdict}}", "verdict"),
                count("kalshid_audit_failures_total", "given up"),
            ),
        ),
        Panel(
            "Backfill",
            "What was read over REST of the time without a stream.",
            "short",
            (
                count("kalshid_backfilled_total", "{{kind}}", "kind"),
                count("kalshid_backfill_failures_total", "failures"),
            ),
        ),
        Panel(
            "Exchange",
            "1 while paused or in maintenance.",
            "short",
            (now("kalshid_exchange_paused", "{{reason}}"),),
        ),
        Panel(
            "Next maintenance",
            "Time to the start of the next window (negative within it), and until a paused exchange is back.",
            "s",
            (
                Query("kalshid_maintenance_start_timestamp_seconds{@} - time()", "starts"),
                Query("kalshid_maintenance_end_timestamp_seconds{@} - time()", "ends"),
                Query("kalshid_exchange_resume_timestamp_seconds{@} - time()", "exchange is back"),
            ),
        ),
        Panel(
            "Reference in force",
            "1 for the source that is believed, by symbol; all 0: none is well.",
            "short",
            (
                now("kalshid_reference_in_force", "{{symbol}} {{source}}"),
                now("kalshid_reference_preferred", "{{symbol}} as preferred"),
            ),
        ),
        Panel(
            "Silence of references",
            "Time since a source was last heard.",
            "s",
            (age("kalshid_reference_last_heard_timestamp_seconds", "{{source}}"),),
        ),
        Panel(
            "Kraken",
            "What came of its stream and of the requests for candles; what it says of itself.",
            "short",
            (
                Query(
                    'sum by (kind) (increase(kalshid_kraken_total{kind!="trades", @}[$__rate_interval]))',
                    "{{kind}}",
                ),
                count("kalshid_kraken_requests_total", "candles {{kind}}", "kind"),
                now("kalshid_kraken_system", "system {{state}}"),
            ),
        ),
    ),
)

LATENCY = Dashboard(
    "kalshid-latency",
    "kalshid: latency",
    "Where the time goes: from a frame to a decision, to the venue and back, and what waits.",
    (
        Panel(
            "Tick to decision",
            "From a frame's arrival to the decision on it.",
            "s",
            p50_p99("kalshid_decision_seconds"),
        ),
        Panel(
            "Tick to order",
            "From a tick's arrival to the leaving of a request that was decided on it.",
            "s",
            p50_p99("kalshid_tick_to_order_seconds"),
        ),
        Panel(
            "Stages of a tick",
            "The median of each stage, measured of one tick in 64 (daemon/PROFILE.md).",
            "s",
            (quantile(0.5, "kalshid_stage_seconds", "{{stage}}", "stage"),),
        ),
        Panel(
            "Answers to orders",
            "From an order request's leaving to yes or no; a bucket's exemplar names the last order.",
            "s",
            p50_p99("kalshid_order_ack_seconds"),
        ),
        Panel(
            "Requests by endpoint",
            "The 99th percentile of REST requests; endpoints without any are left out.",
            "s",
            (
                Query(
                    quantile(0.99, "kalshid_api_request_seconds", "", "endpoint").expr + " > 0",
                    "{{endpoint}}",
                ),
            ),
        ),
        Panel(
            "Round trip of orders",
            "From a request's departure to its answer.",
            "s",
            p50_p99("kalshid_order_request_seconds"),
        ),
        Panel(
            "Wait in the order queue",
            "From a command to its departure: the disk, and the venue's budget.",
            "s",
            p50_p99("kalshid_queue_wait_seconds"),
        ),
        Panel(
            "Lag of the event loop",
            "How late a timer comes: something held the loop for so long.",
            "s",
            p50_p99("kalshid_loop_lag_seconds"),
        ),
        Panel(
            "Wait of reads",
            "Time of reads at the gate that keeps the venue's budget.",
            "s",
            p50_p99("kalshid_read_wait_seconds"),
        ),
        Panel(
            "Journal",
            "The last fdatasync, before which no order leaves; and unsynced writes, of one turn in 64.",
            "s",
            (
                now("kalshid_journal_fsync_seconds", "fdatasync"),
                quantile(0.99, "kalshid_journal_append_seconds", "write, p99"),
            ),
        ),
        Panel(
            "Queues",
            "What waits for the core and for the venue.",
            "short",
            (
                now("kalshid_inbox_depth", "events"),
                now("kalshid_queue_depth", "commands: {{priority}}"),
                now("kalshid_reads_waiting", "reads: {{line}}"),
            ),
        ),
        Panel(
            "Tokens",
            "What is left of the venue's budgets, and what they can hold.",
            "short",
            (
                now("kalshid_rate_limit_tokens", "{{bucket}}"),
                now("kalshid_rate_limit_capacity_tokens", "{{bucket}} at most"),
            ),
        ),
        Panel(
            "Reads",
            "Reads let through by the gate.",
            "cps",
            (per_second("kalshid_reads_total", "{{line}}", "line"),),
        ),
    ),
)

FAULTS = Dashboard(
    "kalshid-faults",
    "kalshid: sandbox and faults",
    "What goes wrong, side by side: to look at while the sandbox plays faults (daemon/FAULTS.md), and later.",
    (
        Panel(
            "Refused shapes",
            "What can't be read, of frames and of REST answers, by shape; the venue's errors by code.",
            "short",
            (
                count("kalshid_refused_frames_total", "frame: {{shape}}", "shape"),
                count("kalshid_refused_answers_total", "answer: {{shape}}", "shape"),
                count("kalshid_session_errors_total", "error {{code}}", "code"),
            ),
        ),
        Panel(
            "What the core counted",
            "Losses, fills, unknown outcomes and the like, by kind.",
            "short",
            (count("kalshid_events_total", "{{kind}}", "kind"),),
        ),
        Panel(
            "Requests by answer",
            "REST requests a second by class of status; none is a request that nobody answered.",
            "cps",
            (per_second("kalshid_api_requests_total", "{{code}}", "code"),),
        ),
        Panel(
            "Refused for want of tokens",
            "The venue's 429s, of reads and of orders: both should stay at 0.",
            "short",
            (count("kalshid_reads_limited_total", "reads"), count("kalshid_orders_limited_total", "orders")),
        ),
        Panel(
            "Breakers",
            "A rule's worst breaker: 1 half open, 2 open.",
            "short",
            (now("kalshid_breaker_state", "{{breaker}}"),),
        ),
        Panel(
            "Breakers opened",
            "Times that a rule's breakers opened.",
            "short",
            (count("kalshid_breaker_opened_total", "{{breaker}}", "breaker"),),
        ),
        Panel(
            "Orders without an answer",
            "Orders that are unknown, and since when the oldest one is.",
            "short",
            (
                Query('sum(kalshid_orders_open{state="unknown", @})', "unknown"),
                age("kalshid_orders_unresolved_oldest_timestamp_seconds", "seconds of the oldest"),
            ),
        ),
        Panel(
            "Findings",
            "Beliefs that the venue did not share, by kind.",
            "short",
            (count("kalshid_reconcile_findings_total", "{{kind}}", "kind"),),
        ),
        Panel(
            "Account read",
            "Time since the account was last read and agreed on.",
            "s",
            (age("kalshid_reconcile_last_success_timestamp_seconds", "since the last reading"),),
        ),
    ),
)
