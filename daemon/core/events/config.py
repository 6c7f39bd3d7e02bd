"""What changes of the configuration while the daemon runs."""

from __future__ import annotations

from daemon.core.events.fact import Fact
from daemon.core.limits import Limits
from daemon.core.terms import Terms
from daemon.core.units import Ns


class ConfigChanged(Fact, frozen=True, gc=True):
    """From here on decisions are made under another configuration, whose fingerprint is `sha256`.

    `limits` are all that are in force. `running` names the strategies that are enabled; one that runs and is
    not named is switched off. `tables` holds the strategies that are new, or have other terms than before, as
    the JSON text of a list of their tables: whoever builds strategies reads it. All others stay as they are.
    `terms` are all others that may change; None leaves them as they are.
    """

    sha256: str
    limits: Limits
    running: tuple[str, ...]
    tables: str
    received_at: Ns
    terms: Terms | None = None
