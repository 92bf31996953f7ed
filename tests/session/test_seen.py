"""Slices seen survive a restart, and two windows do not undo each other."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import update

from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.seen import SeenSlices


@pytest.fixture
def case(catalogue, make_study):
    return Case(make_study(), catalogue)


def test_what_was_seen_is_known_after_a_restart(workspace, catalogue, case):
    seen = SeenSlices(catalogue, case.id, 6)
    heard = []
    seen.changed.connect(heard.append)
    assert seen.mark(2)
    assert not seen.mark(2)
    seen.mark(4)
    assert len(heard) == 2
    assert not seen.is_saved
    seen.save()
    assert seen.is_saved
    catalogue.close()
    again = SeenSlices(Catalogue(workspace.catalogue), case.id, 6)
    assert np.flatnonzero(again.load()).tolist() == [2, 4]
    assert again.is_saved


def test_two_windows_add_to_each_other(catalogue, case):
    first, second = (SeenSlices(catalogue, case.id, 6) for _ in range(2))
    first.mark(0)
    second.mark(5)
    first.save()
    second.save()
    assert np.flatnonzero(second.flags).tolist() == [0, 5]
    assert np.flatnonzero(SeenSlices(catalogue, case.id, 6).load()).tolist() == [0, 5]


def test_other_voxels_are_another_case(catalogue, case, make_study):
    seen = SeenSlices(catalogue, case.id, 6)
    seen.mark(1)
    seen.save()
    study = make_study("TEST_AB_0002_20200101")
    other = Case(study, catalogue)
    assert not SeenSlices(catalogue, other.id, 6).load().any()


def test_a_damaged_record_is_nothing_seen(catalogue, case):
    seen = SeenSlices(catalogue, case.id, 6)
    seen.mark(1)
    seen.save()
    with catalogue.write() as connection:
        connection.execute(update(tables.seen_slices).values(slices=b"rubbish"))
    assert not SeenSlices(catalogue, case.id, 6).load().any()
