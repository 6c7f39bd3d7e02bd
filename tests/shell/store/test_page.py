"""`daemon/STORE.md` says what is in the file: drawn from the structs, and its queries run."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from daemon.shell.store.page import store_page
from daemon.shell.store.rows import TABLES
from daemon.shell.store.schema import migrate

PAGE = Path(__file__).parents[3] / "daemon/STORE.md"


def test_the_page_is_drawn_from_the_rows() -> None:
    """It can't rot: UPDATE_DOCS=1 rewrites it."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(store_page(), encoding="utf-8")
    assert store_page() == PAGE.read_text(encoding="utf-8")


def test_every_table_and_column_is_on_it() -> None:
    """Whoever writes SQL finds each name, with its unit."""
    page = store_page()
    for kind, table in TABLES.items():
        section = page.partition(f"## {table}\n")[2].partition("\n## ")[0]
        columns = re.findall(r"^\| `(\w+)` \| ", section, re.MULTILINE)
        assert ["epoch", *kind.__struct_fields__] == columns, table


def test_its_queries_run() -> None:
    """What a reader copies from the page works on a store."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database)
    block = store_page().partition("```sql\n")[2].partition("```")[0]
    queries = [query for query in block.split(";") if "SELECT" in query]
    assert 2 == len(queries)
    for query in queries:
        database.execute(query, ("x",) if "?1" in query else ())
    database.close()
