"""Metrics of stored predictions, with their uncertainty."""
