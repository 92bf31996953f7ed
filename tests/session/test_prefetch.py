from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.formats import StudyFolder, discover, load_study
from napari_brainseg.core.imaging import CancelledError, Study
from napari_brainseg.session import prefetch
from napari_brainseg.session.prediction import PredictionService
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.prefetch import Prefetcher, load_case
from napari_brainseg.session.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.workspace import Workspace

A, B, C = (f"TEST_AB_000{n}_20200101" for n in range(1, 4))


class Predictor:
    def __init__(self, result: Callable[..., Prediction]) -> None:
        self.result = result
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun: list[str] = []

    def __call__(self, study: Study, bundle: Bundle, *, cancelled: Any, **_: object) -> Prediction:
        self.begun.append(study.patient)
        while not self.go_on.wait(0.01):
            if cancelled():
                raise CancelledError("The prediction was stopped.")
        return self.result(study, version=bundle.version)


@pytest.fixture
def predictor(predict_mask: Callable[..., Prediction]) -> Predictor:
    return Predictor(predict_mask)


@pytest.fixture
def service(predictor: Predictor) -> Iterator[PredictionService]:
    made = PredictionService(predictor)
    yield made
    predictor.go_on.set()
    made.close()


@pytest.fixture
def shelf(workspace: Workspace, make_bundle: Callable[..., Bundle]) -> Iterator[Shelf]:
    bundle = make_bundle()
    made = Shelf(workspace, bundled=lambda: (bundle,))
    yield made
    made.close()


@pytest.fixture
def preferences(tmp_path: Path) -> Preferences:
    return Preferences(tmp_path / "preferences.json")


@pytest.fixture
def prefetcher(
    service: PredictionService, shelf: Shelf, preferences: Preferences
) -> Iterator[Prefetcher]:
    made = Prefetcher(service, shelf, preferences)
    yield made
    made.close()


@pytest.fixture
def folders(make_root: Callable[..., Path]) -> dict[str, StudyFolder]:
    found = discover(make_root(A, B, C))
    return {folder.patient: folder for folder in found.folders}


@pytest.fixture
def settle(
    prefetcher: Prefetcher, folders: dict[str, StudyFolder], until: Callable[..., None]
) -> Callable[..., None]:
    """Open a patient, want others, and wait for what is loaded ahead."""

    def run(patient: str, *wanted: str, wait: bool = True) -> None:
        case = prefetcher.take(folders[patient]) or load_case(folders[patient])
        prefetcher.settle(
            folders[patient].path,
            case,
            [(folders[w].path, lambda w=w: folders[w]) for w in wanted],  # type: ignore[misc]
        )
        if wait:
            until(lambda: prefetcher.is_idle)

    return run


def test_the_neighbours_are_loaded_hashed_and_predicted(
    prefetcher: Prefetcher,
    predictor: Predictor,
    shelf: Shelf,
    folders: dict[str, StudyFolder],
    settle: Callable[..., None],
) -> None:
    ready: list[str] = []
    prefetcher.ready.connect(ready.append)
    settle(B, C, A)
    assert predictor.begun == [C, A]
    assert set(ready) == {A, C}
    taken = prefetcher.take(folders[C])
    assert taken is not None
    again = load_study(folders[C])
    np.testing.assert_array_equal(taken.study.image.data, again.image.data)
    assert taken.sha == image_sha256(again)
    assert taken.prediction is not None
    assert taken.prediction.model_version == shelf.registry.current_version


def test_a_prediction_that_is_kept_is_not_made_again(
    prefetcher: Prefetcher,
    predictor: Predictor,
    shelf: Shelf,
    folders: dict[str, StudyFolder],
    predict_mask: Callable[..., Prediction],
    settle: Callable[..., None],
) -> None:
    study = load_study(folders[B])
    version = shelf.registry.current_version
    shelf.store.save(study, predict_mask(study, version=version), image_sha256(study))
    settle(A, B)
    assert predictor.begun == []
    taken = prefetcher.take(folders[B])
    assert taken is not None
    assert taken.prediction is not None


