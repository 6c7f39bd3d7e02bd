"""Exit codes of every command: stable, documented in the README, after sysexits.h."""

from __future__ import annotations

OK = 0
CRASHED = 1
"""An error that nobody foresaw; the log has the traceback."""
USAGE = 2
"""The command line is wrong."""
BAD_INPUT = 65
"""A journal, tape or model can't be read, or a replay differs."""
UNAVAILABLE = 69
"""The venue, the sandbox or the daemon can't be reached, or you may not connect to it."""
TAKEN = 73
"""Another daemon uses the state folder, or an address is taken."""
UNRECORDED = 74
"""The journal, or a halt, can't be written: nothing was sent unrecorded."""
UNCONFIRMED = 75
"""Stopped or halted, but some order's end was not confirmed: look at the venue."""
CONFIG = 78
"""The configuration, a key or a model is not usable; a restart won't help."""
INTERRUPTED = 130
"""Ctrl-C ended a command; what a reading of the lab's had read is kept."""
