"""daemon/METRICS.md, made from the table of all metrics."""

from __future__ import annotations

from daemon.shell.families import FAMILIES
from daemon.shell.histogram import BUCKETS
from daemon.shell.metrics import LABEL_VALUES_MAX

_HEAD = f"""# Metrics

Served at `/metrics` of `metrics.listen`, for Prometheus, to who asks by a loopback name or by that address
(where it is 0.0.0.0, by any address): a name of somebody else's is refused. Made from
`daemon/shell/families.py`; `UPDATE_DOCS=1` rewrites it.

Units are base units: seconds, bytes, dollars. Instants are Unix seconds: their age is for PromQL.
Counters begin at 0 with the process. What is not known is left out, and never a zero. No label is an
order, and none is a ticker but where `metrics.tickers_max` asks for the markets with most at stake. What
comes from outside, such as the shape of a refused frame, keeps its name for the first {LABEL_VALUES_MAX}
and counts as `other` from then on; all other counters are there from the start. Histograms have {BUCKETS}
buckets, from 1 µs up, each twice the one before; those by endpoint or stage show fewer. Who asks for
OpenMetrics, as Prometheus does, gets the client order id of the last order in each bucket of `order_ack`
and `tick_to_order` as exemplar.

| metric | kind | labels | what |
|---|---|---|---|
"""

_ABSENT = """## What is not there, and why

* Leader and fencing epoch: one daemon has the state folder; a second one is refused at its start.
* The commit in `build_info`: what is installed is known by its version.
* Reasons of drops and resyncs as labels: they are texts. They stand in the log and in the journal; how
  often is `feed_drops_total` and `events_total`.
* The age of messages as a histogram: it would hold the difference of two clocks. `transport_lag_seconds`
  is what comes on top of the best delay, `clock_offset_seconds` the rest.
* Frames by type: what frames tell is counted by kind in `events_total`, `session_total` and
  `kraken_total`.
* Waits for tokens apart from other waits: `queue_wait_seconds` and `read_wait_seconds` hold both; the
  venue's own refusals are code `429`.
* Readings of the account by result: `events_total{kind="reconciliations"}`, and what differed in
  `reconcile_findings_total`.
* Log loss: the Brier score is kept, in sums that need no outcome yet. A calibration error by bins, and
  outcomes one by one with their lag, are the page's and the report's, from the store.
* Journal records by kind: `events_total` counts what they tell; `journal_bytes_total` what they take.
* How late the store is: `store_rows_total` counts what was lost, and `store_failing` says that it stands
  still; nothing is traded by it.
* The last backup: it is a timer's own unit, which tells systemd how it ended.
* Notices by channel: one that some target missed is counted by what became of it; the log names the
  target.
"""


def metrics_page() -> str:
    """Return the page: one row for each family, in the order in which they are declared."""
    rows = [
        f"| `{name}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} | {family.help} |"
        for name, family in FAMILIES.items()
    ]
    process = (
        "The process's own, as Prometheus' client tells them: `process_cpu_seconds_total`,\n"
        "`process_resident_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and others."
    )
    return _HEAD + "\n".join(rows) + f"\n\n{process}\n\n{_ABSENT}"
