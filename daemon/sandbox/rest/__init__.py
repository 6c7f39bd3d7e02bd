"""The REST API: what may be asked, how it is read, what each call answers."""
