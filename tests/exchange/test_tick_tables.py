"""The tick tables are grids as the venue lists them."""

from daemon.core.units import PriceGrid
from daemon.exchange.tick_tables import LINEAR_CENT, TAPERED_DECI_CENT


def test_tapered_table_is_finer_at_the_edges() -> None:
    """Tenths of a cent below 10 c and above 90 c, whole cents between."""
    grid = PriceGrid(TAPERED_DECI_CENT)

    assert [True, True, False, True, True] == [grid.contains(at) for at in (10, 990, 1010, 1100, 9010)]


def test_linear_table_has_99_prices() -> None:
    """Whole cents from 1 to 99."""
    grid = PriceGrid(LINEAR_CENT)

    assert [cent * 100 for cent in range(1, 100)] == [at for at in range(10_001) if grid.contains(at)]
