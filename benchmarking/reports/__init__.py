"""Output of scores for readers and programs."""
