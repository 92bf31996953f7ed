"""The trainer: python -m training."""
