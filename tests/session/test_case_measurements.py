"""What is measured shows at once, is written by a thread, and follows the open case."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from psygnal import Signal

from napari_brainseg.core.imaging import DataError, Geometry, ScalarVolume
from napari_brainseg.session.case import Case
from napari_brainseg.session.case_measurements import CaseMeasurements
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.measurements import Kind, Measurements, measurements_of

ENDS = [(2, 4, 4), (2, 4, 24)]


class FakeDesk:
    opened = Signal(object)
    closed = Signal()

    def __init__(self, catalogue):
        self.catalogue, self.case, self.editor = catalogue, None, "Ada"

    def open(self, case):
        self.case = case
        self.opened.emit(case)

    def close(self):
        self.case = None
        self.closed.emit()


@pytest.fixture
def make_case(catalogue, make_study):
    def make(patient="TEST_AB_0001_20200101"):
        study = make_study(patient)
        image = ScalarVolume(study.image.data, geometry=Geometry((5.0, 0.5, 0.5)))
        return Case(replace(study, image=image), catalogue)

    return make


@pytest.fixture
def window(catalogue, make_case):
    desk = FakeDesk(catalogue)
    measurements = CaseMeasurements(desk, every_s=0.05)
    faults = []
    measurements.fault.connect(faults.append)
    desk.open(make_case())
    yield SimpleNamespace(desk=desk, measurements=measurements, faults=faults)
    measurements.close()


def test_it_shows_before_it_is_written_and_is_written_soon(window, catalogue, until):
    found = window.measurements
    heard = []
    found.changed.connect(lambda: heard.append(len(found.items)))
    item = found.add(Kind.RULER, 0, 2, ENDS)
    assert item is not None
    assert (item.text, item.editor, heard[0]) == ("10.0 mm", "Ada", 1)
    until(lambda: measurements_of(catalogue, window.desk.case.id))
    until(lambda: found.items[0].id > 0)
    # Whoever chose it before it was written still finds it.
    assert found.find(item.id) is found.items[0]


def test_closing_the_case_waits_for_what_is_being_written(window, catalogue):
    case = window.desk.case
    item = window.measurements.add(Kind.RULER, 0, 2, ENDS)
    window.measurements.rename(item.id, "longest")
    window.measurements.move(item.id, [(2, 4, 4), (2, 4, 44)])
    window.desk.close()
    (kept,) = measurements_of(catalogue, case.id)
    assert (kept.label, kept.text) == ("longest", "20.0 mm")
    assert window.measurements.items == ()
    assert window.measurements.add(Kind.RULER, 0, 2, ENDS) is None


def test_another_case_has_its_own(window, make_case):
    first = window.desk.case
    window.measurements.add(Kind.RULER, 0, 2, ENDS)
    window.desk.open(make_case("TEST_AB_0002_20200101"))
    assert window.measurements.items == ()
    window.desk.open(first)
    assert [m.text for m in window.measurements.items] == ["10.0 mm"]


def test_deleting_can_be_undone(window, catalogue, until):
    found = window.measurements
    item = found.add(Kind.RULER, 0, 2, ENDS)
    found.remove(item.id)
    assert found.items == ()
    assert found.can_undo
    found.undo()
    until(lambda: found.items)
    assert not found.can_undo
    until(lambda: found.is_saved)
    assert len(measurements_of(catalogue, window.desk.case.id)) == 1


def test_what_another_window_measures_comes_in(window, workspace, until):
    other = Measurements(Catalogue(workspace.catalogue), window.desk.case.id, None)
    other.add(Kind.RULER, 0, 1, ENDS, "Grace")
    until(lambda: [m.editor for m in window.measurements.items] == ["Grace"])


def test_what_is_not_kept_is_told_and_not_shown(window, workspace, until):
    found = window.measurements
    item = found.add(Kind.RULER, 0, 2, ENDS)
    until(lambda: found.is_saved)
    other = Measurements(Catalogue(workspace.catalogue), window.desk.case.id, None)
    until(other.load)
    other.remove(other.items[0].id)
    found.rename(item.id, "too late")
    until(lambda: window.faults or not found.items)
    until(lambda: not found.items)


def test_what_cannot_be_measured_is_refused_at_once(window):
    with pytest.raises(DataError, match="two points"):
        window.measurements.add(Kind.RULER, 0, 2, ENDS[:1])
    assert window.measurements.items == ()
