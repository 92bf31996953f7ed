"""Threshold and cleaning chosen on validation patients."""
