"""The venue: pure wire, auth and session; thin async ws and rest."""
