"""What all events share, and the words that several of them use."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Price, Qty

Level: TypeAlias = tuple[Price, Qty]
OrderAction: TypeAlias = Literal["place", "amend", "cancel", "probe"]
"""`probe`: the id of an order of unknown outcome was sent again (`commands.ProbeOrder`)."""
OrderStatus: TypeAlias = Literal["resting", "canceled", "executed"]
Feed: TypeAlias = str
"""Which connection, by its name: "kalshi" or "kalshi-2", … for the venue's, "kalshi-private", "kraken"."""


class Fact(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all events share: how they are built and encoded. Holds scalars only unless said."""
