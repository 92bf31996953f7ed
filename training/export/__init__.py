"""Bundles as files for other programs, each checked against Torch."""
