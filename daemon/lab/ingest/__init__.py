"""What is read from elsewhere into the store: the venue, Kraken, and files of outside series."""
