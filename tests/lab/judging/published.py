"""Where the published tables stand beside the checkout, for the tests that reproduce them."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "../shared/data"
BECKER = SHARED / "published/becker_mispricing_by_price.csv"
FINM = SHARED / "published/finm33150_simulation_output.parquet"
HOURLY = SHARED / "kalshi_hourly_2026-07"


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip a test, saying so, where a recorded table is absent."""
    return pytest.mark.skipif(not path.exists(), reason=f"no recorded table: {path.name} beside the checkout")
