"""`python -m fingen` is the same as `fingen`."""

from fingen.cli import main

if __name__ == "__main__":
    main()
