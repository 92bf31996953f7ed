"""Bundled model versions."""
