"""What happened, as SQL, for reports and people: never on the way of an order, never the truth about one.

The journal is the truth (decision record 0007). The schema is documented in `daemon/STORE.md`.
"""

from daemon.shell.store.recorder import STORE_NAME, Recorder
from daemon.shell.store.writer import Store, StoreFailed

__all__ = ["STORE_NAME", "Recorder", "Store", "StoreFailed"]
