#!/usr/bin/env python3
"""The command of 2019 for predictions with Keras."""

from benchmarking.cli.scripts_2019.predictions import KERAS, main

if __name__ == "__main__":
    raise SystemExit(main(KERAS))
