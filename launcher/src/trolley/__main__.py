"""`python -m trolley` is the same as `trolley`."""

from trolley.cli import main

if __name__ == "__main__":
    main()
