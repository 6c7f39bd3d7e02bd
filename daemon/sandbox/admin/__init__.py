"""The operator's side: an HTTP endpoint of its own, by which tests and people move the venue."""
