"""The documentation's page of the store: each table's columns with their units, from the structs."""

from __future__ import annotations

import inspect
from typing import Final

from daemon.shell.store.rows import TABLES
from daemon.shell.store.schema import STEPS

UNITS: Final[dict[str, str]] = {
    "Ns": "INTEGER, ns (an instant: since 1970, UTC)",
    "Price": "INTEGER, 1e-4 $",
    "Qty": "INTEGER, 0.01 contract",
    "Money": "INTEGER, 1e-6 $",
    "int": "INTEGER",
    "float": "REAL",
    "str": "TEXT",
}
"""What a column of a field's type holds."""
_HEAD = """# The store

`store.sqlite` in the state folder: what happened, for reports and for people with SQL. Written once a second
by one thread; readers disturb nobody (`sqlite3 'file:var/store.sqlite?mode=ro'`). Drawn from
`daemon/shell/store/rows.py`; a test rewrites it: `UPDATE_DOCS=1`. This is version VERSION
(`PRAGMA user_version`); an older file is brought up to it at a start, a newer one is refused.

- **The journal is the truth, not this** (decision record 0007). Nothing is traded by what stands here. A
  killed process loses the last second of it, a power cut the last commits; the journal has both. A store that
  fails stops no trading: rows wait, then are counted as lost.
- All amounts are exact integers in the units named below. Unknown is NULL.
- `epoch` in every table is the run that wrote the row, in Unix ms, and joins it with `runs`. A run on a tape
  writes none.
- A fill is one row by `(trade_id, order_id)`, whoever told it first, also when a later run learns of it.
- `api_calls` and `refusals` older than `[store] calls_kept_days` are deleted. All else is kept.
- Never kept: keys, headers, signatures, bodies.

```sql
-- profit per contract in cents, ten seconds after our fills
SELECT round(sum(CASE side WHEN 'bid' THEN 1 ELSE -1 END * (m.mid - price) * qty) / 100.0 / sum(qty), 2)
FROM fills JOIN marks m USING (trade_id, order_id) WHERE after = 10000000000 AND m.mid IS NOT NULL;
-- one order's life
SELECT at, action AS what, reason FROM intents WHERE client_order_id = ?1
UNION ALL SELECT at, state, told_by FROM order_changes WHERE client_order_id = ?1 ORDER BY at;
```
"""


def store_page() -> str:
    """Return the documentation's page, in Markdown."""
    lines = [_HEAD.replace("VERSION", str(len(STEPS)))]
    for kind, table in TABLES.items():
        lines += [
            f"## {table}",
            "",
            inspect.cleandoc(kind.__doc__ or ""),
            "",
            "| column | holds |",
            "|---|---|",
        ]
        lines.append(f"| `epoch` | {UNITS['int']}, Unix ms |")
        for name, annotation in kind.__annotations__.items():
            wanted, _, rest = str(annotation).partition(" | ")
            lines.append(f"| `{name}` | {UNITS[wanted]}{', or NULL' if rest else ''} |")
        lines.append("")
    return "\n".join(lines)
