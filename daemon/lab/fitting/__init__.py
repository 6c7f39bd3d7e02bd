"""Models fitted to rows: arrays in, model files and what they say out. Nothing here reads a test fold."""
