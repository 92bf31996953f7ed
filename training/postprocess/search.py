"""Every way of making masks of one set of probabilities, scored, and the choice among them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.segmentation.postprocessing import (
    Postprocessing,
    lesion_box,
    reshape,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PLAIN", "Option", "choose", "grid", "left_out", "score", "single_steps"]

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
MINIMUM_SIZES_VOX = (0, 25, 50, 100, 200, 400)
OPENING_CLOSING_VOX = ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2))
DENSE_CRF_WEIGHTS = (0.0, 1.0, 3.0)
PLAIN_THRESHOLD = 0.5


@dataclass(frozen=True)
class Option:
    """A threshold and the steps after it.

    Parameters
    ----------
    threshold : float
        Voxels at or above it are lesion.
    steps : Postprocessing
        What is done then.
    """

    threshold: float
    steps: Postprocessing

    @cached_property
    def settings(self) -> int:
        """How many settings are not the plain ones: what makes an option simpler than another."""
        return len(self._chosen) + (self._away > 0)

    @cached_property
    def boldness(self) -> tuple[float, ...]:
        """How far the settings go: what can throw a lesion away first, then what can change one.

        Largest island, dense CRF, radii, way of the threshold from 0.5, size of islands removed.
        """
        steps = self.steps
        radii = steps.opening_vox + steps.closing_vox
        return (
            steps.largest_component,
            steps.dense_crf,
            radii,
            self._away,
            steps.minimum_size_vox,
        )

    @property
    def _chosen(self) -> dict[str, float]:
        return self.steps.model_dump(exclude_defaults=True)

    @property
    def _away(self) -> float:
        return round(abs(self.threshold - PLAIN_THRESHOLD), 6)

    def __str__(self) -> str:
        """Name the threshold and the steps."""
        steps = [
            name if value is True else f"{name} {value}" for name, value in self._chosen.items()
        ]
        return ", ".join([f"threshold {self.threshold:g}", *steps])


PLAIN = Option(PLAIN_THRESHOLD, Postprocessing())
"""What every option is compared with."""


def grid(*, dense_crf: bool = False) -> tuple[Option, ...]:
    """Options that are tried, `PLAIN` among them; with and without the dense CRF if asked for."""
    return tuple(
        Option(
            threshold,
            Postprocessing(
                dense_crf=weight,
                opening_vox=opening,
                closing_vox=closing,
                fill_holes=fill,
                minimum_size_vox=size,
                largest_component=largest,
            ),
        )
        for weight, threshold, (opening, closing), fill, size, largest in itertools.product(
            DENSE_CRF_WEIGHTS if dense_crf else (0.0,),
            THRESHOLDS,
            OPENING_CLOSING_VOX,
            (False, True),
            MINIMUM_SIZES_VOX,
            (False, True),
        )
        # with the largest island alone, a minimum matters to patients without a lesion only
        if not (largest and size)
    )


def single_steps(options: Sequence[Option]) -> list[int]:
    """Places of the options that are plain but for one setting."""
    return [place for place, option in enumerate(options) if option.settings == 1]


def score(
    probability: NDArray[np.float32],
    truth: NDArray[np.generic],
    options: Sequence[Option],
    *,
    flair: NDArray[np.generic] | None = None,
) -> NDArray[np.float64]:
    """DSC of every option on one patient, as `postprocess` and `dsc` would give it.

    Each mask is shaped and labelled once; what the removal of islands does to the DSC follows from
    the size of each island and its overlap with the truth.

    Parameters
    ----------
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability on the input grid.
    truth : ndarray, shape (Z, Y, X)
        Ground truth; what is not 0 is lesion.
    options : sequence of Option
        At least one.
    flair : ndarray, shape (Z, Y, X), optional
        The image; options with a dense CRF need it.

    Returns
    -------
    ndarray of float64, shape (options,)

    Raises
    ------
    ModelError
        If an option has a dense CRF, and its library is not installed.
    """
    out = np.empty(len(options))
    weights: dict[float, list[int]] = {}
    for place, option in enumerate(options):
        weights.setdefault(option.steps.dense_crf, []).append(place)
    for weight, places in weights.items():
        refined = probability
        if weight:
            from napari_brainseg.core.segmentation.dense_crf import dense_crf

            assert flair is not None
            refined = dense_crf(probability, flair, weight=weight)
        out[places] = _score(refined, truth, [options[place] for place in places])
    return out


def _score(
    probability: NDArray[np.float32], truth: NDArray[np.generic], options: Sequence[Option]
) -> NDArray[np.float64]:
    from scipy import ndimage

    lesion = int(np.count_nonzero(truth))
    out = np.full(len(options), 1.0 if lesion == 0 else 0.0)
    box = lesion_box(probability >= min(option.threshold for option in options))
    if box is None:
        return out
    near, wanted = probability[box], truth[box] != 0
    shapes: dict[tuple[float, Postprocessing], list[int]] = {}
    for place, option in enumerate(options):
        shape = option.steps.model_copy(update={"minimum_size_vox": 0, "largest_component": False})
        shapes.setdefault((option.threshold, shape), []).append(place)
    for (threshold, shape), places in shapes.items():
        labels, count = ndimage.label(reshape(near >= threshold, shape))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        hits = np.bincount(labels[wanted], minlength=count + 1)[1:]
        for place in places:
            steps = options[place].steps
            keep = sizes >= steps.minimum_size_vox
            if steps.largest_component and keep.any():
                keep = np.arange(count) == sizes.argmax()
            predicted, both = int(sizes[keep].sum()), int(hits[keep].sum())
            total = predicted + lesion
            out[place] = 2.0 * both / total if total else 1.0
    return out


def choose(scores: NDArray[np.float64], options: Sequence[Option]) -> tuple[int, int]:
    """Pick the best option by mean DSC, and the best of the simplest that are within noise of it.

    Simple: few settings that are not the plain ones. Within noise: the mean of the differences to
    the best, patient by patient, is at most one standard error of that mean (the rule of Breiman et
    al., Classification and Regression Trees, 1984, on paired differences: how hard a patient is
    moves all options alike).

    Parameters
    ----------
    scores : ndarray of float64, shape (patients, options)
        At least two patients.
    options : sequence of Option
        As scored.

    Returns
    -------
    tuple of int
        Places of the best and of the one to take.
    """
    means = scores.mean(axis=0)
    # the first of equals: the simplest, then the one that does least
    order = sorted(
        range(len(options)), key=lambda place: (options[place].settings, options[place].boldness)
    )
    best = max(order, key=lambda place: means[place])
    behind = scores[:, [best]] - scores
    noise = behind.std(axis=0, ddof=1) / np.sqrt(len(scores))
    within = behind.mean(axis=0) <= noise + 1e-12
    fewest = min(options[place].settings for place in order if within[place])
    # one bad case makes a step's differences noisy: of equally simple ones, the mean decides
    simplest = [p for p in order if within[p] and options[p].settings == fewest]
    return best, max(simplest, key=lambda place: means[place])


def left_out(
    scores: NDArray[np.float64], options: Sequence[Option]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DSC of each patient with what is chosen on all the others; see `choose`.

    Parameters
    ----------
    scores : ndarray of float64, shape (patients, options)
        At least three patients.
    options : sequence of Option
        As scored.

    Returns
    -------
    tuple of ndarray of float64, shape (patients,)
        Of the best option, and of the simplest one within noise.
    """
    rows = []
    for patient in range(len(scores)):
        best, taken = choose(np.delete(scores, patient, axis=0), options)
        rows.append((scores[patient, best], scores[patient, taken]))
    of_best, of_taken = np.array(rows, dtype=np.float64).T
    return of_best, of_taken
