"""The first dashboard: is it well, is it trading, what is it worth?"""

from __future__ import annotations

from grafana.mixin.panel import Dashboard, Panel, Query, age, count, now, per_second

OVERVIEW = Dashboard(
    "kalshid-overview",
    "kalshid: overview",
    "Is it well, is it trading, and what is it worth? What looks wrong here has a dashboard of its own.",
    (
        Panel(
            "Mode",
            "The mode that it runs in: only live is real money.",
            "none",
            (now("kalshid_mode_info", "{{mode}}"),),
            "name",
        ),
        Panel(
            "Version", "The version that runs.", "none", (now("kalshid_build_info", "{{version}}"),), "name"
        ),
        Panel(
            "Phase",
            "What the engine is doing; trading is the only phase in which orders are placed.",
            "none",
            (Query("kalshid_phase{@} == 1", "{{phase}}"),),
            "name",
        ),
        Panel(
            "Configuration",
            "The sha256 of the configuration in force.",
            "none",
            (now("kalshid_config_info", "{{sha256}}"),),
            "name",
        ),
        Panel(
            "Runs for",
            "Since the process was started.",
            "s",
            (age("process_start_time_seconds", "since start"),),
            "number",
        ),
        Panel(
            "Limits taken",
            "The limit of which most is taken; at 100 % nothing is entered any more.",
            "percentunit",
            (Query("max(job_instance_limit:kalshid_risk_taken:ratio{@})", "most taken"),),
            "number",
        ),
        Panel(
            "Alerts firing",
            "Alerts on kalshid that fire now, the one that always does left out.",
            "none",
            (
                Query(
                    'count(ALERTS{alertstate="firing", alertname=~"Kalshid.*", alertname!="KalshidWatchdog"})'
                    " or vector(0)",
                    "firing",
                ),
            ),
            "number",
        ),
        Panel(
            "Positions",
            "Markets in which a position is held.",
            "none",
            (now("kalshid_positions_open", "positions"),),
            "number",
        ),
        Panel(
            "Profit and loss",
            "Marked at the mid, since the start of the process.",
            "currencyUSD",
            (now("kalshid_pnl_dollars", "P&L"), now("kalshid_fees_dollars_total", "fees")),
        ),
        Panel(
            "Books",
            "Books of watched markets, those vouched for, and those of open markets that are not.",
            "short",
            (
                now("kalshid_books_tracked", "watched"),
                now("kalshid_books_synced", "synced"),
                now("kalshid_books_unsynced", "unsynced and open"),
            ),
        ),
        Panel(
            "Frames",
            "WebSocket frames per second.",
            "cps",
            (per_second("kalshid_frames_total", "{{feed}}", "feed"),),
        ),
        Panel(
            "Decisions and orders",
            "Times a second that a strategy was asked, and orders it placed.",
            "cps",
            (
                per_second("kalshid_decisions_total", "decisions"),
                per_second("kalshid_orders_total", "orders"),
            ),
        ),
        Panel(
            "Halts",
            "1 for who halted it; and halts that are not on disk, which a restart would forget.",
            "short",
            (now("kalshid_halted", "{{by}}"), count("kalshid_latch_failures_total", "not on disk")),
        ),
        Panel(
            "Age of the configuration",
            "Time since a configuration was last brought into force.",
            "s",
            (age("kalshid_config_last_reload_success_timestamp_seconds", "in force for"),),
        ),
        Panel(
            "Latency",
            "99 of 100 took no longer, over five minutes: frame to decision, and requests to the venue.",
            "s",
            (
                now("job_instance:kalshid_decision_seconds:p99_5m", "tick to decision"),
                now("job_instance:kalshid_order_request_seconds:p99_5m", "round trip of orders"),
                now("job_instance:kalshid_loop_lag_seconds:p99_1m", "lag of the loop"),
            ),
        ),
        Panel(
            "Memory",
            "Resident memory of the process. It should be flat after the first hour.",
            "bytes",
            (now("process_resident_memory_bytes", "resident"),),
        ),
        Panel(
            "Processor",
            "Cores that are busy for it.",
            "short",
            (per_second("process_cpu_seconds_total", "cores"),),
        ),
        Panel(
            "Disk",
            "What the journal's file system has left for us.",
            "bytes",
            (now("kalshid_disk_free_bytes", "free"),),
        ),
        Panel(
            "Journal written",
            "What the journal writes in a second.",
            "Bps",
            (per_second("kalshid_journal_bytes_total", "journal"),),
        ),
        Panel(
            "Store",
            "Rows for the database of reports. Lost ones are in the journal only; trading does not"
            " depend on it.",
            "short",
            (
                count("kalshid_store_rows_total", "{{outcome}}", "outcome"),
                now("kalshid_store_failing", "failing"),
            ),
        ),
        Panel(
            "Notices to people",
            "By e-mail, SMS, ...: failed ones reached not everybody; limited ones came too often.",
            "short",
            (count("kalshid_notifications_total", "{{outcome}}", "outcome"),),
        ),
    ),
)
