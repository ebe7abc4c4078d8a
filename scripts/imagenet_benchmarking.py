#!/usr/bin/env python3
"""The accuracy table of stored predictions, by its command of 2019."""

from benchmarking.cli.scripts_2019.table import main

if __name__ == "__main__":
    raise SystemExit(main())
