"""`python -m grpoctl` is `grpoctl`."""

from grpoctl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
