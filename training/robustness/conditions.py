"""The conditions under which a model is measured; none touches the truth but with the grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import ConfigError, Modality
from training.robustness.grid import at_pixel_size, mirrored, rotated
from training.robustness.intensity import coded, noisy, offset, scaled, with_gamma, without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.imaging import Study

__all__ = ["NOMINAL_MM", "Condition", "all_conditions", "chosen"]

NOMINAL_MM = 0.94
"""Pixel size of a study that says none: the median of TCGA-LGG, as for the native recipe."""
PIXELS_MM = (0.4, 0.6, 0.8, 1.2)
FACTORS = (0.5, 2.0)
OFFSET_SHARE = 0.08
GAMMAS = (0.7, 1.5)
DEGREES = 10.0
NOISE_SHARE = 0.03
QUALITY = 50
SHORT = {Modality.PRE: "pre", Modality.FLAIR: "flair", Modality.POST: "post"}


@dataclass(frozen=True)
class Condition:
    """A change of a study.

    Parameters
    ----------
    name : str
        For tables and the command line.
    what : str
        What it does, for people.
    change : callable
        From a study with ground truth to the changed one; ``None`` where nothing would change.
    """

    name: str
    what: str
    change: Callable[[Study], Study | None]


def all_conditions(nominal_mm: float = NOMINAL_MM) -> tuple[Condition, ...]:
    """Build every condition.

    Parameters
    ----------
    nominal_mm : float
        Pixel size of studies that say none.
    """
    pre, post = Modality.PRE, Modality.POST
    return (
        Condition("no-pre", "FLAIR in place of pre-contrast", lambda s: without(s, pre)),
        Condition("no-post", "FLAIR in place of post-contrast", lambda s: without(s, post)),
        Condition("flair-only", "FLAIR in place of both others", lambda s: without(s, pre, post)),
        *(
            Condition(
                f"pixels-{mm:g}-mm",
                f"resampled in-plane to pixels of {mm:g} mm, which the study says",
                partial(at_pixel_size, pixel_mm=mm, nominal_mm=nominal_mm),
            )
            for mm in PIXELS_MM
        ),
        *(
            Condition(
                f"{'all' if modality is None else SHORT[modality]}-x{factor:g}",
                f"{'all modalities' if modality is None else modality} times {factor:g}",
                partial(scaled, factor=factor, modality=modality),
            )
            for modality in (None, *SHORT)
            for factor in FACTORS
        ),
        Condition(
            "offset",
            f"{OFFSET_SHARE:.0%} of the maximum added to every voxel",
            partial(offset, share=OFFSET_SHARE),
        ),
        *(
            Condition(
                f"gamma-{gamma:g}",
                f"each channel, in units of its maximum, to the power of {gamma:g}",
                partial(with_gamma, exponent=gamma),
            )
            for gamma in GAMMAS
        ),
        *(
            Condition(
                f"rotation-{side}-{DEGREES:g}",
                f"every slice turned by {degrees:+g} degrees",
                partial(rotated, degrees=degrees),
            )
            for side, degrees in (("plus", DEGREES), ("minus", -DEGREES))
        ),
        Condition(
            "noise",
            f"Gaussian noise, SD {NOISE_SHARE:.0%} of each channel's maximum",
            partial(noisy, share=NOISE_SHARE),
        ),
        Condition(
            f"jpeg-{QUALITY}",
            f"each slice of each channel coded as JPEG of quality {QUALITY}",
            partial(coded, quality=QUALITY),
        ),
        Condition("mirrored", "left for right", mirrored),
    )


def chosen(conditions: Sequence[Condition], names: Sequence[str] | None) -> tuple[Condition, ...]:
    """Pick conditions by name; all where no names are given.

    Raises
    ------
    ConfigError
        If there is no such condition.
    """
    if names is None:
        return tuple(conditions)
    known = {condition.name: condition for condition in conditions}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"There is no condition {', '.join(unknown)}.", f"Known: {', '.join(known)}."
        )
    return tuple(known[name] for name in dict.fromkeys(names))
