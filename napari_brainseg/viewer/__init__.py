"""napari without Qt: volumes to layers, edits to the session."""
