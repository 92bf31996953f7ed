"""State and use cases: no Qt, no napari."""
