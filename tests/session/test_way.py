"""A run gives way while somebody waits for a prediction, and only then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.imaging import CancelledError, ModelError, Study
from napari_brainseg.core.protocol import Command, Continue, GiveWay
from napari_brainseg.core.segmentation.inference import Prediction, Progress
from napari_brainseg.session import way
from napari_brainseg.session.case import Case
from napari_brainseg.session.foreground import ForegroundPredictions
from napari_brainseg.session.prediction import PredictionService, Priority
from napari_brainseg.session.prediction_store import PredictionStore
from napari_brainseg.session.way import RightOfWay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace


class Engine:
    """Predicts when it is let; fails where told."""

    def __init__(self, mask: Callable[..., Prediction]) -> None:
        self._mask = mask
        self.go = threading.Event()
        self.fails = False

    def __call__(
        self, study: Study, bundle: Bundle, *, progress: Any, cancelled: Any, **_: object
    ) -> Prediction:
        while not self.go.wait(0.01):
            if cancelled():
                raise CancelledError("stopped")
        progress(Progress("Predicting", 1, 1))
        if self.fails:
            raise ModelError("It does not work.")
        return self._mask(study)


@pytest.fixture
def engine(predict_mask: Callable[..., Prediction]) -> Engine:
    return Engine(predict_mask)


@pytest.fixture
def service(engine: Engine) -> Iterator[PredictionService]:
    made = PredictionService(engine)
    yield made
    engine.go.set()
    made.close()


@pytest.fixture
def foreground(service: PredictionService) -> ForegroundPredictions:
    return ForegroundPredictions(service)


@pytest.fixture
def sent(foreground: ForegroundPredictions) -> Iterator[list[Command]]:
    told: list[Command] = []
    right = RightOfWay(told.append)
    right.watch(foreground)
    yield told
    del right  # signals do not keep it


@pytest.fixture
def ask(
    foreground: ForegroundPredictions,
    make_study: Callable[..., Study],
    make_bundle: Callable[..., Bundle],
    workspace: Workspace,
    catalogue: Catalogue,
) -> Callable[..., tuple[Case, object]]:
    bundle = make_bundle()
    store = PredictionStore(workspace, catalogue)

    def predict(patient: str) -> tuple[Case, object]:
        case = Case(make_study(patient), catalogue)
        return case, foreground.predict(case, bundle, device="cpu", tta=False, store=store)

    return predict


def test_a_run_gives_way_from_the_start_of_a_prediction_to_its_end(
    sent: list[Command], ask: Callable[..., tuple[Case, object]], engine: Engine,
    until: Callable[..., None],
) -> None:  # fmt: skip
    ask("A")
    until(lambda: sent == [GiveWay()])
    engine.go.set()
    until(lambda: sent == [GiveWay(), Continue(what="prediction")])


def test_one_that_fails_or_is_stopped_lets_the_run_go_on(
    sent: list[Command], ask: Callable[..., tuple[Case, object]], engine: Engine,
    foreground: ForegroundPredictions, until: Callable[..., None],
) -> None:  # fmt: skip
    ask("A")
    until(lambda: len(sent) == 1)
    foreground.cancel()
    until(lambda: len(sent) == 2)
    engine.fails = True
    engine.go.set()
    ask("B")
    until(lambda: len(sent) == 4)
    assert sent[1::2] == [Continue(what="prediction")] * 2


def test_predictions_that_follow_each_other_let_go_after_each(
    sent: list[Command], ask: Callable[..., tuple[Case, object]], engine: Engine,
    until: Callable[..., None],
) -> None:  # fmt: skip
    engine.go.set()
    ask("A")
    ask("B")
    until(lambda: sent.count(Continue(what="prediction")) == 2)
    assert isinstance(sent[0], GiveWay)
    assert isinstance(sent[-1], Continue)


def test_the_background_does_not_count(
    sent: list[Command], service: PredictionService, make_study: Callable[..., Study],
    make_bundle: Callable[..., Bundle], engine: Engine,
) -> None:  # fmt: skip
    engine.go.set()
    job = service.predict(make_study("A"), make_bundle(), priority=Priority.BATCH)
    assert job.wait(30)
    assert sent == []


def test_a_long_one_asks_again_before_the_run_goes_on_by_itself(
    sent: list[Command], ask: Callable[..., tuple[Case, object]], engine: Engine,
    until: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(way, "_AGAIN_S", 0.0)
    ask("A")
    until(lambda: len(sent) == 1)
    engine.go.set()
    until(lambda: len(sent) == 3)
    assert sent == [GiveWay(), GiveWay(), Continue(what="prediction")]


def test_a_run_that_begins_while_somebody_waits_gives_way_too(
    foreground: ForegroundPredictions, ask: Callable[..., tuple[Case, object]], engine: Engine,
    until: Callable[..., None],
) -> None:  # fmt: skip
    sent: list[Command] = []
    right = RightOfWay(sent.append)
    right.watch(foreground)
    right.renew()
    assert sent == []
    ask("A")
    until(lambda: len(sent) == 1)
    right.renew()
    assert sent == [GiveWay(), GiveWay()]
    engine.go.set()
    until(lambda: len(sent) == 3)
