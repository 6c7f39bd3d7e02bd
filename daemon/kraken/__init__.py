"""The reference price feed, in the same shape as the venue."""
