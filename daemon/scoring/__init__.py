"""Models behind the core's Scorer protocol, and the registry that vouches for them."""
