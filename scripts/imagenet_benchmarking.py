#!/usr/bin/env python3
"""The command of 2019 for the accuracy table of stored predictions."""

from benchmarking.cli.scripts_2019.table import main

if __name__ == "__main__":
    raise SystemExit(main())
