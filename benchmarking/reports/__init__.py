"""Scores as people and programs read them."""
