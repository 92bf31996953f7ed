"""An oracle corrects masks with the real tools, patient by patient; prints JSON lines.

Usage: ``oracle_reader.py ROOT WORKSPACE READER PATIENT...``, READER ``brush`` or ``all``.

The oracle knows the truth and tries on a copy what a hand can do next; of these it takes what
mends most voxels per gesture, until DSC 0.95, or `MOST` gestures, or nothing helps any more. It
never takes truth over: brushes stay round, outlines have a dozen corners (see `oracle_hand`),
tools do what they do. The reader with all tools goes through the case with several `HABITS`, and
keeps the one that took least. What it settled on is then made through the session: brush strokes
are painted into the mask and committed, tools applied, all into the history of a catalogue; only
these are counted. A gesture is one press-drag-release, a click or a key; scribbles of growing
from seeds count as well.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oracle_tools import (
    GOAL,
    Try,
    anywhere,
    brushes,
    gap_tries,
    outlines,
    slice_tools,
    snaps,
)

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import Modality
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.predictor import Predictor
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_brainseg.session.correction import Correction

MOST = 400
HABITS = {
    "brush": [{"brush"}],
    "all": [
        {"brush"},
        {"brush", "tools"},
        {"brush", "tools", "snaps", "volume"},
        {"brush", "tools", "snaps", "volume", "gaps"},
    ],
}
"""What a reader reaches for: `tools` work in a slice, `gaps` between slices."""
GAPS = (2, 3, 4, 6)
"""How far apart the slices are that are interpolated between."""
ANEW = 6
"""Tools that work on the whole volume are tried every so many steps."""


@dataclass
class Attempt:
    """A case gone through on a copy, with one habit; `done` says whether it came to the goal.

    `around` are outlines that a hand would draw, `untouched` what was found on slices as they
    were at the start: both are the same for each habit.
    """

    case: Case
    mask: NDArray[np.uint8]
    habit: set[str]
    around: list[list[NDArray[np.bool_]]]
    untouched: dict[Any, tuple[tuple[int, ...], Try | None]]
    steps: list[Try] = field(default_factory=list)
    done: bool = False
    seen: dict[Any, tuple[tuple[int, ...], Try | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.truth = (self.case.truth != 0).astype(np.uint8)
        self.flair = self.case.study.image.channel(Modality.FLAIR)
        self.versions = np.zeros(len(self.truth), int)

    @property
    def gestures(self) -> int:
        return sum(step.gestures for step in self.steps)

    def go(self, most: int) -> None:
        while self.gestures < most:
            self.done = dsc(self.mask, self.truth) >= GOAL
            best = None if self.done else self.best()
            if best is None:
                return
            self.steps.append(best)
            for one in (*best.first, best):
                changed = (one.edit.values != self.mask[one.edit.box]).any(axis=(1, 2))
                self.versions[one.edit.box[0]] += changed
                one.edit.write(self.mask)
        self.done = dsc(self.mask, self.truth) >= GOAL

    def best(self) -> Try | None:
        wrong = (self.mask != self.truth).sum(axis=(1, 2))
        worst = np.argsort(wrong)[::-1].tolist()
        best: Try | None = None

        def look(key: tuple[Any, ...], first: int, last: int, at: Callable[..., Any]) -> None:
            # No voxel counts more than this, so a look that cannot win is spared.
            nonlocal best
            most = 1.05 * int(wrong[max(0, first) : last + 1].sum())
            if most > (best.rate if best else 0.0):
                best = self.better(best, key, first, last, at)

        for z in worst:
            look(("brush", z), z, z, self.brushes)
        for z in worst:
            if "tools" in self.habit:
                look(("tools", z), z - 1, z + 1, self.tools)
            if "snaps" in self.habit:
                look(("snaps", z), z - 2, z + 2, self.snaps)
        for reach in GAPS if "gaps" in self.habit else ():
            for first in range(len(self.mask) - reach):
                look(("gap", first, first + reach), first, first + reach, self.gaps)
        if "volume" in self.habit and len(self.steps) % ANEW == 0:
            found = anywhere(self.mask, self.truth, self.case, start=not self.steps)
            best = max([*found, *([best] if best else [])], key=lambda t: t.rate, default=None)
        return best

    def better(
        self,
        best: Try | None,
        key: tuple[Any, ...],
        first: int,
        last: int,
        at: Callable[..., Iterable[Try]],
    ) -> Try | None:
        """Return the better of what is known and what a look finds; looks are kept.

        A look holds until one of the slices from first to last changes.
        """
        version = tuple(self.versions[max(0, first) : last + 1].tolist())
        looks = self.seen if any(version) else self.untouched
        known = looks.get(key)
        if known is None or known[0] != version:
            known = version, max(at(*key[1:]), key=lambda t: t.rate, default=None)
            looks[key] = known
        found = known[1]
        if found is None or (best is not None and best.rate >= found.rate):
            return best
        return found

    def brushes(self, z: int) -> Iterable[Try]:
        # The tremor of a slice is its own, so that a look can be repeated.
        return brushes(self.mask, self.truth, z, seed=z)

    def tools(self, z: int) -> Iterable[Try]:
        return slice_tools(self.mask, self.truth, z, self.flair, self.around[z], seed=z)

    def snaps(self, z: int) -> Iterable[Try]:
        prediction = self.case.prediction
        assert prediction is not None
        return snaps(self.mask, self.truth, z, prediction.probability, seed=z)

    def gaps(self, first: int, last: int) -> Iterable[Try]:
        return gap_tries(self.mask, self.truth, first, last, self.around)


def settle(case: Case, mask: NDArray[np.uint8], habits: list[set[str]]) -> Attempt:
    """Go through a case with each habit, and return the attempt that took least."""
    best: Attempt | None = None
    around, untouched = outlines((case.truth != 0).astype(np.uint8)), {}
    for habit in habits:
        attempt = Attempt(case, mask.copy(), habit, around, untouched)
        attempt.go(MOST if best is None or not best.done else best.gestures)
        if best is None or (attempt.done, -attempt.gestures) > (best.done, -best.gestures):
            best = attempt
    assert best is not None
    return best


def make(correction: Correction, step: Try) -> tuple[int, float, Counter[str]]:
    """Do it, through the session; voxels changed, pixels drawn, and strokes by tool."""
    if step.painted is None:
        stroke = correction.apply(step.edit, step.tool, step.parameters)
    else:
        for z, cover, value in step.painted:
            correction.data[z][cover] = value
        stroke = correction.commit(step.tool, step.parameters)
    assert stroke is not None, f"{step.tool} changed nothing"
    return stroke.added + stroke.removed, step.travel_px, Counter({str(step.tool): 1})


def main(root: str, workspace: str, reader: str, patients: list[str]) -> None:
    catalogue = Catalogue(Workspace(Path(workspace)).create().catalogue)
    folders = {folder.patient: folder for folder in discover(root).folders}
    with Predictor(load_bundle("default"), "cpu") as predictor:
        for patient in patients:
            study = load_study(folders[patient])
            case = Case(study, catalogue)
            case.set_prediction(predictor.predict(study))
            correction = case.start_correction("prediction", "oracle")
            start = correction.meter.dsc_truth
            began = time.perf_counter()
            attempt = settle(case, correction.data, HABITS[reader])
            made = [make(correction, one) for step in attempt.steps for one in (*step.first, step)]
            assert np.array_equal(correction.data, attempt.mask), "made is not what was tried"
            line = {
                "patient": patient, "reader": reader, "dsc_start": start,
                "dsc_end": correction.meter.dsc_truth, "reached": attempt.done,
                "strokes": correction.meter.strokes, "gestures": attempt.gestures,
                "voxels": sum(voxels for voxels, _, _ in made),
                "travel_px": round(sum(travel for _, travel, _ in made)),
                "tools": dict(sum((used for _, _, used in made), Counter())),
                "machine_s": round(time.perf_counter() - began, 1),
            }  # fmt: skip
            print(json.dumps(line), flush=True)
            replayed = Case(study, catalogue).correction
            assert replayed is not None
            assert np.array_equal(replayed.data, correction.data), "the history tells another tale"
    catalogue.close()


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
