"""Bytes to volumes and back."""
