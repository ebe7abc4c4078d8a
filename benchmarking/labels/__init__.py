"""Which pictures count, and which classes are right for each."""