def test_only_the_open_case_and_what_is_wanted_is_held(
    prefetcher: Prefetcher, settle: Callable[..., None]
) -> None:
    settle(A, B)
    assert prefetcher.patients == {A, B}
    settle(B, C)
    assert prefetcher.patients == {B, C}
    prefetcher.clear()
    assert prefetcher.patients == frozenset()
    assert prefetcher.nbytes == 0


def test_the_way_back_needs_no_loading(
    prefetcher: Prefetcher,
    folders: dict[str, StudyFolder],
    settle: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle(A, B)
    first = prefetcher.take(folders[A])
    monkeypatch.setattr(prefetch, "load_case", lambda *_, **__: 1 // 0)
    settle(B, A)
    assert prefetcher.take(folders[A]) is first


@pytest.mark.parametrize("change", ["touched", "gone"])
def test_files_that_changed_are_read_again(
    change: str,
    prefetcher: Prefetcher,
    folders: dict[str, StudyFolder],
    settle: Callable[..., None],
) -> None:
    settle(A, B)
    file = folders[B].images[0]
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b" ")
    assert prefetcher.take(folders[B]) is None
    assert prefetcher.patients == {A}


def test_what_exceeds_the_memory_allowed_is_let_go(
    prefetcher: Prefetcher,
    folders: dict[str, StudyFolder],
    settle: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = load_case(folders[B]).nbytes
    monkeypatch.setattr(prefetch, "_MB", one / 64)  # 64 MB, the least allowed, are one study
    prefetcher._preferences.set(prefetch_mb=64, predict_on_open=False)
    settle(A, B, C)
    assert prefetcher.patients == {A, B}


def test_a_patient_that_cannot_be_read_is_left_to_whoever_opens_it(
    prefetcher: Prefetcher, folders: dict[str, StudyFolder], settle: Callable[..., None]
) -> None:
    folders[B].images[0].write_bytes(b"no TIFF")
    settle(A, B, C)
    assert prefetcher.patients == {A, C}
    assert prefetcher.take(folders[B]) is None


def test_it_can_be_switched_off_and_does_not_predict_for_those_who_do_not_want_that(
    prefetcher: Prefetcher,
    predictor: Predictor,
    preferences: Preferences,
    settle: Callable[..., None],
) -> None:
    preferences.set(predict_on_open=False)
    settle(A, B)
    assert prefetcher.patients == {A, B}
    preferences.set(prefetch=False)
    settle(C, B)
    assert prefetcher.patients == {C}
    assert predictor.begun == []


def test_a_prediction_that_nobody_wants_any_more_is_stopped(
    prefetcher: Prefetcher,
    predictor: Predictor,
    service: PredictionService,
    settle: Callable[..., None],
    until: Callable[..., None],
) -> None:
    predictor.go_on.clear()
    settle(A, B, wait=False)
    until(lambda: predictor.begun == [B])
    settle(A, C, wait=False)
    until(lambda: predictor.begun == [B, C])
    prefetcher.clear()
    predictor.go_on.set()
    until(lambda: not service._open)
    assert prefetcher.is_idle


def test_another_model_predicts_the_neighbours_anew(
    prefetcher: Prefetcher,
    predictor: Predictor,
    shelf: Shelf,
    make_bundle: Callable[..., Bundle],
    folders: dict[str, StudyFolder],
    settle: Callable[..., None],
    until: Callable[..., None],
) -> None:
    settle(A, B)
    other = make_bundle("other", folder="runs")
    shelf.registry.adopt(other.path)
    shelf.registry.promote(other.version, editor="Ada", reason="a test")
    prefetcher.forget_predictions()
    until(lambda: len(predictor.begun) == 2 and prefetcher.is_idle)
    taken = prefetcher.take(folders[B])
    assert taken is not None
    assert taken.prediction is not None
    assert taken.prediction.model_version == other.version
