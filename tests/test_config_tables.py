"""The tables as structs: what they refuse by themselves; the file's own tests are `test_config`."""

from __future__ import annotations

import msgspec
import pytest

from daemon import config_tables
from daemon.config_tables import Table

TABLES = [
    kind
    for kind in vars(config_tables).values()
    if isinstance(kind, type) and issubclass(kind, Table) and kind is not Table
]


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_table_has_defaults_within_its_own_bounds(kind: type[Table]) -> None:
    """A key that is left out can't break what the others promise, and one that nobody knows is refused."""
    defaults = msgspec.to_builtins(kind())
    assert kind() == msgspec.convert(defaults, kind)
    with pytest.raises(msgspec.ValidationError, match="no_such_key"):
        msgspec.convert({"no_such_key": 1}, kind)
