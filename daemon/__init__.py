"""kalshid: a real-time trading daemon for the Kalshi prediction market."""
