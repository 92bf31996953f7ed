"""What the status bar says of the place under the mouse."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_brainseg.core.imaging import Geometry, Modality
from napari_brainseg.viewer.readout import Readout, place_words

AXIAL = Geometry.from_affine(
    ((0.0, 0.0, 0.5, -60.0), (0.0, 1.0, 0.0, -50.0), (5.0, 0.0, 0.0, -20.0), (0, 0, 0, 1.0))
)
"""Upright: rows run to P, columns to L, slices to S."""


def view_of(data, geometry, modality=Modality.FLAIR, *, ct=False, composite=False):
    study = SimpleNamespace(
        image=SimpleNamespace(geometry=geometry), shown=lambda m: data + 100 * (m is Modality.POST)
    )
    case = SimpleNamespace(study=study, shape=data.shape)
    display = SimpleNamespace(
        modality=modality,
        composite=composite,
        modalities=(Modality.PRE, Modality.FLAIR, Modality.POST),
        is_ct=lambda _m: ct,
        is_missing=lambda m: m is Modality.PRE,
    )
    return SimpleNamespace(case=case, display=display)


@pytest.fixture
def data():
    return np.arange(4 * 100 * 200, dtype=np.int32).reshape(4, 100, 200)


def test_place_in_the_patient_and_native_value(data):
    readout = Readout(ViewerModel(), view_of(data, AXIAL))
    value = data[2, 30, 150]
    words = readout.words((2.04, 30.4, 150.0))
    assert words == f"L 15.0  A 19.6  I 9.8 mm    FLAIR {value}"
    assert readout.words((2, 30, -160)) == "R 140.0  A 20.0  I 10.0 mm", "beside the image"


def test_hounsfield_values_composite_and_fractions(data):
    words = Readout(ViewerModel(), view_of(data - 1024, AXIAL, ct=True)).words((0, 0, 0))
    assert words.endswith("CT -1024 HU")
    words = Readout(ViewerModel(), view_of(data, AXIAL, composite=True)).words((0, 0, 2))
    assert words.endswith("FLAIR 2    post-contrast 102")
    readout = Readout(ViewerModel(), view_of(data, AXIAL, composite=True))
    readout.tell((0, 0, 2), Modality.POST)
    assert readout._viewer.status["coordinates"].endswith("mm    post-contrast 102")
    words = Readout(ViewerModel(), view_of(data / 3, AXIAL)).words((0, 0, 1))
    assert words.endswith("FLAIR 0.3333")


def test_nothing_is_made_up_without_orientation_or_spacing():
    assert place_words(Geometry((5.0, 1.0, 0.5)), (1, 20, 30)) == "x 15.0  y 20.0 mm"
    assert place_words(Geometry(), (1, 20, 30)) == "x 30  y 20 px"


def test_the_status_bar_is_naparis_own_again_without_a_case_and_after_the_end(data):
    viewer = ViewerModel()
    viewer.mouse_over_canvas = True
    viewer.add_image(np.zeros((4, 100, 200)))
    view = view_of(data, AXIAL)
    readout = Readout(viewer, view)
    viewer.cursor.position = (10.0, 30.0, 75.0)
    assert "FLAIR" in viewer._calc_status_from_cursor()[0]["coordinates"]
    readout.tell((0, 0, 0))
    readout.follow()
    assert viewer.status["coordinates"]
    view.case = None
    readout.follow()
    assert viewer.status == "", "a value of the patient before would be taken for this one's"
    assert viewer._calc_status_from_cursor()[0]["layer_base"] == "Image"
    view.case = view_of(data, AXIAL).case
    readout.close()
    assert viewer._calc_status_from_cursor()[0]["layer_base"] == "Image"
