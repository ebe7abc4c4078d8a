"""Pretrained models: what is known of them, where they come from, how they are run."""
