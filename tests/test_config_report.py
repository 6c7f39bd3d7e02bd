"""What a configuration comes to, and the reference of all keys."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.config import Config, load_config
from daemon.config_report import DEFAULT, effective, reference

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "daemon" / "CONFIG.md"


def test_the_reference_is_that_of_the_schema() -> None:
    """UPDATE_DOCS=1 writes it."""
    made = reference((ROOT / "config.toml").read_text(encoding="utf-8"))
    if os.environ.get("UPDATE_DOCS"):
        REFERENCE.write_text(made, encoding="utf-8")
    assert REFERENCE.read_text(encoding="utf-8") == made


def test_the_reference_names_every_key() -> None:
    """With what the shipped file says of it."""
    text = REFERENCE.read_text(encoding="utf-8")
    config = Config(root=Path())
    for name in Config.__struct_fields__:
        value = getattr(config, name)
        if name in ("root", "strategies"):
            continue
        fields = getattr(value, "__struct_fields__", None)
        keys = [name] if fields is None else [f"{name}.{key}" for key in fields]
        assert [] == [key for key in keys if f"\n| `{key}` |" not in text]
    assert "Sum of the worst cases of all markets." in text


def test_each_value_says_where_it_is_from(tmp_path: Path) -> None:
    """A line of the file, or the default; a strategy's own defaults too."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[risk]\nopen_orders_max = 7\n\n[strategies.fair_value]\nenabled = true\nseries = ["KXBTC15M"]\n'
    )
    found = {one.key: (one.value, one.origin) for one in effective(str(path), load_config(path))}
    assert (7, f"{path}:2") == found["risk.open_orders_max"]
    assert (10, DEFAULT) == found["risk.orders_per_market_max"]
    assert (True, f"{path}:5") == found["strategies.fair_value.enabled"]
    assert (0.02, DEFAULT) == found["strategies.fair_value.edge_min"]
