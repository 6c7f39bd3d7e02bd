"""The prediction API: a process of its own, that reads the registry and answers, and can trade nothing."""
