"""The colours of masks, the same on canvas, meters and plots (Okabe-Ito palette)."""

from __future__ import annotations

__all__ = [
    "CORRECTION",
    "DOUBT",
    "FALSE_NEGATIVE",
    "FALSE_POSITIVE",
    "PREDICTION",
    "TRUE_POSITIVE",
    "TRUTH",
]

TRUTH = "#009E73"
"""Bluish green."""
PREDICTION = "#D55E00"
"""Vermilion."""
CORRECTION = "#56B4E9"
"""Sky blue."""
TRUE_POSITIVE = "#FFFFFF"
"""Where a mask and the truth agree; drawn faintly, so that the anatomy is seen."""
FALSE_POSITIVE = "#D55E00"
FALSE_NEGATIVE = "#0072B2"
DOUBT = "#CC79A7"
"""Reddish purple: the hue of the ramp of uncertainty."""
