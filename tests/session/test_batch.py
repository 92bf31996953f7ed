from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import CancelledError, ConfigError, DataError, ModelError, Study
from napari_brainseg.session.batch import BatchPrediction, BatchState
from napari_brainseg.session.prediction import PredictionService
from napari_brainseg.session.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.workspace import Workspace

A, B, C = (f"TEST_AB_000{n}_20200101" for n in range(1, 4))


class Predictor:
    """Notes what it predicts; waits where it is told to; fails for the patients named."""

    def __init__(self, result: Callable[..., Prediction]) -> None:
        self.result = result
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun: list[tuple[str, bool]] = []
        self.faulty: set[str] = set()

    def __call__(
        self, study: Study, bundle: Bundle, *, tta: bool, cancelled: Any, **_: object
    ) -> Prediction:
        self.begun.append((study.patient, tta))
        while not self.go_on.wait(0.01):
            if cancelled():
                raise CancelledError("The prediction was stopped.")
        if study.patient in self.faulty:
            raise ModelError(f"{study.patient} fails.", "Mend it.")
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
def make_batch(
    service: PredictionService, shelf: Shelf, make_root: Callable[..., Path]
) -> Iterator[Callable[..., BatchPrediction]]:
    found = discover(make_root(A, B, C))
    made: list[BatchPrediction] = []

    def make(known: dict[str, str] | None = None) -> BatchPrediction:
        batch = BatchPrediction(
            service,
            shelf,
            patients=lambda: found.patients,
            find=found.find,
            known_sha=lambda patient, folder: (known or {}).get(patient),
        )
        made.append(batch)
        return batch

    yield make
    for batch in made:
        batch.close()


@pytest.fixture
def batch(make_batch: Callable[..., BatchPrediction]) -> BatchPrediction:
    return make_batch()


@pytest.fixture
def finish(until: Callable[..., None]) -> Callable[..., BatchState]:
    def run(batch: BatchPrediction, *arguments: Any, **options: Any) -> BatchState:
        batch.start(*arguments, **options)
        until(lambda: not batch.is_running)
        return batch.state

    return run


def test_all_patients_are_predicted_in_their_order_and_kept(
    batch: BatchPrediction, predictor: Predictor, shelf: Shelf, finish: Callable[..., BatchState]
) -> None:
    states: list[BatchState] = []
    batch.changed.connect(states.append)
    state = finish(batch)
    assert [patient for patient, _ in predictor.begun] == [A, B, C]
    assert (state.done, state.total, state.running, state.cancelled) == (3, 3, False, False)
    assert state.failed == {}
    assert len(list(shelf.store.folder.iterdir())) == 3
    assert [s.current for s in states if s.running and s.done == 1][-1] == B
    left = [s.seconds_left for s in states if s.running]
    assert left[0] is None
    assert left[-1] == 0.0


def test_what_is_there_is_skipped_unless_asked_for(
    batch: BatchPrediction, predictor: Predictor, finish: Callable[..., BatchState]
) -> None:
    finish(batch, [B])
    state = finish(batch)
    assert [patient for patient, _ in predictor.begun] == [B, A, C]
    assert state.skipped == 1
    finish(batch, [B], rerun=True)
    assert predictor.begun[-1] == (B, False)


