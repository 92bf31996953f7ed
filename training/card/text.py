"""A model card of everything that was measured, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.card import figures, making, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.card.material import Material

__all__ = ["SECTIONS", "card_text"]

SECTIONS: dict[str, Callable[[Material], str]] = {
    "What it is for": making.purpose,
    "Data": making.data,
    "How it was trained": making.training,
    "How masks are made": making.masks,
    "Test": figures.test,
    "Cross-validation": figures.cross_validation,
    "Calibration": figures.calibration,
    "Robustness": figures.robustness,
    "Worst cases": figures.worst_cases,
    "Limits": terms.limits,
    "Licence of the weights": terms.licence,
    "How to make and measure it again": terms.again,
}
"""Heading to what writes it, in the order of the card."""
REMARKS = "Remarks"


def card_text(material: Material) -> str:
    """Write the card (Markdown): every section, in words where nothing was measured.

    Parameters
    ----------
    material : Material
        What is known. Its note, where there is one, stands under a heading of its own before the
        limits.
    """
    version = material.bundle.version
    parts = [
        f"# Model card: {material.bundle.name}",
        f"Version `{version}`. **Not for diagnosis.** Written by `python -m training card` from "
        "measured files; what was not measured is named as such.",
    ]
    for heading, write in SECTIONS.items():
        if heading == "Limits" and material.note.strip():
            parts.append(f"## {REMARKS}\n\n{material.note.strip()}")
        parts.append(f"## {heading}\n\n{write(material)}")
    return "\n\n".join(parts) + "\n"
