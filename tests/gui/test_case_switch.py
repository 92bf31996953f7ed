"""Changing patients, and coming back to one."""

from __future__ import annotations

import numpy as np
from qtpy.QtTest import QTest

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.overlay_layers import STACK

SECOND = "TEST_AB_0002_20200101"


def test_layers_are_reused_and_show_the_other_patient(window):
    window.open()
    window.predict()
    window.wait(lambda: all(name in window.viewer.layers for name in STACK))
    layers = list(window.viewer.layers)
    window.open(SECOND)
    assert list(window.viewer.layers) == layers
    flair = window.viewer.layers["FLAIR"]
    assert np.array_equal(flair.data, window.desk.case.study.image.data[1])
    assert window.view.layers.prediction is None
    assert not window.viewer.layers["Prediction"].data.any()
    assert not window.viewer.layers["Prediction"].visible
    assert not window.viewer.layers["Ground truth"].editable


def test_what_the_user_hid_stays_hidden(window):
    window.open()
    window.viewer.layers["FLAIR"].visible = False
    window.viewer.layers["post-contrast"].visible = True
    window.view.layers.truth.visible = False
    window.open(SECOND)
    assert not window.viewer.layers["FLAIR"].visible
    assert window.viewer.layers["post-contrast"].visible
    assert not window.view.layers.truth.visible


def test_a_correction_waits_on_its_patient_with_its_history(window):
    window.open()
    window.correct()
    start = window.view.layers.correction.data.copy()
    window.drag((8, 8), (8, 14))
    mine = window.view.layers.correction.data.copy()

    window.open(SECOND)
    assert window.view.layers.correction is None
    window.open("TEST_AB_0001_20200101")

    assert np.array_equal(window.view.layers.correction.data, mine)
    window.view.editor.undo()
    assert np.array_equal(window.view.layers.correction.data, start)


def test_strokes_after_a_switch_go_to_the_right_patient(window):
    window.open()
    window.correct()
    window.open(SECOND)
    window.correct()
    window.drag((8, 8), (8, 14))
    assert window.desk.case.correction.meter.strokes == 1
    window.open("TEST_AB_0001_20200101")
    assert window.desk.case.correction.meter.strokes == 0


def test_a_patient_that_arrives_in_the_middle_of_a_stroke_waits_for_its_end(window):
    window.open()
    window.correct()
    window.drag((8, 8), (8, 14), release=False)
    window.dock.workbench.select(SECOND)
    QTest.qWait(200)
    first = window.desk.case  # so is the desk's, or the rest of the stroke would go nowhere
    assert first.patient == "TEST_AB_0001_20200101"
    layer = window.view.layers.correction
    assert window.view.case.patient == "TEST_AB_0001_20200101"
    assert layer.data[window.view.slice_index, 8, 8:15].all()

    window.release((8, 14))

    window.wait(lambda: window.view.case.patient == SECOND)
    assert first.correction.saved[:, 8, 8:15].any(axis=0).all()
    assert [a.tool for a in first.correction.actions()] == ["brush"]
    assert not window.view.case.truth[:, 8, 8].any()
    assert window.view.layers.correction is None


def test_a_prediction_does_not_replace_the_correction(window):
    window.open()
    window.correct()
    window.drag((8, 8), (8, 14))
    mine = window.view.layers.correction.data.copy()
    window.dock.predict.start()
    window.wait(lambda: not window.dock.predict.is_busy)
    assert np.array_equal(window.view.layers.correction.data, mine)


def test_layers_of_the_user_stay_below_the_masks(window):
    window.open()
    added = window.viewer.add_image(np.zeros((6, 64, 64)), name="another")
    window.open(SECOND)
    assert added in window.viewer.layers
    assert window.viewer.layers[-1].name == "Correction"
    assert window.viewer.layers.index(added) == 3


def test_the_slider_ends_at_the_last_slice_of_the_patient_on_show(window):
    from napari_brainseg.core.dataset.layout import write_patient
    from napari_brainseg.core.imaging import ScalarVolume

    image = np.random.default_rng(0).integers(1, 255, (3, 4, 64, 64), dtype=np.uint8)
    write_patient(
        window.root, "TEST_AB_0009_20200101", ScalarVolume(image), np.zeros((4, 64, 64), np.uint8),
        (1, 2, 3, 4), durable=False,
    )  # fmt: skip
    window.open()
    window.predict()
    assert window.viewer.dims.nsteps[0] == 6
    window.open("TEST_AB_0009_20200101")
    assert window.viewer.dims.nsteps[0] == 4


def test_layers_follow_the_slice_whoever_changes_it(window):
    window.open()
    image = window.view.layers.image(Modality.FLAIR)
    for change in (
        lambda: window.viewer.dims.set_current_step(0, 4),
        lambda: window.viewer.dims.set_point(0, 1),
        lambda: window.viewer.dims._increment_dims_right(0),
    ):
        change()
        z = window.viewer.dims.current_step[0]
        assert np.array_equal(image._slice.image.raw, image.data[z])
