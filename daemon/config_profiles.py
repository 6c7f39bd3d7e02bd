"""A short `config.toml` to begin with, for each mode: all else is the default."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

import strategies
from daemon.config_tables import Model

Profile: TypeAlias = Literal["sandbox", "demo", "shadow", "live"]

_KEY = """
[venue]
rest_url = "https://{rest}/trade-api/v2"
ws_url = "wss://{ws}/trade-api/ws/v2"
key_id = ""                 # The id of your API key.
private_key_file = ""       # Its PEM file, readable by you alone.
"""
_SHIPPED_MODEL = Path(strategies.__file__).parents[1] / Model().path
# Written out: the default is relative to the file, which may be anywhere.
_MODEL = f"""
[model]
path = {msgspec.json.encode(str(_SHIPPED_MODEL)).decode()}   # The one that ships with kalshid, to begin with.
"""
_DEMO = _KEY.format(rest="external-api.demo.kalshi.co", ws="external-api-ws.demo.kalshi.co")
_REAL = _KEY.format(rest="external-api.kalshi.com", ws="external-api-ws.kalshi.com")
_STRATEGY = f"""{_MODEL}
[strategies.fair_value]
enabled = true
series = ["KXBTC15M"]
"""
_LIVE = """
[live]                      # The first switch is the mode and this; the second `kalshid run --live`.
confirm = ""                # "real money with key <your key_id>"
override_reason = ""        # Only if you go without 14 days of paper behind you: why.

[risk]                      # Your own limits: each that bounds money must be written.
market_loss_max_dollars = 20
total_loss_max_dollars = 60
daily_loss_max_dollars = 30
order_notional_max_dollars = 10
event_loss_max_dollars = 30
exposure_max_dollars = 100
cash_reserve_dollars = 100
drawdown_max_dollars = 40
"""

PROFILES: Final[dict[Profile, str]] = {
    "sandbox": "# The exchange that ships with kalshid: no account, no network.\n"
    f'mode = "sandbox"\n{_STRATEGY}',
    "demo": f'# Kalshi\'s demo exchange, with your demo key.\nmode = "demo"\n{_DEMO}{_STRATEGY}',
    "shadow": f'# Paper on Kalshi\'s live books: nothing is ever sent.\nmode = "shadow"\n{_REAL}{_STRATEGY}',
    "live": "# Real money. `kalshid config check` says what is still missing here; then `kalshid check`.\n"
    f'mode = "live"\n{_REAL}{_LIVE}{_STRATEGY}',
}
"""By mode."""
