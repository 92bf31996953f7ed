"""Any sequence of actions on a correction agrees with a plain array and a list of its states."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from napari_brainseg.core.editing.edit import Edit
from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
from napari_brainseg.session import stroke_saving
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.compaction import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.correction import Correction

SHAPE = (4, 5, 7)
SIZE = int(np.prod(SHAPE))
STUDY = Study("P", ScalarVolume(np.ones((3, *SHAPE), np.uint8)))

voxels = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=12)
values = st.integers(0, 2)


class History(RuleBasedStateMachine):
    """`masks` holds the state after each action in force or undone, `numbers` their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.catalogue = Catalogue(Path(self.folder.name, "catalogue.sqlite"))
        self.masks = [np.zeros(SHAPE, np.uint8)]
        self.numbers = [0]
        self.at = 0
        self.last = 0
        self.retries = mock.patch.object(stroke_saving, "RETRY_S", 3600.0)
        self.retries.start()
        self.is_full = False
        self.disk = mock.patch.object(
            Catalogue, "write", side_effect=DataError("The disk is full.")
        )

    @initialize()
    def start(self) -> None:
        self.case = Case(STUDY, self.catalogue, image_sha256="0" * 64)
        self.correction: Correction = self.case.start_correction("empty", "Ada")

    def teardown(self) -> None:
        if self.is_full:
            self.disk.stop()
        self.case.close()
        self.retries.stop()
        self.catalogue.close()
        self.folder.cleanup()

    def entered(self) -> None:
        """Note in the model that the mask, if it changed, is an action of its own."""
        data = self.correction.data
        if not np.array_equal(data != 0, self.masks[self.at]):
            self.last += 1
            self.masks = [*self.masks[: self.at + 1], (data != 0).astype(np.uint8)]
            self.numbers = [*self.numbers[: self.at + 1], self.last]
            self.at += 1

    def acted(self) -> None:
        np.testing.assert_array_equal(self.correction.data, self.masks[self.at])
        assert self.correction.meter.strokes == self.at
        assert self.correction.meter.volume_vox == self.masks[self.at].sum()
        chain = [r.number for r in self.correction.actions() if r.state != "discarded"]
        assert chain == self.numbers[1:]
        done = [r.number for r in self.correction.actions() if r.state == "done"]
        assert done == self.numbers[1 : self.at + 1]
        assert (self.correction.can_undo, self.correction.can_redo) == (
            self.at > 0,
            self.at < len(self.masks) - 1,
        )
        if not self.is_full:
            assert self.correction.unsaved == 0

    def saving(self, act: Callable[[], object]) -> None:
        """Run an act; it raises if something is left that a full disk did not take."""
        try:
            act()
        except DataError:
            assert self.is_full
            assert self.correction.unsaved
        else:
            assert self.correction.unsaved == 0

    @rule(at=voxels, value=values)
    def paint(self, at: list[int], value: int) -> None:
        self.correction.data.flat[at] = value
        self.entered()
        self.saving(lambda: self.correction.commit("brush", {"size": np.int64(3)}))
        self.acted()

    @rule(at=voxels, value=values)
    def paint_without_commit(self, at: list[int], value: int) -> None:
        self.correction.data.flat[at] = value

    @rule(at=voxels, box=st.tuples(*(st.integers(0, n - 1) for n in SHAPE)), value=values)
    def apply(self, at: list[int], box: tuple[int, int, int], value: int) -> None:
        self.entered()
        after = (self.correction.data != 0).astype(np.uint8)
        after[tuple(slice(0, n + 1) for n in box)] = min(value, 1)
        after.flat[at[0]] = value != 0
        edit = Edit.between(self.correction.data, after)
        if edit is None:
            return
        before = self.at
        self.saving(lambda: self.correction.apply(edit, "fill holes", {}))
        self.entered()
        assert self.at == before + 1
        self.acted()

    @rule()
    def undo(self) -> None:
        self.entered()
        stroke = self.correction.undo()
        assert (stroke is None) == (self.at == 0)
        self.at = max(0, self.at - 1)
        self.acted()

    @rule()
    def redo(self) -> None:
        self.entered()
        stroke = self.correction.redo()
        assert (stroke is None) == (self.at == len(self.masks) - 1)
        self.at = min(self.at + 1, len(self.masks) - 1)
        self.acted()

    @rule(share=st.floats(0, 1))
    def go_to(self, share: float) -> None:
        self.entered()
        target = round(share * (len(self.masks) - 1))
        # Paint that waits becomes an action first, so that the steps told of are those of the jump.
        self.saving(self.correction.commit)
        told: list[object] = []
        signals = (self.correction.undone, self.correction.redone)
        for signal in signals:
            signal.connect(told.append)
        stroke = self.correction.go_to(self.numbers[target])
        for signal in signals:
            signal.disconnect(told.append)
        assert told == ([] if target == self.at else [stroke])
        self.at = target
        self.acted()

    @precondition(lambda self: not self.is_full)
    @rule()
    def open_again(self) -> None:
        # Closing enters what was painted and not committed.
        self.entered()
        self.case.close()
        self.case = Case(STUDY, self.catalogue, image_sha256="0" * 64)
        assert self.case.correction is not None
        self.correction = self.case.correction
        self.acted()

    @precondition(lambda self: not self.is_full)
    @rule()
    def compact(self) -> None:
        compact(self.catalogue, self.correction.id)

    @precondition(lambda self: not self.is_full)
    @rule()
    def fill_disk(self) -> None:
        self.disk.start()
        self.is_full = True

    @precondition(lambda self: self.is_full)
    @rule()
    def make_room(self) -> None:
        self.disk.stop()
        self.is_full = False
        self.correction.retry()
        assert self.correction.unsaved == 0
        other = Case(STUDY, self.catalogue, image_sha256="0" * 64)
        assert other.correction is not None
        np.testing.assert_array_equal(other.correction.data, self.masks[self.at])
        other.correction.close(keep_unsaved=False)


History.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestHistory = History.TestCase
