"""Pictures of the open case and of the worklist: what is drawn, and how it is stopped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.imaging import ConfigError, DataError, Study
from napari_brainseg.core.reporting import root_pictures
from napari_brainseg.core.reporting.root_pictures import PictureCase
from napari_brainseg.core.reporting.study_pictures import PictureKind
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.pictures import (
    PictureExport,
    PictureState,
    PictureWish,
    current_slice,
)
from napari_brainseg.session.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.workspace import Workspace

A, B, C = (f"TEST_AB_000{n}_20200101" for n in range(1, 4))
QUICK = (PictureKind.TRIPTYCH,)


@pytest.fixture(autouse=True)
def _priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at once, also beside the other tests."""
    monkeypatch.setattr("napari_brainseg.session.background_loop.lower_priority", lambda: None)


@pytest.fixture
def desk(
    workspace: Workspace,
    tmp_path: Path,
    make_root: Callable[..., Path],
    predict_mask: Callable[..., Prediction],
    make_bundle: Callable[..., Bundle],
    until: Callable[..., None],
) -> Iterator[Desk]:
    """Patient A open and corrected, B predicted, C as it came."""
    default = make_bundle()
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)

    def predict(study: Study, bundle: Bundle, **_: Any) -> Prediction:
        return predict_mask(study, version=bundle.version)

    made = Desk(workspace, predictor=predict, bundled=lambda: (default,), preferences=preferences)
    made.open(make_root(A, B, C))
    made.editor = "Ada"
    for patient in (B, A):
        case = made.select(patient)
        job = made.predict()
        until(lambda job=job: job.wait(0.0))
        until(lambda case=case: case.prediction is not None)
    correction = made.start_correction()
    correction.data[4, 20:24, 20:24] = 1
    correction.commit()
    yield made
    made.close()


@pytest.fixture
def export(desk: Desk) -> Iterator[PictureExport]:
    made = PictureExport(desk)
    yield made
    made.close()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, PictureCase]:
    """What is drawn, noted beside the drawing."""
    noted: dict[str, PictureCase] = {}
    original = root_pictures.write_pictures

    def note(study: Study, masks: Any, dest: Path, **options: Any) -> list[Path]:
        noted[study.patient] = PictureCase(study, masks, options["model"])
        return original(study, masks, dest, **options)

    monkeypatch.setattr(root_pictures, "write_pictures", note)
    return noted


def ended(export: PictureExport, until: Callable[..., None]) -> PictureState:
    until(lambda: not export.state.running)
    return export.state


def test_the_open_case_is_drawn_with_what_was_painted(
    export: PictureExport,
    desk: Desk,
    drawn: dict[str, PictureCase],
    tmp_path: Path,
    until: Callable[..., None],
) -> None:
    states: list[PictureState] = []
    export.changed.connect(states.append)
    export.start(PictureWish(tmp_path / "out", QUICK))
    state = ended(export, until)

    assert state.made is not None
    assert [p.name for p in (tmp_path / "out" / A).iterdir()] == [f"{A}_triptych.png"]
    correction = drawn[A].masks["correction"]
    assert isinstance(correction, np.ndarray)
    assert correction[4, 20:24, 20:24].all()
    assert desk.case is not None
    assert desk.case.prediction is not None
    assert drawn[A].masks["prediction"] is desk.case.prediction.mask
    assert drawn[A].model == desk.case.prediction.model_version
    assert states[0].running
    assert not states[-1].running
    assert states[-1].share == 1.0


def test_the_worklist_is_drawn_with_what_is_stored(
    export: PictureExport,
    desk: Desk,
    drawn: dict[str, PictureCase],
    tmp_path: Path,
    until: Callable[..., None],
) -> None:
    desk.select(C)
    kinds = (*QUICK, PictureKind.CHART)
    export.start(PictureWish(tmp_path / "all.zip", kinds, archive=True, everyone=True))
    made = ended(export, until).made

    assert made is not None, export.state.error
    assert made.patients == [A, B, C]
    assert made.faults == {}
    correction = drawn[A].masks["correction"]
    assert isinstance(correction, np.ndarray)
    assert correction[4, 20:24, 20:24].all(), "read from the catalogue"
    assert {name: mask is not None for name, mask in drawn[B].masks.items()} == {
        "prediction": True, "correction": False,
    }  # fmt: skip
    assert drawn[C].masks["prediction"] is None
    assert made.archive == tmp_path / "all.zip"
    assert set(made.scores["prediction"]) == {A, B}


def test_a_blind_case_does_not_give_its_prediction_away(
    export: PictureExport,
    desk: Desk,
    drawn: dict[str, PictureCase],
    tmp_path: Path,
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = desk.select(B)
    monkeypatch.setattr(case, "_is_blind", True)
    export.start(PictureWish(tmp_path / "out", QUICK, everyone=True))
    ended(export, until)

    assert drawn[B].masks["prediction"] is None
    assert drawn[A].masks["prediction"] is not None


def test_a_stop_ends_it_and_leaves_nothing_of_the_patient(
    export: PictureExport,
    tmp_path: Path,
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    original = root_pictures.write_pictures

    def slow(*args: Any, **options: Any) -> list[Path]:
        begun.set()
        assert go_on.wait(20)
        return original(*args, **options)

    monkeypatch.setattr(root_pictures, "write_pictures", slow)
    wish = PictureWish(tmp_path / "out", QUICK)
    export.start(wish)
    assert begun.wait(20)
    with pytest.raises(ConfigError, match="being drawn"):
        export.start(wish)
    export.cancel()
    go_on.set()
    state = ended(export, until)

    assert state.cancelled
    assert state.made is None
    assert not (tmp_path / "out" / A).exists()
    export.start(wish)
    assert ended(export, until).made is not None, "another order is taken"


def test_a_place_that_cannot_be_written_is_told(
    export: PictureExport, tmp_path: Path, until: Callable[..., None]
) -> None:
    (tmp_path / "file").write_text("")
    export.start(PictureWish(tmp_path / "file" / "all.zip", QUICK, archive=True))
    state = ended(export, until)

    assert isinstance(state.error, DataError)
    assert "Cannot write" in state.error.message


def test_there_must_be_something_to_draw(export: PictureExport, desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No kind"):
        export.start(PictureWish(tmp_path, ()))
    desk.close_case()
    with pytest.raises(DataError, match="No patient is open"):
        export.start(PictureWish(tmp_path, QUICK))
    export.close()
    with pytest.raises(ConfigError, match="closing"):
        export.start(PictureWish(tmp_path, QUICK, everyone=True))


def test_one_slice_for_the_clipboard(desk: Desk) -> None:
    assert desk.case is not None
    picture = current_slice(desk.case, 4)

    assert picture.ndim == 3
    assert picture.dtype == np.uint8
    # 16 voxels of the correction, besides the squares of the legend
    assert (picture == (86, 180, 233)).all(axis=-1).sum() > 16 * 16
