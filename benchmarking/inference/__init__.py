"""From pictures and models to stored predictions."""
