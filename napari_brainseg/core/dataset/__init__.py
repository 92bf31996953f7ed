"""The training set on disk."""
