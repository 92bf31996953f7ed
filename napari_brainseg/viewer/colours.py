"""The colours of masks, the same on canvas, meters and plots (Okabe-Ito palette)."""

from __future__ import annotations

__all__ = ["CORRECTION", "FALSE_NEGATIVE", "FALSE_POSITIVE", "PREDICTION", "TRUTH"]

TRUTH = "#009E73"
"""Bluish green."""
PREDICTION = "#D55E00"
"""Vermilion."""
CORRECTION = "#56B4E9"
"""Sky blue."""
FALSE_POSITIVE = "#D55E00"
FALSE_NEGATIVE = "#0072B2"
