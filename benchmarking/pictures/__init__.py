"""Reading of labelled pictures, and their preprocessing to the uint8 crops that a model gets."""
