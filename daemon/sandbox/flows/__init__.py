"""Where the market comes from: simulated traders, recorded tapes, or an operator by hand."""
