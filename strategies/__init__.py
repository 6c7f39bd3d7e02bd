"""The strategies that ship with kalshid: one file each, with its idea, source, risks and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from daemon.core.strategy import Strategy
from strategies import fair_value


class Shipped(msgspec.Struct, frozen=True):
    """A strategy by its parts: its parameters' struct, and what builds it from them."""

    params: type[msgspec.Struct]
    build: Callable[[Any], Strategy]


SHIPPED: dict[str, Shipped] = {
    fair_value.FairValue.name: Shipped(fair_value.Params, fair_value.FairValue),
}
"""By the name that config.toml uses: `[strategies.<name>]`."""
