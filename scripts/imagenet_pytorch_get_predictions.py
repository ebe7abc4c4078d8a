#!/usr/bin/env python3
"""Predictions with PyTorch, by their command of 2019."""

from benchmarking.drop_in.predictions import PYTORCH, main

if __name__ == "__main__":
    raise SystemExit(main(PYTORCH))
