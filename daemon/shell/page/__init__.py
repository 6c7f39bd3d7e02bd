"""The owner's page: one page on loopback, live by server-sent events.

It reads copies of what the core believes and never asks the core to wait. `view` copies, `curves` remembers,
`streams` tells whoever looks, `recent` is searched, `reliability` asks the store, `site` answers and guards.
"""
