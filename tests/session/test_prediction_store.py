from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select

from napari_brainseg.core.imaging import DataError, Geometry, ScalarVolume, Study
from napari_brainseg.core.segmentation.inference import Prediction, uncertainty_of
from napari_brainseg.session import tables
from napari_brainseg.session.prediction_store import PredictionStore
from napari_brainseg.session.prediction_summary import doubt_near_outline, summarise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

SHA = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def store(workspace: Workspace, catalogue: Catalogue) -> PredictionStore:
    return PredictionStore(workspace, catalogue)


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def prediction(study: Study, predict_mask: Callable[..., Prediction]) -> Prediction:
    rng = np.random.default_rng(0)
    probability = rng.random(study.image.grid_shape, dtype=np.float32)
    return dataclasses.replace(
        predict_mask(study),
        probability=probability,
        uncertainty=uncertainty_of(probability),
        timings={"total": 1.5},
        notes=("Not enough memory on the GPU.",),
    )


def figures(catalogue: Catalogue) -> list[dict[str, object]]:
    with catalogue.read() as connection:
        rows = connection.execute(select(tables.predictions).order_by(tables.predictions.c.tta))
        return [dict(row._mapping) for row in rows]


def test_a_prediction_comes_back_as_it_was(
    store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    store.save(study, prediction, SHA)
    again = store.load(SHA, "v1")
    assert again is not None
    np.testing.assert_array_equal(again.mask, prediction.mask)
    assert again.mask.dtype == np.uint8
    assert np.abs(again.probability - prediction.probability).max() <= 0.5 / 65_535 + 1e-7
    assert np.abs(again.uncertainty - prediction.uncertainty).max() < 0.001
    assert (again.patient, again.model_version, again.engine) == (study.patient, "v1", "a test")
    assert (again.timings, again.notes) == (prediction.timings, prediction.notes)


def test_what_was_not_predicted_is_not_there(
    store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    store.save(study, prediction, SHA)
    assert store.load(OTHER, "v1") is None
    assert store.load(SHA, "v2") is None
    assert store.load(SHA, "v1", tta=True) is None
    assert store.latest(OTHER, "v1") is None
    assert [store.has(SHA, "v1", tta) for tta in (False, True)] == [True, False]


def test_the_figures_of_a_prediction_are_in_the_catalogue(
    store: PredictionStore, catalogue: Catalogue, study: Study, prediction: Prediction
) -> None:
    store.save(study, prediction, SHA)
    (row,) = figures(catalogue)
    assert row["patient"] == study.patient
    assert row["volume_vox"] == 2 * 8 * 8
    assert row["volume_ml"] is None
    assert row["dsc"] == pytest.approx(0.75)
    assert (row["hd95"], row["hd95_unit"]) == (2.0, "vox")
    assert 0.0 < row["uncertainty"] < 1.0  # type: ignore[operator]
    assert row["disagreement"] is None
    assert row["seconds"] == 1.5


def test_distances_are_in_millimetres_where_spacing_is_known(
    study: Study, prediction: Prediction
) -> None:
    image = ScalarVolume(study.image.data, geometry=Geometry(spacing_mm=(5.0, 2.0, 0.5)))
    figures = summarise(dataclasses.replace(study, image=image), prediction)
    assert (figures.hd95, figures.hd95_unit) == (1.0, "mm")
    assert figures.volume_ml == pytest.approx(128 * 0.005)


def test_without_truth_or_with_an_empty_mask_there_is_no_distance(
    make_study: Callable[..., Study], predict_mask: Callable[..., Prediction]
) -> None:
    bare = make_study(truth=False)
    figures = summarise(bare, predict_mask(bare))
    assert (figures.dsc, figures.hd95, figures.hd95_unit) == (None, None, None)
    study = make_study()
    empty = predict_mask(study, np.zeros(study.image.grid_shape, np.uint8))
    figures = summarise(study, empty)
    assert (figures.dsc, figures.hd95, figures.volume_vox) == (0.0, None, 0)


def test_doubt_is_looked_at_near_the_outline_only() -> None:
    mask = np.zeros((3, 60, 60), np.uint8)
    mask[1, 10:50, 10:50] = 1
    doubt = np.zeros(mask.shape, np.float32)
    doubt[1, 20:40, 20:40] = 1.0  # the core
    doubt[:, :3] = 1.0  # far away
    doubt[0] = doubt[2] = 1.0  # slices without lesion
    assert doubt_near_outline(mask, mask.astype(np.float32), doubt) == 0.0
    doubt[1, 9] = doubt[1, 50] = 1.0
    assert 0.0 < doubt_near_outline(mask, mask.astype(np.float32), doubt) < 0.2


def test_doubt_of_an_empty_mask_is_that_of_the_most_probable_place() -> None:
    mask = np.zeros((3, 60, 60), np.uint8)
    probability = np.full(mask.shape, 0.01, np.float32)
    probability[1, 0:8, 0:8] = 0.4
    doubt = uncertainty_of(probability)
    assert doubt_near_outline(mask, probability, doubt) > 5 * doubt.mean()


@pytest.mark.parametrize("first", [False, True])
def test_both_views_tell_how_much_they_disagree(
    first: bool,
    store: PredictionStore,
    catalogue: Catalogue,
    study: Study,
    prediction: Prediction,
) -> None:
    shifted = dataclasses.replace(prediction, mask=np.roll(prediction.mask, 2, axis=2))
    store.save(study, prediction, SHA, tta=first)
    store.save(study, shifted, SHA, tta=not first)
    assert [row["disagreement"] for row in figures(catalogue)] == [0.25, 0.25]


def test_a_prediction_that_brings_its_plain_mask_needs_no_pair(
    store: PredictionStore, catalogue: Catalogue, study: Study, prediction: Prediction
) -> None:
    plain = np.roll(prediction.mask, 2, axis=2)
    store.save(study, dataclasses.replace(prediction, plain_mask=plain), SHA, tta=True)
    (row,) = figures(catalogue)
    assert row["disagreement"] == 0.25


def test_the_later_of_the_two_views_is_shown(
    store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    for tta in (False, True):
        store.save(study, dataclasses.replace(prediction, engine=str(tta)), SHA, tta=tta)
    latest = store.latest(SHA, "v1")
    assert latest is not None
    assert latest.engine == "True"
    store.path(SHA, "v1", True).unlink()
    latest = store.latest(SHA, "v1")
    assert latest is not None
    assert latest.engine == "False"


def test_predicting_again_replaces(
    store: PredictionStore,
    catalogue: Catalogue,
    study: Study,
    prediction: Prediction,
    predict_mask: Callable[..., Prediction],
) -> None:
    store.save(study, predict_mask(study, np.zeros(study.image.grid_shape, np.uint8)), SHA)
    store.save(study, prediction, SHA)
    (row,) = figures(catalogue)
    assert row["volume_vox"] == 128
    assert len(list(store.folder.iterdir())) == 1


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    else:
        np.savez(path, something=np.zeros(3))


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "flipped", "something else"])
def test_a_damaged_file_is_as_good_as_none(
    how: str, store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    store.save(study, prediction, SHA)
    damage(store.path(SHA, "v1", False), how)
    assert store.load(SHA, "v1") is None
    assert store.latest(SHA, "v1") is None
    store.save(study, prediction, SHA)
    assert store.load(SHA, "v1") is not None


def test_a_file_of_another_image_is_not_taken(
    store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    store.save(study, prediction, SHA)
    store.path(SHA, "v1", False).rename(store.path(OTHER, "v1", False))
    assert store.load(OTHER, "v1") is None


def test_the_cache_keeps_within_its_limit_and_what_is_used_stays(
    workspace: Workspace, catalogue: Catalogue, study: Study, prediction: Prediction
) -> None:
    PredictionStore(workspace, catalogue).save(study, prediction, "0" * 64)
    size = next((workspace.cache / "predictions").iterdir()).stat().st_size
    store = PredictionStore(workspace, catalogue, limit_bytes=int(2.5 * size))
    store.save(study, prediction, "1" * 64)
    for age, digit in enumerate("10"):
        os.utime(store.path(digit * 64, "v1", False), (1000 + age, 1000 + age))
    assert store.load("1" * 64, "v1") is not None  # used: now it is the younger one
    store.save(study, prediction, "2" * 64)
    assert [store.has(d * 64, "v1", False) for d in "012"] == [False, True, True]
    # The figures outlive the arrays.
    assert len(figures(catalogue)) == 3


def test_a_place_that_cannot_be_written_is_named(
    store: PredictionStore, study: Study, prediction: Prediction
) -> None:
    store.folder.parent.mkdir(parents=True, exist_ok=True)
    store.folder.write_text("in the way")
    with pytest.raises(DataError, match="predictions") as caught:
        store.save(study, prediction, SHA)
    assert "space" in caught.value.hint


def test_a_version_with_odd_characters_has_a_file_too(
    store: PredictionStore, study: Study, predict_mask: Callable[..., Prediction]
) -> None:
    store.save(study, predict_mask(study, version="../a b/ü"), SHA)
    assert store.load(SHA, "../a b/ü") is not None
    assert [p.parent for p in store.folder.iterdir()] == [store.folder]


def test_patients_whom_only_other_models_predicted_are_stale(
    store: PredictionStore, study: Study, predict_mask: Callable[..., Prediction]
) -> None:
    store.save(study, predict_mask(study, version="v1"), SHA)
    assert store.stale("v1") == frozenset()
    assert store.stale("v2") == {study.patient}
    store.save(study, predict_mask(study, version="v2"), SHA)
    assert store.stale("v2") == frozenset()
    assert store.stale("v1") == frozenset()  # both are kept
