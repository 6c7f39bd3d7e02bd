"""What `scale` measures is real work, and a market stays small: memory is the same on every machine."""

from __future__ import annotations

from tests.bench.scale import delta_costs, memory_per_market

IDLE_MAX = 20_000
ACTIVE_MAX = 100_000


def test_all_of_many_markets_are_synced_and_scored() -> None:
    """Uniform traffic leaves no book lost, and every market has had a score."""
    costs = delta_costs(2, 150, rounds=2, deltas=100, size=2, settling=1_000)
    assert (1.0, 1.0) == (costs["synced_share"], costs["scored_share"])
    assert costs["ratio"] > 0


def test_a_market_stays_within_its_memory() -> None:
    """20 kB for one that nothing happens in, 100 kB for one with five deltas a second."""
    kept = memory_per_market(idle=150, active=1, deltas=3_000)
    assert kept["idle_bytes"] <= IDLE_MAX
    assert kept["active_bytes"] <= ACTIVE_MAX
