"""Measurements are on the disk at once, and two windows see each other's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import update

from napari_brainseg.core.imaging import DataError, Geometry
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.measurements import Kind, Measurements, measurements_of

GEOMETRY = Geometry((5.0, 0.5, 0.5))
ENDS = [(2, 4, 4), (2, 4, 24)]
CORNERS = [(3, 2, 2), (3, 22, 2), (3, 22, 22), (3, 2, 22)]


@pytest.fixture
def case(catalogue, make_study):
    return Case(make_study(), catalogue)


@pytest.fixture
def kept(catalogue, case):
    return Measurements(catalogue, case.id, GEOMETRY)


def test_what_was_measured_is_there_after_a_restart(workspace, catalogue, case, kept):
    ruler = kept.add(Kind.RULER, 0, 2, ENDS, "Ada", "longest")
    outline = kept.add(Kind.AREA, 0, 3, CORNERS)
    catalogue.close()
    again = Measurements(Catalogue(workspace.catalogue), case.id, GEOMETRY)
    assert again.load() == (ruler, outline)
    assert (ruler.text, ruler.label, ruler.editor) == ("10.0 mm", "longest", "Ada")
    assert (outline.text, outline.plane_name, outline.plane) == ("1.0 cm²", "axial", 3)


def test_a_process_that_is_killed_loses_nothing_it_measured(workspace, catalogue, case):
    catalogue.close()
    program = f"""
import os, signal
from napari_brainseg.core.imaging import Geometry
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.measurements import Kind, Measurements
kept = Measurements(Catalogue({str(workspace.catalogue)!r}), {case.id}, Geometry((5., .5, .5)))
kept.add(Kind.RULER, 0, 2, {ENDS!r}, "Ada")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    (found,) = measurements_of(Catalogue(workspace.catalogue), case.id)
    assert found.text == "10.0 mm"


def test_without_spacing_it_is_pixels(catalogue, case):
    kept = Measurements(catalogue, case.id, None)
    assert kept.add(Kind.RULER, 0, 2, ENDS).text == "20.0 px"
    assert kept.add(Kind.AREA, 0, 3, CORNERS).text == "400 px²"


def test_a_removed_one_can_come_back(catalogue, case, kept):
    first, second = (kept.add(Kind.RULER, 0, 2, ENDS, label=name) for name in "ab")
    kept.remove(first.id)
    kept.remove(second.id)
    assert kept.items == measurements_of(catalogue, case.id) == ()
    assert [m.label for m in kept.removed()] == ["a", "b"]
    assert kept.undo() is not None
    kept.restore(first.id)
    assert kept.items == (first, second)
    assert kept.undo() is None


def test_ends_move_and_the_value_follows(kept):
    ruler = kept.add(Kind.RULER, 0, 2, ENDS)
    kept.move(ruler.id, [(2, 4, 4), (2, 4, 14)])
    (now,) = kept.items
    assert now.text == "5.0 mm"
    assert now.created == ruler.created
    kept.rename(ruler.id, "  width ")
    assert kept.items == (replace(now, label="width"),)


def test_what_cannot_be_measured_changes_nothing(kept):
    outline = kept.add(Kind.AREA, 0, 3, CORNERS)
    with pytest.raises(DataError, match="crosses itself"):
        kept.add(Kind.AREA, 0, 3, [CORNERS[i] for i in (0, 2, 1, 3)])
    with pytest.raises(DataError, match="crosses itself"):
        kept.move(outline.id, [CORNERS[i] for i in (0, 2, 1, 3)])
    with pytest.raises(DataError, match="not there any more"):
        kept.rename(99, "gone")
    assert kept.load() == (outline,)


def test_two_windows_see_each_other(workspace, catalogue, case, kept):
    other = Measurements(Catalogue(workspace.catalogue), case.id, GEOMETRY)
    heard = []
    other.changed.connect(lambda: heard.append(len(other.items)))
    ruler = kept.add(Kind.RULER, 0, 2, ENDS)
    other.load()
    other.load()
    assert heard == [1]
    other.remove(ruler.id)
    with pytest.raises(DataError, match="another window"):
        kept.move(ruler.id, ENDS)
    assert kept.items == ()


def test_another_image_has_measurements_of_its_own(catalogue, kept, make_study):
    kept.add(Kind.RULER, 0, 2, ENDS)
    other = Case(make_study("TEST_AB_0002_20200101"), catalogue)
    assert measurements_of(catalogue, other.id) == ()


def test_a_damaged_record_is_left_out(catalogue, case, kept):
    kept.add(Kind.RULER, 0, 2, ENDS)
    whole = kept.add(Kind.AREA, 0, 3, CORNERS)
    with catalogue.write() as connection:
        columns = tables.measurements.c
        connection.execute(
            update(tables.measurements).where(columns.id != whole.id).values(points="[[1,")
        )
    assert measurements_of(catalogue, case.id) == (whole,)