def test_known_patients_are_skipped_without_reading_their_pixels(
    make_batch: Callable[..., BatchPrediction],
    finish: Callable[..., BatchState],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: dict[str, str] = {}
    batch = make_batch(known)
    batch._service.stored.connect(lambda job: known.update({job.study.patient: job.sha}))
    finish(batch)
    monkeypatch.setattr("napari_brainseg.session.batch.load_case", lambda _folder: 1 // 0)
    assert finish(batch).skipped == 3


def test_disagreement_needs_the_mirrored_view(
    batch: BatchPrediction, predictor: Predictor, finish: Callable[..., BatchState]
) -> None:
    finish(batch, [A])
    finish(batch, [A], with_disagreement=True)
    assert predictor.begun == [(A, False), (A, True)]
    # With both views known there is nothing left to do.
    assert finish(batch, [A]).skipped == 1
    assert finish(batch, [A], with_disagreement=True).skipped == 1


def test_faults_are_kept_by_patient_and_the_rest_goes_on(
    batch: BatchPrediction, predictor: Predictor, finish: Callable[..., BatchState], tmp_path: Path
) -> None:
    next((tmp_path / "root" / A).glob("*_1.tif")).write_bytes(b"no TIFF")
    predictor.faulty = {B}
    state = finish(batch, [A, B, "NOBODY", C])
    assert (state.done, state.running) == (4, False)
    assert set(state.failed) == {A, B, "NOBODY"}
    assert state.failed[B].hint == "Mend it."
    assert "_1.tif" in state.failed[A].message
    assert predictor.begun[-1] == (C, False)


def test_a_paused_batch_waits_after_the_patient_at_work(
    batch: BatchPrediction, predictor: Predictor, until: Callable[..., None]
) -> None:
    predictor.go_on.clear()
    batch.start()
    until(lambda: predictor.begun)
    batch.pause()
    assert batch.state.paused
    predictor.go_on.set()
    until(lambda: batch.state.done == 1)
    threading.Event().wait(0.1)
    assert len(predictor.begun) == 1
    batch.resume()
    until(lambda: not batch.is_running)
    assert len(predictor.begun) == 3
    assert not batch.state.paused


@pytest.mark.parametrize("paused", [False, True])
def test_a_batch_can_be_cancelled_at_once_and_started_again(
    paused: bool,
    batch: BatchPrediction,
    predictor: Predictor,
    until: Callable[..., None],
    finish: Callable[..., BatchState],
) -> None:
    predictor.go_on.clear()
    batch.start()
    until(lambda: predictor.begun)
    if paused:
        batch.pause()
    with pytest.raises(ConfigError, match="under way"):
        batch.start()
    batch.cancel()
    until(lambda: not batch.is_running)
    assert batch.state.cancelled
    assert (batch.state.done, batch.state.current) == (0, None)
    predictor.go_on.set()
    assert finish(batch).done == 3


def test_a_patient_that_the_user_asks_for_goes_first(
    batch: BatchPrediction,
    service: PredictionService,
    predictor: Predictor,
    make_study: Callable[..., Study],
    shelf: Shelf,
    until: Callable[..., None],
) -> None:
    predictor.go_on.clear()
    batch.start()
    until(lambda: predictor.begun)
    asked = service.predict(make_study("ASKED"), shelf.registry.current)
    until(lambda: len(predictor.begun) == 2)
    predictor.go_on.set()
    assert asked.wait(10)
    until(lambda: not batch.is_running)
    assert [patient for patient, _ in predictor.begun] == [A, "ASKED", A, B, C]


def test_a_patient_that_the_user_stopped_is_tried_again(
    batch: BatchPrediction,
    service: PredictionService,
    predictor: Predictor,
    until: Callable[..., None],
) -> None:
    predictor.go_on.clear()
    batch.start([A])
    until(lambda: predictor.begun)
    service.cancel_all()
    until(lambda: len(predictor.begun) == 2)
    predictor.go_on.set()
    until(lambda: not batch.is_running)
    assert (batch.state.done, batch.state.failed) == (1, {})


def test_nothing_to_predict_is_said(make_batch: Callable[..., BatchPrediction]) -> None:
    with pytest.raises(DataError, match="no patients"):
        make_batch().start(())


def test_closing_ends_the_thread(
    batch: BatchPrediction, predictor: Predictor, until: Callable[..., None]
) -> None:
    predictor.go_on.clear()
    batch.start()
    until(lambda: predictor.begun)
    batch.close()
    assert "brainseg-batch" not in {t.name for t in threading.enumerate()}
    with pytest.raises(ModelError, match="closing"):
        batch.start()
