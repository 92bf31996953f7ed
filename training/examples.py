"""Slices of validation patients after each epoch, as PNG: truth and mask outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.protocol import ExampleSaved
from napari_brainseg.core.reporting.outline import inner_outline
from napari_brainseg.core.reporting.overlay import encoded, grey
from training.board import flair_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data import ValidationCase
    from training.stream import EventStream
    from training.validation import Validated

__all__ = ["FOLDER", "MASK", "MOST", "TRUTH", "Examples"]

FOLDER = "examples"
MOST = 2
"""Patients shown."""
TRUTH = (0, 158, 115)
MASK = (213, 94, 0)
"""Bluish green and vermilion of Okabe and Ito, told apart by every kind of colour vision."""
SIDE_PX = 384
"""Least height and width of a picture; smaller ones are enlarged by a whole factor."""
DARK = 25
"""Grey values up to this are no part of the head."""
MARGIN_PX = 4


class Examples:
    """Writes ``examples/<epoch>-<patient>.png`` in the run's folder and tells each.

    Shown is the slice with the largest lesion in truth, the outline of the mask in vermilion, that
    of the truth in green on top.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    cases : sequence of ValidationCase
        Validation patients; the first with a lesion are shown unless `choose` finds others.
    """

    def __init__(self, run_dir: Path, cases: Sequence[ValidationCase]) -> None:
        self._folder = run_dir / FOLDER
        self._cases = tuple(cases)
        self._shown = [i for i, case in enumerate(cases) if case.truth.any()][:MOST]
        self._images: dict[int, NDArray[np.uint8]] = {}

    def choose(self, base: Validated) -> None:
        """Show the patients that the base model does worst on: there is most to gain."""
        with_lesion = [i for i, case in enumerate(self._cases) if case.truth.any()]
        self._shown = sorted(with_lesion, key=lambda i: (base.scores[i], i))[:MOST]

    def save(self, epoch: int, found: Validated, events: EventStream) -> None:
        """Write and tell the examples of an epoch; 0 is the base model.

        A disk that does not take them is no fault of the run: it has checkpoints to complain of.
        """
        for i in self._shown:
            case = self._cases[i]
            z = int(np.count_nonzero(case.truth, axis=(1, 2)).argmax())
            path = self._folder / f"{epoch:04d}-{case.patient}.png"
            picture = _picture(self._image(i, z), case.truth[z], found.masks[i][z])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, encoded(picture))
            except (OSError, DataError):
                continue
            events.send(
                ExampleSaved(
                    epoch=epoch,
                    patient=case.patient,
                    slice_index=z,
                    path=str(path),
                    dsc=found.scores[i],
                )
            )

    def _image(self, i: int, z: int) -> NDArray[np.uint8]:
        if i not in self._images:
            self._images[i] = grey(flair_of(self._cases[i]))[z].copy()
        return self._images[i]


def _picture(
    image: NDArray[np.uint8], truth: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    painted = np.repeat(image[..., None], 3, axis=-1)
    painted[inner_outline(mask)] = MASK
    painted[inner_outline(truth)] = TRUTH
    rows, columns = _window((image > DARK) | (truth > 0))  # the same in every epoch
    painted = painted[rows, columns]
    factor = max(1, -(-SIDE_PX // min(painted.shape[:2])))
    enlarged: NDArray[np.uint8] = painted.repeat(factor, axis=0).repeat(factor, axis=1)
    return enlarged


def _window(shown: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the head with a margin: black around it only makes it small."""
    found = []
    for axis in (1, 0):
        there = np.flatnonzero(shown.any(axis=axis))
        start, end = (int(there[0]), int(there[-1])) if there.size else (0, shown.shape[1 - axis])
        found.append(slice(max(0, start - MARGIN_PX), end + 1 + MARGIN_PX))
    return found[0], found[1]
