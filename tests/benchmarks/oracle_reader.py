"""An oracle corrects masks with the real tools, patient by patient; prints JSON lines.

Usage: ``oracle_reader.py ROOT WORKSPACE READER PATIENT...``, READER ``brush`` or ``all``.

The oracle knows the truth and tries what a hand can do next, each on a copy; of these it makes
the one that mends most voxels per gesture, through the session: brush strokes are painted into
the mask and committed, tools applied, all into the history of a catalogue. It never takes truth
over: brushes stay round, outlines have a dozen corners (see `oracle_hand`), tools do what they do.
A gesture is one press-drag-release, a click or a key; scribbles of growing from seeds count as
well. It ends at DSC 0.95, after `MOST` gestures, or where nothing helps any more.
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
from napari_brainseg.core.segmentation.predictor import Predictor
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_brainseg.session.correction import Correction

MOST = 400
GAPS = (2, 3, 4, 6)
"""How far apart the slices are that are interpolated between."""
ANEW = 6
"""Tools that work on the whole volume are tried every so many actions."""


@dataclass
class Reader:
    """One correction under way."""

    correction: Correction
    case: Case
    with_tools: bool
    seen: dict[Any, tuple[tuple[int, ...], Try | None]] = field(default_factory=dict)
    gestures: int = 0
    added: int = 0
    removed: int = 0
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.truth = (self.case.truth != 0).astype(np.uint8)
        image = self.case.study.image
        self.flair = image.channel(Modality.FLAIR)
        self.around = outlines(self.truth)
        self.versions = np.zeros(len(self.truth), int)

    def correct(self) -> None:
        rounds = 0
        while self.gestures < MOST and (self.correction.meter.dsc_truth or 0.0) < GOAL:
            best = self.best(look_everywhere=rounds % ANEW == 0)
            if best is None:
                break
            self.make(best)
            rounds += 1

    def best(self, *, look_everywhere: bool) -> Try | None:
        mask = self.correction.data
        wrong = (mask != self.truth).sum(axis=(1, 2))
        best: Try | None = None
        worst = np.argsort(wrong)[::-1].tolist()

        def worth(first: int, last: int) -> bool:
            # No voxel counts more than this, so a look that cannot win is spared.
            most = 1.05 * int(wrong[max(0, first) : last + 1].sum())
            return most > (best.rate if best else 0.0)

        for z in worst:
            if worth(z, z):
                best = self.better(best, ("brush", z), z, z, self.brushes)
        if not self.with_tools:
            return best
        for z in worst:
            if worth(z, z):
                best = self.better(best, ("tools", z), z - 1, z + 1, self.tools)
            if worth(z - 2, z + 2):
                best = self.better(best, ("snaps", z), z - 2, z + 2, self.snaps)
        for reach in GAPS:
            for first in range(len(mask) - reach):
                last = first + reach
                if worth(first, last):
                    best = self.better(best, ("gap", first, last), first, last, self.gaps)
        if look_everywhere:
            found = anywhere(mask, self.truth, self.case, start=not self.used)
            best = max([*found, *([best] if best else [])], key=lambda t: t.rate, default=None)
        return best

    def better(
        self,
        best: Try | None,
        key: tuple[Any, ...],
        first: int,
        last: int,
        look: Callable[..., Iterable[Try]],
    ) -> Try | None:
        """Return the better of what is known and what a look finds; looks are kept.

        A look holds until one of the slices from first to last changes.
        """
        version = tuple(self.versions[max(0, first) : last + 1].tolist())
        known = self.seen.get(key)
        if known is None or known[0] != version:
            known = version, max(look(*key[1:]), key=lambda t: t.rate, default=None)
            self.seen[key] = known
        found = known[1]
        if found is None or (best is not None and best.rate >= found.rate):
            return best
        return found

    def brushes(self, z: int) -> Iterable[Try]:
        # The tremor of a slice is its own, so that what is tried is what is made.
        return brushes(self.correction.data, self.truth, z, seed=z)

    def tools(self, z: int) -> Iterable[Try]:
        mask = self.correction.data
        return slice_tools(mask, self.truth, z, self.flair, self.around[z], seed=z)

    def snaps(self, z: int) -> Iterable[Try]:
        prediction = self.case.prediction
        assert prediction is not None
        return snaps(self.correction.data, self.truth, z, prediction.probability, seed=z)

    def gaps(self, first: int, last: int) -> Iterable[Try]:
        return gap_tries(self.correction.data, self.truth, first, last, self.around)

    def make(self, what: Try) -> None:
        for before in what.first:
            self.make(before)
        if what.painted is None:
            stroke = self.correction.apply(what.edit, what.tool, what.parameters)
        else:
            for z, cover, value in what.painted:
                self.correction.data[z][cover] = value
            stroke = self.correction.commit(what.tool, what.parameters)
        assert stroke is not None, f"{what.tool} changed nothing"
        self.gestures += what.gestures - sum(one.gestures for one in what.first)
        self.added += stroke.added
        self.removed += stroke.removed
        self.used[what.tool] += 1
        plane = self.truth.shape[1] * self.truth.shape[2]
        self.versions[np.unique(stroke.indices // plane)] += 1


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
            hand = Reader(correction, case, with_tools=reader == "all")
            hand.correct()
            meter = correction.meter
            line = {
                "patient": patient, "reader": reader, "dsc_start": start,
                "dsc_end": meter.dsc_truth, "reached": (meter.dsc_truth or 0) >= GOAL,
                "strokes": meter.strokes, "gestures": hand.gestures,
                "voxels": hand.added + hand.removed, "tools": dict(hand.used),
                "machine_s": round(time.perf_counter() - began, 1),
            }  # fmt: skip
            print(json.dumps(line), flush=True)
            replayed = Case(study, catalogue).correction
            assert replayed is not None
            assert np.array_equal(replayed.data, correction.data), "the history tells another tale"
    catalogue.close()


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
