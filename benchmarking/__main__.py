"""`python -m benchmarking`, the same as the command `imagenet-benchmark`."""

from benchmarking.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
