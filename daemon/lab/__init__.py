"""Research: tapes, datasets, training. Never imported by the daemon."""
