"""How a model's masks stand up to images that are not as they should be."""
