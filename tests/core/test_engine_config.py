"""The engine's configuration: what an old journal's header leaves out means what was so then."""

from __future__ import annotations

import msgspec

from daemon.core.engine_config import EngineConfig
from daemon.core.reference import ReferenceConfig, Underlying
from tests.core.worlds import CONFIG

ADDED = ("private_feed", "audit_differences_max", "is_backfilled", "reference")


def test_a_header_of_before_the_venue_issue_still_decodes() -> None:
    """One connection, no backfill to wait for, the shipped references."""
    old = {name: value for name, value in msgspec.to_builtins(CONFIG).items() if name not in ADDED}
    config = msgspec.convert(old, EngineConfig)
    assert (config.private_feed, config.is_backfilled) == ("kalshi", False)
    assert config.reference == ReferenceConfig()


def test_it_survives_the_journal() -> None:
    """Its references too."""
    reference = ReferenceConfig(("cfbenchmarks",), 5, (Underlying("KXETH", "ETH/USD", "ETHUSD_RTI"),))
    config = msgspec.structs.replace(CONFIG, reference=reference, private_feed="kalshi-private")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(config), type=EngineConfig) == config
