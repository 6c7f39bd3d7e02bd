"""What happens to the models that score."""

from __future__ import annotations

from daemon.core.events.fact import Fact
from daemon.core.units import Ns


class ModelSwapped(Fact, frozen=True):
    """From here on another model scores in a slot ("default", a name of `[model.named]`, "challenger").

    `path` is its folder as the configuration would name it; `sha256` is its fingerprint, by which whoever
    replays makes sure to load the same one. `expires_at` is by its metadata, None for never.
    """

    slot: str
    path: str
    name: str
    version: str
    sha256: str
    received_at: Ns
    expires_at: Ns | None = None
