"""What can go wrong on purpose: which faults there are, when one happens, and what it does to the wire."""
