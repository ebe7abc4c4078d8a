"""Prediction of pictures with models, up to stored runs."""
