"""`python -m mtfleet` is `mtfleet`."""

from mtfleet.cli.main import main

if __name__ == "__main__":
    main()
