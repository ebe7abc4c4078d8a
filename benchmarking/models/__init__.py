"""Pretrained models: their specs, sources, weights and frameworks."""
