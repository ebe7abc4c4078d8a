"""Stored predictions: their content, their provenance and their store."""
