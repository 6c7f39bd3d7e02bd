"""The WebSocket of Kalshi's protocol: commands, subscriptions, frames, and who is sent what."""
