#!/usr/bin/env python3
"""Predictions with Keras, by their command of 2019."""

from benchmarking.cli.scripts_2019.predictions import KERAS, main

if __name__ == "__main__":
    raise SystemExit(main(KERAS))
