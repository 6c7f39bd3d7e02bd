"""daemon/METRICS.md, made from the table of all metrics."""

from __future__ import annotations

from daemon.shell.families import FAMILIES
from daemon.shell.histogram import BUCKETS
from daemon.shell.metrics import LABEL_VALUES_MAX

_HEAD = f"""# Metrics

Served at `/metrics` of `metrics.listen`, for Prometheus. Made from `daemon/shell/metrics.py`; `UPDATE_DOCS=1`
rewrites it.

Units are base units: seconds, bytes, dollars. Instants are Unix seconds: their age is for PromQL. Counters
begin at 0 with the process. What is not known is left out, and never a zero. No label is a ticker or an
order; what comes from outside, such as the shape of a refused frame, keeps its name for the first
{LABEL_VALUES_MAX} and counts as `other` from then on. Histograms have {BUCKETS} buckets, from 1 µs up, each
twice the one before.

| metric | kind | labels | what |
|---|---|---|---|
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
    return _HEAD + "\n".join(rows) + f"\n\n{process}\n"
