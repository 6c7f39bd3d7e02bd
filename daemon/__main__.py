"""`python -m daemon` is `kalshid`."""

from daemon.cli import main

if __name__ == "__main__":
    main()
