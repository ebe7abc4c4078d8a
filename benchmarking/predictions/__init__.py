"""Stored predictions: what they are, how they were made, where they are kept."""
