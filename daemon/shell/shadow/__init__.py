"""Shadow: an account of our own on the live exchange's books, where nothing is ever sent.

`exchange` puts the account on the books that the pump journals, `store` keeps it over restarts, and `venue`
offers the calls that the order queue and the readers make, with the delay that the wire would have.
"""
