from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from napari_brainseg.core.imaging import CancelledError, DataError, ModelError, Study
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.core.segmentation.inference import Prediction, Progress
from napari_brainseg.session.prediction import (
    EnginePredictor,
    PredictionJob,
    PredictionService,
    Priority,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle


class Slow:
    """A predictor that reports three batches and waits for leave after the first."""

    def __init__(self, result: Callable[[Study], Prediction]) -> None:
        self.result = result
        self.go_on = threading.Event()
        self.threads: list[str] = []

    def __call__(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str,
        tta: bool,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Prediction:
        self.threads.append(threading.current_thread().name)
        for done in (1, 2, 3):
            if cancelled():
                raise CancelledError("The prediction was stopped.")
            progress(Progress("Predicting", done, 3))
            self.go_on.wait(10)
        return self.result(study)


@pytest.fixture
def slow(predict_mask: Callable[[Study], Prediction]) -> Slow:
    return Slow(predict_mask)


@pytest.fixture
def service(slow: Slow) -> Iterator[PredictionService]:
    made = PredictionService(slow)
    yield made
    slow.go_on.set()
    made.close()


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


def fails_with(error: Exception) -> Callable[..., Any]:
    def predictor(*_: object, **__: object) -> None:
        raise error

    return predictor


def test_a_job_yields_progress_then_its_prediction_from_a_worker(
    service: PredictionService, slow: Slow, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    seen: list[object] = []
    service.started.connect(lambda job: seen.append("started"))
    service.progress.connect(lambda job, progress: seen.append(progress.done))
    service.finished.connect(lambda job: seen.append(job.reason))
    slow.go_on.set()
    job = service.predict(make_study(), bundle)
    assert job.wait(10)
    assert seen == ["started", 1, 2, 3, FinishReason.COMPLETED]
    assert job.prediction is not None
    assert slow.threads == ["brainseg-prediction"]
    assert not service.is_busy


def test_a_job_stops_at_its_next_batch(
    service: PredictionService,
    slow: Slow,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    ends: list[tuple[object, ...]] = []
    job = service.predict(make_study(), bundle)
    job.finished.connect(lambda *end: ends.append(end))
    until(lambda: slow.threads)
    job.cancel()
    slow.go_on.set()
    assert job.wait(10)
    assert ends == [(FinishReason.CANCELLED, None, None)]


def test_a_waiting_job_can_be_stopped_before_it_begins(
    service: PredictionService,
    slow: Slow,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    first = service.predict(make_study("A"), bundle)
    second = service.predict(make_study("B"), bundle)
    until(lambda: slow.threads)
    second.cancel()
    slow.go_on.set()
    assert second.wait(10)
    assert (first.reason, second.reason) == (FinishReason.COMPLETED, FinishReason.CANCELLED)
    assert len(slow.threads) == 1


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (DataError("No FLAIR.", "Add it."), DataError, "No FLAIR."),
        (ZeroDivisionError("by zero"), ModelError, "ZeroDivisionError: by zero"),
    ],
)
def test_a_failure_is_reported_and_the_next_job_runs(
    error: Exception,
    kind: type[Exception],
    words: str,
    make_study: Callable[..., Study],
    bundle: Bundle,
) -> None:
    service = PredictionService(fails_with(error))
    for _ in range(2):
        job = service.predict(make_study(), bundle)
        assert job.wait(10)
        assert job.reason is FinishReason.FAILED
        assert isinstance(job.error, kind)
        assert words in str(job.error)
        assert job.error.hint
    service.close()


def test_a_listener_that_fails_does_not_end_the_worker(
    service: PredictionService, slow: Slow, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    def broken(job: PredictionJob) -> None:
        raise ValueError

    service.finished.connect(broken)
    slow.go_on.set()
    for _ in range(2):
        assert service.predict(make_study(), bundle).wait(10)


def test_closing_stops_jobs_and_ends_the_thread(
    service: PredictionService,
    slow: Slow,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    job = service.predict(make_study(), bundle)
    until(lambda: slow.threads)
    threading.Timer(0.05, slow.go_on.set).start()
    service.close()
    assert job.reason is FinishReason.CANCELLED
    assert "brainseg-prediction" not in {t.name for t in threading.enumerate()}
    with pytest.raises(ModelError, match="closing"):
        service.predict(make_study(), bundle)


class Turns:
    """A predictor of many batches, which notes who is at work."""

    def __init__(self, result: Callable[[Study], Prediction]) -> None:
        self.result = result
        self.go_on = threading.Event()
        self.order: list[str] = []

    def __call__(self, study: Study, bundle: Bundle, *, cancelled: Any, **_: object) -> Prediction:
        self.order.append(study.patient)
        while not self.go_on.wait(0.01):
            if cancelled():
                raise CancelledError("The prediction was stopped.")
        return self.result(study)


@pytest.fixture
def turns(predict_mask: Callable[[Study], Prediction]) -> Turns:
    return Turns(predict_mask)


@pytest.fixture
def busy(turns: Turns) -> Iterator[PredictionService]:
    made = PredictionService(turns)
    yield made
    turns.go_on.set()
    made.close()


def test_the_most_urgent_goes_first_and_the_rest_in_the_order_it_came(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    jobs = [busy.predict(make_study("first"), bundle)]
    until(lambda: turns.order)
    for patient, priority in (
        ("batch 1", Priority.BATCH),
        ("ahead 1", Priority.PREFETCH),
        ("batch 2", Priority.BATCH),
        ("ahead 2", Priority.PREFETCH),
        ("asked", Priority.FOREGROUND),
    ):
        jobs.append(busy.predict(make_study(patient), bundle, priority=priority))
    turns.go_on.set()
    assert all(job.wait(10) for job in jobs)
    assert turns.order == ["first", "asked", "ahead 1", "ahead 2", "batch 1", "batch 2"]


def test_who_runs_in_the_background_makes_way_at_the_next_batch_and_begins_again(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    ended: list[str] = []
    busy.finished.connect(lambda job: ended.append(job.study.patient))
    first = busy.predict(make_study("batch 1"), bundle, priority=Priority.BATCH)
    second = busy.predict(make_study("batch 2"), bundle, priority=Priority.BATCH)
    until(lambda: turns.order == ["batch 1"])
    assert not busy.is_busy
    assert busy.is_busy_with(Priority.BATCH)
    asked = busy.predict(make_study("asked"), bundle)
    assert busy.is_busy
    until(lambda: turns.order[1:] == ["asked"])
    assert not first.is_finished
    turns.go_on.set()
    assert all(job.wait(10) for job in (first, second, asked))
    assert turns.order == ["batch 1", "asked", "batch 1", "batch 2"]
    assert ended == ["asked", "batch 1", "batch 2"]
    assert first.reason is FinishReason.COMPLETED


def test_the_prefetched_does_not_stop_a_batch_in_the_middle(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    busy.predict(make_study("batch"), bundle, priority=Priority.BATCH)
    until(lambda: turns.order)
    ahead = busy.predict(make_study("ahead"), bundle, priority=Priority.PREFETCH)
    turns.go_on.set()
    assert ahead.wait(10)
    assert turns.order == ["batch", "ahead"]


def test_one_that_made_way_can_still_be_stopped(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    batch = busy.predict(make_study("batch"), bundle, priority=Priority.BATCH)
    until(lambda: turns.order)
    busy.predict(make_study("asked"), bundle)
    until(lambda: len(turns.order) == 2)
    batch.cancel()
    turns.go_on.set()
    assert batch.wait(10)
    assert batch.reason is FinishReason.CANCELLED
    assert turns.order == ["batch", "asked"]


def test_work_asked_for_twice_is_done_once_as_urgently_as_needed(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    study = make_study("A")
    ahead = busy.predict(study, bundle, priority=Priority.PREFETCH, sha="1")
    until(lambda: turns.order)
    assert busy.predict(make_study("A"), bundle, sha="1") is ahead
    assert ahead.priority is Priority.FOREGROUND
    assert busy.predict(study, bundle, sha="1", tta=True) is not ahead
    assert busy.predict(study, bundle, sha="2") is not ahead
    turns.go_on.set()
    assert ahead.wait(10)
    assert busy.predict(study, bundle, sha="1") is not ahead


def test_a_job_stops_when_the_last_who_wanted_it_lets_go(
    busy: PredictionService,
    turns: Turns,
    make_study: Callable[..., Study],
    bundle: Bundle,
    until: Callable[..., None],
) -> None:
    job = busy.predict(make_study("A"), bundle, priority=Priority.BATCH, sha="1")
    assert busy.predict(make_study("A"), bundle, sha="1") is job
    until(lambda: turns.order)
    busy.release(job, Priority.FOREGROUND)
    assert job.priority is Priority.BATCH
    assert not job.is_cancelled
    busy.release(job, Priority.BATCH)
    assert job.wait(10)
    assert job.reason is FinishReason.CANCELLED


class FakeStore:
    def __init__(self, error: DataError | None = None) -> None:
        self.error = error
        self.kept: list[tuple[str, str, bool]] = []

    def save(self, study: Study, prediction: Prediction, sha: str, *, tta: bool) -> None:
        if self.error is not None:
            raise self.error
        self.kept.append((study.patient, sha, tta))


def test_a_result_is_kept_after_it_was_told(
    service: PredictionService, slow: Slow, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    store = FakeStore()
    seen: list[object] = []
    service.finished.connect(lambda job: seen.append(("told", list(store.kept))))
    service.stored.connect(lambda job: seen.append(("stored", list(store.kept))))
    slow.go_on.set()
    job = service.predict(make_study("A"), bundle, tta=True, sha="1", store=store)  # type: ignore[arg-type]
    assert job.wait(10)
    assert seen == [("told", []), ("stored", [("A", "1", True)])]


def test_a_result_that_cannot_be_kept_is_a_result_all_the_same(
    service: PredictionService, slow: Slow, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    store = FakeStore(DataError("The disk is full.", "Make space."))
    slow.go_on.set()
    job = service.predict(make_study("A"), bundle, sha="1", store=store)  # type: ignore[arg-type]
    assert job.wait(10)
    assert job.reason is FinishReason.COMPLETED
    assert job.store_error is store.error


class FakeChild:
    """Stands for the process that Torch lives in."""

    made: ClassVar[list[FakeChild]] = []

    def __init__(self) -> None:
        self.predicted: list[str] = []
        self.closed = False
        FakeChild.made.append(self)

    def predict(self, study: Study, bundle: Bundle, **_: object) -> str:
        self.predicted.append(study.patient)
        return "from the child"

    def close(self) -> None:
        self.closed = True


def test_torch_runs_in_one_child_that_ends_with_the_service(
    monkeypatch: pytest.MonkeyPatch, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    FakeChild.made.clear()
    monkeypatch.setattr("napari_brainseg.core.segmentation.engines.child.TorchChild", FakeChild)
    service = PredictionService()
    for patient in ("A", "B"):  # this bundle has no representation for OpenVINO
        job = service.predict(make_study(patient), bundle, device="cpu")
        assert job.wait(10)
        assert job.prediction == "from the child"
    service.close()
    (child,) = FakeChild.made
    assert child.predicted == ["A", "B"]
    assert child.closed


def test_openvino_runs_in_the_worker_itself(
    monkeypatch: pytest.MonkeyPatch, make_study: Callable[..., Study], bundle: Bundle
) -> None:
    FakeChild.made.clear()
    monkeypatch.setattr("napari_brainseg.core.segmentation.engines.child.TorchChild", FakeChild)
    monkeypatch.setattr(
        "napari_brainseg.core.segmentation.inference.predict",
        lambda *_, **__: threading.current_thread().name,
    )
    (bundle.path / "model.xml").write_text("<net/>")
    service = PredictionService(EnginePredictor())
    job = service.predict(make_study(), bundle, device="cpu")
    assert job.wait(10)
    assert job.prediction == "brainseg-prediction"
    assert FakeChild.made == []
    service.close()
