"""From a place with pictures to the uint8 crops that a model sees."""
