"""Risk: what may not be sent and why, by name; the limits; and the one maker of an `Approved`.

`refusals` names every reason, `limits` every limit; `vouching` asks whether a decision's ground is to be
trusted, `worst_case` what a position may lose at worst, `checks` hold an order against the limits, and
`gate` joins them: nothing leaves but by it.
"""

from daemon.core.limits import Limits
from daemon.core.risk.gate import Approved, Risk
from daemon.core.risk.grounds import AccountRisk, MarketRisk
from daemon.core.risk.refusals import RULES, Refusal, Refused
from daemon.core.risk.vouching import FeedHealth, vouch_entry, vouch_market
from daemon.core.risk.worst_case import worst_loss

__all__ = [
    "RULES",
    "AccountRisk",
    "Approved",
    "FeedHealth",
    "Limits",
    "MarketRisk",
    "Refusal",
    "Refused",
    "Risk",
    "vouch_entry",
    "vouch_market",
    "worst_loss",
]
