"""How a case is shown, in a viewer without a window."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import psygnal
import pytest
from napari.components import ViewerModel

from napari_brainseg.core.imaging import LabelVolume, Modality, ScalarVolume, Study
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.viewer.difference import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from napari_brainseg.viewer.display import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    OVERLAYS,
    PREDICTION_NAME,
    TRUTH_NAME,
    Display,
)
from napari_brainseg.viewer.layers import CaseLayers
from napari_brainseg.viewer.live_threshold import Delivery

SHAPE = (4, 32, 32)
STEPS = Delivery(0.5, Postprocessing(minimum_size_vox=20))


def study(seed=0, *, truth=True, missing=(), scale=1):
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 5:15, 5:15] = 1
    image = rng.integers(1, 100, (3, *SHAPE)).astype(np.int16) * scale
    return Study(
        f"P{seed}", ScalarVolume(image), LabelVolume(mask) if truth else None,
        missing_modalities=missing,
    )  # fmt: skip


def prediction(patient="P0"):
    """A square of 0.8 with a rim of 0.3 around it, and a speck far off."""
    probability = np.zeros(SHAPE, np.float32)
    probability[1, 5:17, 5:17] = 0.3
    probability[1, 7:15, 7:15] = 0.8
    probability[3, 30, 30] = 0.35
    return SimpleNamespace(
        patient=patient, probability=probability, mask=(probability >= 0.5).astype(np.uint8),
        uncertainty=probability / 2, model_version="v1",
    )  # fmt: skip


def case(of=None, *, predicted=True, correction=None):
    of = of or study()
    return SimpleNamespace(
        study=of,
        patient=of.patient,
        shape=SHAPE,
        truth=None if of.truth is None else of.truth.data,
        prediction=prediction(of.patient) if predicted else None,
        correction=None if correction is None else SimpleNamespace(data=correction),
    )


class Bench:
    """A display with its viewer, and what it told."""

    def __init__(self, preferences=None):
        self.viewer = ViewerModel()
        self.layers = CaseLayers(self.viewer)
        self.display = Display(self.layers, preferences, lambda _version: STEPS)
        self.news = []
        self.display.changed.connect(self.news.append)

    def enter(self, *args, **kwargs):
        self.case = case(*args, **kwargs)
        self.display.enter(self.case)
        self.wait(
            lambda: self.case.prediction is None or self.display._masks.live.delivery is STEPS
        )

    def wait(self, condition):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end
            psygnal.emit_queued()
            time.sleep(0.002)

    def visible(self):
        return {layer.name for layer in self.viewer.layers if layer.visible}


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.display.close()


def test_one_modality_is_on_show_and_the_next_one_skips_what_is_missing(bench):
    bench.enter(study(missing=(Modality.POST,)))
    assert bench.visible() >= {"FLAIR"}
    bench.display.next_modality()
    assert bench.display.modality is Modality.PRE
    bench.display.next_modality()
    assert bench.display.modality is Modality.FLAIR
    assert bench.visible() & {"pre-contrast", "FLAIR", "post-contrast (missing)"} == {"FLAIR"}
    assert bench.news.count("modality") == 2


def test_flair_stands_in_for_a_modality_that_the_next_study_lacks(bench):
    bench.enter()
    bench.display.modality = Modality.POST
    bench.enter(study(1, missing=(Modality.POST,)))
    assert bench.display.modality is Modality.FLAIR
    assert bench.display.is_missing(Modality.POST)
    bench.enter(study(2))
    assert bench.display.modality is Modality.POST


def test_a_modality_chosen_in_the_layer_list_is_the_one_on_show(bench):
    bench.enter()
    bench.viewer.layers["post-contrast"].visible = True
    bench.viewer.layers["FLAIR"].visible = False
    assert bench.display.modality is Modality.POST
    assert "modality" in bench.news


def test_the_composite_adds_the_three_as_red_green_and_blue(bench):
    bench.enter()
    bench.display.composite = True
    layers = [bench.layers.image(m) for m in Modality]
    assert [layer.colormap.name for layer in layers] == ["red", "green", "blue"]
    assert all(layer.visible and layer.blending == "additive" for layer in layers)
    bench.display.modality = Modality.PRE
    assert not bench.display.composite
    assert layers[0].visible
    assert layers[0].colormap.name == "gray"
    assert not layers[1].visible


def test_inverted_grey(bench):
    bench.enter()
    bench.display.inverted = True
    assert bench.layers.image(Modality.FLAIR).colormap.name == "gray_r"


def test_a_window_is_exact_for_its_patient_and_a_share_for_others(bench):
    bench.enter()
    bench.display.set_window(Modality.FLAIR, 20.0, 60.0)
    bench.enter(study(1, scale=10))
    low, high = bench.display.window(Modality.FLAIR)
    assert low == pytest.approx(200, abs=15)
    assert high == pytest.approx(600, abs=15)
    bench.enter()
    assert bench.display.window(Modality.FLAIR) == (20.0, 60.0)
    assert bench.display.window(Modality.PRE)[1] > 90
    bench.display.reset()
    assert bench.display.window(Modality.FLAIR)[1] > 90


def test_a_window_out_of_bounds_is_clamped_and_leaves_the_slider_its_range(bench):
    bench.enter()
    layer = bench.layers.image(Modality.FLAIR)
    room = layer.contrast_limits_range
    bench.display.set_window(Modality.FLAIR, -1e6, 1e6)
    assert layer.contrast_limits_range == room
    assert bench.display.window(Modality.FLAIR) == tuple(room)


def test_in_the_composite_presets_and_drags_are_for_all_three(bench):
    bench.enter()
    bench.display.composite = True
    bench.display.apply_preset("Whole range")
    assert {bench.display.window(m) for m in Modality} == {(0.0, 99.0)}
    assert bench.display.start_window_drag()
    bench.display.drag_window(0.1, 0.0)
    assert all(bench.display.window(m)[1] > 99 for m in Modality)


def test_a_preset_is_the_window_that_it_says(bench):
    bench.enter()
    for name, window in bench.display.presets().items():
        bench.display.apply_preset(name)
        assert bench.display.window() == window


def test_auto_fits_the_slice_on_show(bench):
    of = study()
    of.image.data.base[1, 2] = of.image.data.base[1, 2] // 4
    bench.display.slice_index = lambda: 2
    bench.enter(of)
    bench.display.auto()
    assert bench.display.window(Modality.FLAIR)[1] < 30


def test_a_lower_threshold_shows_more_and_leaves_the_case_alone(bench):
    bench.enter()
    delivered = bench.case.prediction.mask.copy()
    bench.display.set_threshold(0.25)
    shown = bench.layers.prediction.data
    assert shown.sum() == 144 + 1  # at once: the speck is still there
    assert np.array_equal(shown, bench.display.mask(PREDICTION_NAME))
    bench.wait(lambda: bench.display.is_settled)
    bench.wait(lambda: shown.sum() == 144)  # too small an island
    assert np.array_equal(bench.case.prediction.mask, delivered)
    assert not bench.layers.prediction.editable
    bench.display.reset_threshold()
    assert bench.display.threshold == bench.display.delivered_threshold == 0.5
    assert np.array_equal(bench.layers.prediction.data, delivered)


def test_postprocessing_of_a_threshold_that_was_left_is_not_shown(bench):
    bench.enter()
    bench.display.set_threshold(0.25)
    bench.display.set_threshold(0.34)
    bench.wait(lambda: bench.display.is_settled)
    bench.display.set_threshold(0.9)
    psygnal.emit_queued()
    assert bench.display.mask(PREDICTION_NAME).sum() == 0
    bench.enter(study(1))
    assert bench.display.threshold == 0.5


def test_the_difference_names_each_kind_and_follows_the_threshold(bench):
    bench.enter()
    bench.display.show(DIFFERENCE_NAME, True)
    labels = bench.viewer.layers[DIFFERENCE_NAME].data
    assert labels[1, 7, 7] == TRUE_POSITIVE
    assert labels[1, 5, 5] == FALSE_NEGATIVE
    assert labels[1, 16, 16] == 0
    assert bench.display.difference_counts(1) == (64, 0, 36)
    bench.display.set_threshold(0.25)
    assert labels[1, 5, 5] == TRUE_POSITIVE
    assert labels[1, 16, 16] == FALSE_POSITIVE
    assert bench.display.difference_counts(1) == (100, 44, 0)


def test_the_difference_is_that_of_the_correction_once_there_is_one(bench):
    bench.enter()
    bench.display.show(DIFFERENCE_NAME, True)
    assert bench.display.difference_of == "prediction"
    mine = bench.case.truth.copy()
    bench.case.correction = SimpleNamespace(data=mine)
    bench.display.take_correction()
    labels = bench.viewer.layers[DIFFERENCE_NAME].data
    assert bench.display.difference_of == "correction"
    assert set(np.unique(labels)) == {0, TRUE_POSITIVE}

    mine[2, 8, 8] = 1
    flat = np.ravel_multi_index(([2], [8], [8]), SHAPE)
    bench.display.note_stroke(SimpleNamespace(indices=flat))

    assert labels[2, 8, 8] == FALSE_POSITIVE
    assert not bench.viewer.layers[DIFFERENCE_NAME].editable


def test_without_truth_there_is_no_difference_and_without_prediction_no_doubt(bench):
    for name in (DIFFERENCE_NAME, DOUBT_NAME):
        bench.display.show(name, True)
    bench.enter(study(truth=False), predicted=False)
    assert not bench.display.has(DIFFERENCE_NAME)
    assert not bench.display.has(DOUBT_NAME)
    assert bench.visible() == {"FLAIR"}
    bench.case.prediction = prediction()
    bench.display.take_prediction()
    assert bench.visible() == {"FLAIR", PREDICTION_NAME, DOUBT_NAME}
    assert bench.display.doubt is bench.case.prediction.uncertainty


def test_doubt_is_clear_where_the_model_is_sure(bench):
    bench.enter()
    bench.display.show(DOUBT_NAME, True)
    alpha = bench.viewer.layers[DOUBT_NAME].colormap.map(np.array([0.0, 0.2, 0.5, 1.0]))[:, 3]
    assert alpha[0] == alpha[1] == 0
    assert 0 < alpha[2] < alpha[3]


def test_all_overlays_hide_together_and_come_back_as_they_were(bench):
    bench.enter(correction=np.ones(SHAPE, np.uint8))
    for name in OVERLAYS:
        bench.display.show(name, True)
    bench.display.show(TRUTH_NAME, False)
    before = bench.visible()
    bench.display.hide_masks()
    assert bench.visible() == {"FLAIR"}
    assert bench.display.masks_hidden
    assert bench.display.is_shown(PREDICTION_NAME)
    bench.display.reveal_masks()
    assert bench.visible() == before
    bench.display.suspended = True
    assert bench.visible() == {"FLAIR"}
    bench.display.suspended = False
    assert bench.visible() == before


def test_fill_outline_and_opacity(bench):
    bench.enter()
    bench.display.outline_width = 3
    layer = bench.layers.prediction
    assert (layer.contour, layer.opacity) == (3, 1.0)
    bench.display.fill = True
    assert layer.contour == 0
    assert layer.opacity == pytest.approx(0.35)
    bench.display.opacity = 0.5
    assert layer.opacity == pytest.approx(0.175)
    bench.display.fill = False
    assert (layer.contour, layer.opacity) == (3, 0.5)


def test_layers_are_the_same_from_case_to_case_and_parked_without_data(bench):
    for name in OVERLAYS:
        bench.display.show(name, True)
    bench.enter(correction=np.ones(SHAPE, np.uint8))
    known = list(bench.viewer.layers)
    assert [layer.name for layer in known[-5:]] == list(OVERLAYS)
    bench.enter(study(1, truth=False), predicted=False)
    assert list(bench.viewer.layers) == known
    assert not any(bench.viewer.layers[name].data.any() for name in OVERLAYS)
    bench.enter(study(2))
    assert list(bench.viewer.layers) == known


def test_settings_last(tmp_path):
    path = tmp_path / "preferences.json"
    first = Bench(Preferences(path))
    first.enter()
    first.display.show(TRUTH_NAME, False)
    first.display.show(DOUBT_NAME, True)
    first.display.outline_width = 4
    first.display.opacity = 0.6
    first.display.inverted = True
    first.display.set_window(Modality.FLAIR, 20.0, 60.0)
    first.display.close()

    second = Bench(Preferences(path))
    second.enter(study(1))
    shown = {name for name in OVERLAYS if second.display.is_shown(name)}
    assert shown == {PREDICTION_NAME, DOUBT_NAME}
    assert second.layers.prediction.contour == 4
    assert second.layers.prediction.opacity == 0.6
    assert second.layers.image(Modality.FLAIR).colormap.name == "gray_r"
    low, high = second.display.window(Modality.FLAIR)
    assert low == pytest.approx(20, abs=2)
    assert high == pytest.approx(60, abs=2)
    second.display.close()


def test_what_is_hidden_in_the_layer_list_stays_hidden(bench):
    bench.enter()
    bench.layers.truth.visible = False
    assert not bench.display.is_shown(TRUTH_NAME)
    bench.enter(study(1))
    assert bench.visible() == {"FLAIR", PREDICTION_NAME}
    assert bench.display.mask(CORRECTION_NAME) is None
