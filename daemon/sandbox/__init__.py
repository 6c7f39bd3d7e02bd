"""The exchange that ships with us: a process of its own that speaks Kalshi's wire on loopback."""
