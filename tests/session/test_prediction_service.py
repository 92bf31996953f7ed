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
