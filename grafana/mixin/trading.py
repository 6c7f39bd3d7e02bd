"""The dashboards of what it trades: orders and risk, the models, the money."""

from __future__ import annotations

from grafana.mixin.panel import Dashboard, Panel, Query, age, count, now, per_second

ORDERS = Dashboard(
    "kalshid-orders",
    "kalshid: orders and risk",
    "What is sent, what is refused and why, and how much of each limit is taken.",
    (
        Panel(
            "Orders placed",
            "Approved and sent to the queue, a second; batches carry more than one.",
            "cps",
            (
                per_second("kalshid_orders_total", "orders"),
                per_second("kalshid_order_batches_total", "batches"),
            ),
        ),
        Panel(
            "Open orders",
            "Orders that may still trade, by state.",
            "short",
            (Query("sum by (state) (kalshid_orders_open{@})", "{{state}}"),),
        ),
        Panel(
            "What became of requests",
            "Order requests a second by action and result; one that never left is dropped.",
            "cps",
            (per_second("kalshid_order_requests_total", "{{action}} {{result}}", "action, result"),),
        ),
        Panel(
            "Cancels",
            "Why what rested was taken out; reasons that never came up are left out.",
            "short",
            (
                Query(
                    "sum by (reason) (increase(kalshid_cancels_total{@}[$__rate_interval])) > 0",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Refusals",
            "Why risk said no (daemon/REFUSALS.md); reasons that never came up are left out.",
            "short",
            (
                Query(
                    "sum by (reason) (increase(kalshid_refusals_total{@}[$__rate_interval])) > 0",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Limits taken by share",
            "What is taken of each limit that is on; at 100 % nothing is entered.",
            "percentunit",
            (now("job_instance_limit:kalshid_risk_taken:ratio", "{{limit}}"),),
        ),
        Panel(
            "Limits in dollars",
            "What is taken of each limit, and the limit.",
            "currencyUSD",
            (
                now("kalshid_risk_taken_dollars", "{{limit}}"),
                now("kalshid_risk_limit_dollars", "{{limit}} limit"),
            ),
        ),
        Panel(
            "Positions",
            "Markets in which a position is held.",
            "short",
            (now("kalshid_positions_open", "positions"),),
        ),
        Panel(
            "Dropped before sent",
            "Orders that the queue gave up: too old, or not vouched for any more.",
            "short",
            (count("kalshid_queue_dropped_total", "dropped"),),
        ),
        Panel(
            "Orders and fills by strategy",
            "Orders approved, and fills of them, a second.",
            "cps",
            (
                per_second("kalshid_strategy_orders_total", "{{strategy}} orders", "strategy"),
                per_second("kalshid_strategy_fills_total", "{{strategy}} fills", "strategy"),
            ),
        ),
        Panel(
            "Fills",
            "Fills as maker and as taker, and their contracts, a second.",
            "cps",
            (
                per_second("kalshid_fills_total", "{{liquidity}}", "liquidity"),
                per_second("kalshid_fill_contracts_total", "contracts"),
            ),
        ),
        Panel(
            "At stake by market",
            "What positions cost and orders may cost, of the markets with most (metrics.tickers_max).",
            "currencyUSD",
            (now("kalshid_market_staked_dollars", "{{ticker}}"),),
        ),
        Panel(
            "Held by market",
            "Contracts held, NO below 0, and the mid, of the same markets.",
            "short",
            (
                now("kalshid_market_position_contracts", "{{ticker}}"),
                now("kalshid_market_mid_dollars", "{{ticker}} mid"),
            ),
        ),
        Panel(
            "Strategies",
            "1 while the strategy is on.",
            "short",
            (now("kalshid_strategy_on", "{{strategy}}"),),
        ),
    ),
)

MODEL = Dashboard(
    "kalshid-model",
    "kalshid: model and calibration",
    "Whether the models still know something: against the mid, the challenger, and their training.",
    (
        Panel(
            "Models in their slots",
            "What scores: the slot, the model, and how its sha256 begins.",
            "none",
            (now("kalshid_model_info", "{{slot}}: {{model}} {{sha256}}"),),
            "name",
        ),
        Panel(
            "Scores",
            "Scores a second by slot and outcome; all but scored are reasons for none, or for entering"
            " nothing.",
            "cps",
            (per_second("kalshid_model_scores_total", "{{slot}} {{outcome}}", "slot, outcome"),),
        ),
        Panel(
            "Silence of models",
            "Time since a slot last had a score.",
            "s",
            (age("kalshid_model_scored_timestamp_seconds", "{{slot}}"),),
        ),
        Panel(
            "Brier scores",
            "Over markets that ended: lower is better, 0.25 is a coin.",
            "short",
            (now("kalshid_model_brier", "{{source}}"),),
        ),
        Panel(
            "Model against the mid",
            "Mean Brier score less the mid's over the last window of events, one outcome"
            " each; below 0 the model knows more than the market.",
            "short",
            (now("kalshid_model_brier_excess", "{{slot}}"),),
        ),
        Panel(
            "Calibration error",
            "How far the mean score is from the share that came true, over the last window of events.",
            "percentunit",
            (now("kalshid_model_calibration_error_ratio", "{{slot}}"),),
        ),
        Panel(
            "Age of training",
            "Time since the last outcome that a model was fitted to.",
            "s",
            (age("kalshid_model_trained_timestamp_seconds", "{{slot}}"),),
        ),
        Panel(
            "Difference of the challenger",
            "How far the challenger's scores are from the default's, on average.",
            "percentunit",
            (now("kalshid_model_challenger_difference", "mean absolute difference"),),
        ),
        Panel(
            "Drift of models",
            "0 steady; 1 warned: its stakes are halved; 2 alarmed: another one scores in its"
            " slot, or nothing is entered on it.",
            "short",
            (now("kalshid_model_drift_state", "{{slot}}"),),
        ),
        Panel(
            "Stability of features",
            "The highest population stability index of a model's features, of its last"
            " full window of events; 0.25 warns.",
            "short",
            (now("kalshid_model_psi_max", "{{slot}}"),),
        ),
        Panel(
            "Swaps and absences",
            "Models exchanged while running; members of an ensemble that took no part.",
            "short",
            (
                count("kalshid_model_swaps_total", "swaps {{outcome}}", "outcome"),
                now("kalshid_model_members_absent", "{{slot}} absent"),
            ),
        ),
    ),
)

MONEY = Dashboard(
    "kalshid-money",
    "kalshid: P&L",
    "What it is worth, what it made, and which strategy made it.",
    (
        Panel(
            "P&L",
            "Marked at the mid, since the start of the process.",
            "currencyUSD",
            (now("kalshid_pnl_dollars", "P&L"),),
            "number",
        ),
        Panel(
            "Equity",
            "Cash plus positions at the mid.",
            "currencyUSD",
            (now("kalshid_equity_dollars", "equity"),),
            "number",
        ),
        Panel(
            "Fees",
            "Paid since the start.",
            "currencyUSD",
            (now("kalshid_fees_dollars_total", "fees"),),
            "number",
        ),
        Panel(
            "P&L over time",
            "Marked at the mid, since the start of the process, after fees; its closed and its open part.",
            "currencyUSD",
            (
                now("kalshid_pnl_dollars", "P&L"),
                now("kalshid_pnl_realized_dollars", "closed"),
                now("kalshid_pnl_unrealized_dollars", "open"),
            ),
        ),
        Panel(
            "Cash and equity",
            "As believed; reconciled with the venue's lists.",
            "currencyUSD",
            (now("kalshid_cash_dollars", "cash"), now("kalshid_equity_dollars", "equity")),
        ),
        Panel(
            "Fees over time",
            "Paid, in the window of one step.",
            "currencyUSD",
            (count("kalshid_fees_dollars_total", "fees"),),
        ),
        Panel(
            "Result by strategy",
            "Each strategy's own trades: marked, and the closed part of it, after fees. What"
            " nobody's strategy did (an adopted position, a person's trade) is not in it.",
            "currencyUSD",
            (
                now("kalshid_strategy_pnl_dollars", "{{strategy}} marked"),
                now("kalshid_strategy_realized_dollars", "{{strategy}} closed"),
            ),
        ),
        Panel(
            "At stake by strategy",
            "What each strategy's positions cost and its orders may cost: what capital_dollars limits.",
            "currencyUSD",
            (now("kalshid_strategy_staked_dollars", "{{strategy}}"),),
        ),
        Panel(
            "Lost from the top",
            "Drawdown since the start, and loss of the day as its limit sees it.",
            "currencyUSD",
            (
                now("kalshid_drawdown_dollars", "drawdown"),
                Query('kalshid_risk_taken_dollars{limit="daily_loss", @}', "{{limit}}"),
            ),
        ),
    ),
)
