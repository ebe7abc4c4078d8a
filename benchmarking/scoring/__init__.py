"""From stored predictions to numbers, each with its uncertainty."""
