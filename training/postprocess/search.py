"""Every way of making masks of one set of probabilities, scored, and the choice among them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from training.postprocess.outcomes import outcomes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "PLAIN",
    "Option",
    "choose",
    "chosen_without",
    "grid",
    "left_out",
    "score",
    "single_steps",
]

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
MINIMUM_SIZES_VOX = (0, 25, 50, 100, 200, 400)
OPENING_CLOSING_VOX = ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2))
SPARED_SIZES_VOX = (100, 200, 400, 1000, 2000)
SPARED_SHARES = (0.1, 0.25, 0.5, 1.0)
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

        Largest island, dense CRF, radii, way of the threshold from 0.5, size of islands removed
        (a spared share makes it less).
        """
        steps = self.steps
        radii = steps.opening_vox + steps.closing_vox
        return (
            steps.largest_component,
            steps.dense_crf,
            radii,
            self._away,
            steps.minimum_size_vox,
            -steps.spared_share,
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


def grid(*, dense_crf: bool = False, spared: bool = False) -> tuple[Option, ...]:
    """Options that are tried, `PLAIN` among them.

    Parameters
    ----------
    dense_crf : bool
        With and without the dense CRF.
    spared : bool
        Every minimum size also with a spared share, and larger ones, which make no sense alone.
    """
    rules: list[dict[str, Any]] = [
        *({"minimum_size_vox": size} for size in MINIMUM_SIZES_VOX),
        {"largest_component": True},
        *(
            {"minimum_size_vox": size, "spared_share": share}
            for size, share in itertools.product(SPARED_SIZES_VOX, SPARED_SHARES)
            if spared
        ),
    ]
    return tuple(
        Option(
            threshold,
            Postprocessing(
                dense_crf=weight,
                opening_vox=opening,
                closing_vox=closing,
                fill_holes=fill,
                **rule,
            ),
        )
        for weight, threshold, (opening, closing), fill, rule in itertools.product(
            DENSE_CRF_WEIGHTS if dense_crf else (0.0,),
            THRESHOLDS,
            OPENING_CLOSING_VOX,
            (False, True),
            rules,
        )
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

    See `outcomes_of` for the arguments and what is raised.

    Returns
    -------
    ndarray of float64, shape (options,)
    """
    return outcomes_of(probability, truth, options, flair=flair).dsc


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
    patients = np.arange(len(scores))
    best, taken = chosen_without(scores, options, patients)
    return scores[patients, best], scores[patients, taken]


def chosen_without(
    scores: NDArray[np.float64], options: Sequence[Option], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose for each patient on the patients of all other groups; see `choose`.

    Parameters
    ----------
    scores : ndarray of float64, shape (patients, options)
        At least two patients outside each group.
    options : sequence of Option
        As scored.
    groups : ndarray of int64, shape (patients,)
        Such as the fold of each.

    Returns
    -------
    tuple of ndarray of int64, shape (patients,)
        Places of the best option, and of the simplest one within noise.
    """
    best, taken = (np.zeros(len(scores), dtype=np.int64) for _ in range(2))
    for group in np.unique(groups):
        inside = groups == group
        best[inside], taken[inside] = choose(scores[~inside], options)
    return best, taken
