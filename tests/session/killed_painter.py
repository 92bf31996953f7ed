"""A correction by script, and the plain model of it; run as a program it waits to be killed.

Usage: ``killed_painter.py CATALOGUE``. Each line "SEED STEP" on standard input has a child forked
that opens the case and acts from that step on; it writes "did STEP" after each act, and the program
"pid N" when the child is there and "gone" after its end.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.imaging import ScalarVolume, Study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.compaction import compact

if TYPE_CHECKING:
    from napari_brainseg.session.correction import Correction

SHAPE = (12, 48, 48)
ACTS = ("brush", "brush", "brush", "tool", "volume", "undo", "undo", "redo", "go to", "compact")


def study() -> Study:
    return Study("P", ScalarVolume(np.ones((3, *SHAPE), np.uint8)))


def open_case(catalogue: Catalogue) -> Case:
    case = Case(study(), catalogue, image_sha256="0" * 64)
    case.start_correction("empty", "Ada")
    return case


def draw(mask: np.ndarray, rng: np.random.Generator, kind: str) -> None:
    """Change a mask; what is drawn depends on the generator alone, and always changes something."""
    z, y, x = (int(rng.integers(0, n - 3)) for n in SHAPE)
    depth = {"brush": 1, "tool": 3, "volume": SHAPE[0]}[kind]
    mask[z : z + depth, y : y + 9, x : x + 7] ^= 1


def act(correction: Correction, catalogue: Catalogue, seed: int, step: int) -> None:
    rng = np.random.default_rng((seed, step))
    kind = ACTS[rng.integers(len(ACTS))]
    if kind == "brush":
        draw(correction.data, rng, kind)
        correction.commit("brush", {"step": step})
    elif kind in ("tool", "volume"):
        after = correction.data.copy()
        draw(after, rng, kind)
        edit = Edit.between(correction.data, after)
        assert edit is not None
        correction.apply(edit, "interpolate", {"step": step})
    elif kind == "undo":
        correction.undo()
    elif kind == "redo":
        correction.redo()
    elif kind == "go to":
        chain = [0, *(r.number for r in correction.actions() if r.state != "discarded")]
        correction.go_to(chain[rng.integers(len(chain))])
    else:
        compact(catalogue, correction.id)


class Model:
    """The same on plain arrays: all states that can be reached by undo and redo."""

    def __init__(self) -> None:
        self.masks = [np.zeros(SHAPE, np.uint8)]
        self.numbers = [0]
        self.at = 0
        self.last = 0

    @property
    def mask(self) -> np.ndarray:
        return self.masks[self.at]

    def after(self, seed: int, step: int) -> Model:
        """Return what an act leads to."""
        rng = np.random.default_rng((seed, step))
        kind = ACTS[rng.integers(len(ACTS))]
        new = Model()
        new.masks, new.numbers, new.at, new.last = self.masks, self.numbers, self.at, self.last
        if kind in ("brush", "tool", "volume"):
            mask = self.mask.copy()
            draw(mask, rng, kind)
            new.last += 1
            new.masks = [*self.masks[: self.at + 1], mask]
            new.numbers = [*self.numbers[: self.at + 1], new.last]
            new.at += 1
        elif kind == "undo":
            new.at = max(0, self.at - 1)
        elif kind == "redo":
            new.at = min(self.at + 1, len(self.masks) - 1)
        elif kind == "go to":
            new.at = int(rng.integers(len(self.numbers)))
        return new

    def equals(self, correction: Correction) -> bool:
        records = correction.actions()
        chain = [r.number for r in records if r.state != "discarded"]
        done = [r.number for r in records if r.state == "done"]
        return (
            np.array_equal(correction.data, self.mask)
            and chain == self.numbers[1:]
            and done == self.numbers[1 : self.at + 1]
            and len(records) == self.last
        )


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main() -> None:
    for line in sys.stdin:
        seed, step = map(int, line.split())
        child = os.fork()
        if child == 0:
            catalogue = Catalogue(sys.argv[1])
            correction = open_case(catalogue).correction
            assert correction is not None
            while True:
                act(correction, catalogue, seed, step)
                tell(f"did {step}")
                step += 1
        tell(f"pid {child}")
        os.waitpid(child, 0)
        tell("gone")


if __name__ == "__main__":
    main()
