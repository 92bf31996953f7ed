from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError, Study
from napari_brainseg.core.segmentation.inference import Prediction, Progress
from napari_brainseg.session.case import CaseStatus
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.trainer_process import RunReason
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

A, B, C = (f"TEST_AB_000{n}_20200101" for n in range(1, 4))


@pytest.fixture
def default(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


@pytest.fixture
def predictor(predict_mask: Callable[..., Prediction]) -> Callable[..., Prediction]:
    def predict(study: Study, bundle: Bundle, *, progress: Any, **_: object) -> Prediction:
        progress(Progress("Predicting", 1, 1))
        return predict_mask(study, version=bundle.version)

    return predict


@pytest.fixture
def make_desk(
    predictor: Callable[..., Prediction],
    default: Bundle,
    trainer_command: tuple[str, ...],
    tmp_path: Path,
) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)

    def make(workspace: Workspace | None = None, **options: Any) -> Desk:
        options = {"predictor": predictor, "preferences": preferences, **options}
        desk = Desk(
            workspace, bundled=lambda: (default,), trainer_command=trainer_command, **options
        )
        made.append(desk)
        return desk

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def root(make_root: Callable[..., Path]) -> Path:
    return make_root(A, B, C)


@pytest.fixture
def desk(make_desk: Callable[..., Desk], root: Path) -> Desk:
    """With patient A open and an editor named."""
    made = make_desk()
    made.open(root)
    made.editor = "Ada"
    return made


def test_opening_a_root_shows_its_first_patient_and_lists_the_others(
    make_desk: Callable[..., Desk], root: Path
) -> None:
    desk = make_desk()
    seen: list[object] = []
    desk.opened.connect(seen.append)
    case = desk.open(root)
    assert seen == [case]
    assert case.patient == A
    assert desk.studies is not None
    assert desk.studies.patients == (A, B, C)
    assert desk.select(C).patient == C
    assert desk.case is not None
    assert desk.case.patient == C


def test_a_patient_opened_alone_finds_the_work_done_in_its_folder(desk: Desk, root: Path) -> None:
    correction = desk.start_correction("truth")
    correction.data[0, 0, 0] = 1
    correction.commit()
    desk.open(root / B)
    case = desk.open(root / A)
    assert case.correction is not None
    assert case.correction.data[0, 0, 0] == 1
    assert case.status is CaseStatus.CORRECTED


def test_each_root_has_its_own_workspace_and_the_editor_is_asked_once(
    make_desk: Callable[..., Desk], desk: Desk, make_root: Callable[..., Path]
) -> None:
    first = desk.workspace
    other = make_root(A, name="other")
    assert desk.open(other).correction is None
    assert desk.workspace != first
    assert desk.editor == "Ada"
    assert make_desk().editor == "Ada"


def test_a_given_workspace_inside_the_data_is_refused(
    make_desk: Callable[..., Desk], root: Path
) -> None:
    desk = make_desk(Workspace(root / A / "work"))
    with pytest.raises(ConfigError, match="inside"):
        desk.open(root)
    assert not (root / A / "work").exists()


def test_a_prediction_reaches_the_case(desk: Desk, default: Bundle) -> None:
    seen: list[str] = []
    desk.prediction_started.connect(lambda job: seen.append("started"))
    desk.prediction_progress.connect(lambda progress: seen.append(f"{progress.done}"))
    desk.prediction_ready.connect(lambda prediction: seen.append("ready"))
    desk.prediction_finished.connect(lambda job: seen.append("finished"))
    assert desk.predict().wait(10)
    assert seen == ["started", "1", "ready", "finished"]
    assert desk.case is not None
    assert desk.case.prediction is not None
    assert desk.case.prediction.model_version == default.version


def test_a_prediction_for_a_patient_left_behind_is_dropped(
    make_desk: Callable[..., Desk], root: Path, predict_mask: Callable[..., Prediction]
) -> None:
    go_on = threading.Event()

    def slow(study: Study, bundle: Bundle, **_: object) -> Prediction:
        go_on.wait(10)
        return predict_mask(study)

    desk = make_desk(predictor=slow)
    desk.open(root)
    job = desk.predict()
    case = desk.select(B)
    go_on.set()
    assert job.wait(10)
    assert case.prediction is None
    assert job.reason is not None
    assert job.reason.value == "cancelled"


def test_a_failed_prediction_is_a_fault(make_desk: Callable[..., Desk], root: Path) -> None:
    def without_flair(*_: object, **__: object) -> Prediction:
        raise DataError("No FLAIR.", "Add the FLAIR series.")

    desk = make_desk(predictor=without_flair)
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    desk.open(root)
    assert desk.predict().wait(10)
    assert [f.message for f in faults] == ["No FLAIR."]


def test_leaving_a_patient_saves_what_was_painted(desk: Desk) -> None:
    desk.start_correction("empty").data[0, 0, :3] = 1
    desk.select(B)
    case = desk.select(A)
    assert case.correction is not None
    assert case.correction.data.sum() == 3


def test_opening_the_same_patient_again_keeps_what_was_painted(desk: Desk) -> None:
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    desk.start_correction("empty").data[0, 0, :3] = 1
    case = desk.select(A)
    assert case.correction is not None
    assert case.correction.data.sum() == 3
    case.correction.data[0, 1, :3] = 1
    assert case.correction.commit() is not None
    assert faults == []


def test_strokes_are_told_with_their_figures(desk: Desk) -> None:
    meters: list[Any] = []
    started: list[object] = []
    desk.corrected.connect(meters.append)
    desk.correction_started.connect(started.append)
    correction = desk.start_correction("truth")
    assert started == [correction]
    correction.data[0, 0, 0] = 1
    correction.commit()
    assert meters[-1].added_vox == 1


def test_export_signs_the_case_off(desk: Desk) -> None:
    entries: list[object] = []
    desk.exported.connect(entries.append)
    correction = desk.start_correction("truth")
    assert desk.waiting_corrections() == 0
    entry = desk.export()
    assert entries == [entry]
    assert entry.editor == "Ada"
    assert desk.case is not None
    assert desk.case.status is CaseStatus.APPROVED
    assert desk.waiting_corrections() == 1
    again = load_study(desk.workspace.training_set / A)
    assert again.truth is not None
    np.testing.assert_array_equal(again.truth.data, correction.data)


def test_nothing_works_without_its_condition_and_each_says_what_to_do(
    make_desk: Callable[..., Desk], root: Path
) -> None:
    desk = make_desk()
    for act in (desk.predict, desk.start_correction, desk.export):
        with pytest.raises(DataError, match="No patient is open") as caught:
            act()
        assert caught.value.hint
    with pytest.raises(DataError, match="No folder"):
        desk.select(A)
    desk.open(root)
    with pytest.raises(DataError, match="Nobody is named"):
        desk.start_correction("truth")


def test_faults_of_submitted_work_are_told(desk: Desk, tmp_path: Path) -> None:
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    future = desk.submit(lambda: desk.open(tmp_path / "absent"))
    assert isinstance(future.exception(10), DataError)
    assert len(faults) == 1
    assert desk.submit(lambda: desk.select(B)).result(10).patient == B


def test_an_unexpected_error_in_submitted_work_is_not_swallowed(desk: Desk) -> None:
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    future = desk.submit(lambda: 1 // 0)
    assert isinstance(future.exception(10), ZeroDivisionError)
    assert "ZeroDivisionError" in faults[0].message


def test_the_start_of_a_run_is_told_before_its_first_event(desk: Desk) -> None:
    told: list[str] = []
    ended = threading.Event()
    desk.training_started.connect(lambda trainer: told.append("started"))
    desk.training_event.connect(lambda event: told.append(event.kind))
    desk.training_finished.connect(lambda outcome: ended.set())
    desk.start_correction("truth")
    desk.export()
    desk.submit(lambda: desk.start_fine_tuning(name="completes")).result(30)
    assert ended.wait(30)
    assert told[:2] == ["started", "run-started"]


def test_a_trainer_that_cannot_start_leaves_a_failed_run_and_the_desk_free(
    make_desk: Callable[..., Desk], desk: Desk, root: Path
) -> None:
    desk.start_correction("truth")
    desk.export()
    desk.trainings._command = (str(root / "no-such-python"),)
    for _ in range(2):
        with pytest.raises(ConfigError, match="could not be started"):
            desk.start_fine_tuning()
    assert [(r.state, r.can_resume) for r in desk.runs()] == [("failed", False)] * 2


def test_fine_tuning_from_correction_to_the_model_in_use_and_back(
    desk: Desk, make_bundle: Callable[..., Bundle], default: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = make_bundle("tuned", folder="runs", parent=default.version)
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    kinds: list[str] = []
    told = threading.Event()
    desk.training_event.connect(lambda event: kinds.append(event.kind))
    desk.training_finished.connect(lambda outcome: told.set())
    desk.start_correction("truth").data[0, 0, 0] = 1
    desk.export()
    locked: list[tuple[str, ...]] = []
    of = desk.locked
    desk.locked_changed.connect(lambda: locked.append(of.current().names))
    trainer = desk.start_fine_tuning(name="completes", epochs=1)
    assert locked == [trainer.config.validation_patients]
    assert told.wait(30)
    assert trainer.outcome is not None
    assert trainer.outcome.reason is RunReason.COMPLETED
    assert kinds[0] == "run-started"

    first, second = desk.registry.versions()
    assert (first.version, first.workspace_dsc, first.workspace_patients) == (
        default.version,
        0.75,
        2,
    )
    assert (second.version, second.workspace_dsc, second.is_current) == (
        candidate.version,
        0.85,
        False,
    )
    desk.registry.promote(candidate.version, editor="Ada", reason="a test")
    assert desk.predict().wait(10)
    assert desk.case is not None
    assert desk.case.prediction is not None
    assert desk.case.prediction.model_version == candidate.version
    desk.registry.rollback(editor="Ada")
    assert desk.registry.current_version == default.version


def test_a_crashed_run_is_listed_and_can_go_on(desk: Desk) -> None:
    told = threading.Event()
    desk.training_finished.connect(lambda outcome: told.set())
    desk.start_correction("truth")
    desk.export()
    desk.start_fine_tuning(name="crashes")
    assert told.wait(30)
    (run,) = desk.runs()
    assert (run.state, run.can_resume) == ("crashed", True)
    told.clear()
    trainer = desk.resume_run(run.id)
    assert told.wait(30)
    assert trainer.outcome is not None
    assert trainer.outcome.reason is RunReason.COMPLETED
    (run,) = desk.runs()
    assert run.state == "completed"


def test_one_run_at_a_time_and_closing_ends_it_with_a_checkpoint(
    desk: Desk, make_desk: Callable[..., Desk], root: Path, until: Callable[..., None]
) -> None:
    desk.start_correction("truth")
    desk.export()
    trainer = desk.start_fine_tuning(name="waits")
    assert desk.runs()[0].state == "running"
    with pytest.raises(ConfigError, match="under way"):
        desk.start_fine_tuning()
    desk.close()
    # On a busy machine the trainer takes longer to leave than a window waits for it.
    until(lambda: trainer.outcome is not None, timeout=120.0)
    assert trainer.outcome is not None
    assert trainer.outcome.reason is RunReason.CANCELLED
    later = make_desk()
    later.open(root)
    assert [(r.state, r.can_resume) for r in later.runs()] == [("cancelled", True)]


def test_a_candidate_that_is_damaged_is_a_fault_and_the_run_still_ends(
    desk: Desk, make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = make_bundle("tuned", folder="runs")
    with candidate.weights_path.open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    faults: list[BrainSegError] = []
    told = threading.Event()
    desk.fault.connect(faults.append)
    desk.training_finished.connect(lambda outcome: told.set())
    desk.start_correction("truth")
    desk.export()
    desk.start_fine_tuning(name="completes")
    assert told.wait(30)
    assert "changed or damaged" in faults[0].message
    assert len(desk.registry.versions()) == 1


def test_a_study_in_memory_can_be_opened(
    make_desk: Callable[..., Desk], make_study: Callable[..., Study]
) -> None:
    desk = make_desk()
    case = desk.open_study(make_study("PHANTOM_1"))
    assert desk.case is case
    desk.close_case()
    assert desk.case is None


# reading through a worklist -------------------------------------------------------------------


@pytest.fixture
def own_preferences(tmp_path: Path) -> Preferences:
    return Preferences(tmp_path / "reading.json")


@pytest.fixture
def reading(
    make_desk: Callable[..., Desk], root: Path, own_preferences: Preferences
) -> Callable[..., Desk]:
    """Make a desk with the root open, as a user finds it; `set` changes preferences before."""

    def make(**changes: Any) -> Desk:
        desk = make_desk(preferences=own_preferences)
        own_preferences.set(**changes)
        desk.open(root)
        return desk

    return make


def predicted(desk: Desk) -> bool:
    return desk.case is not None and desk.case.prediction is not None


def test_a_patient_is_predicted_when_opened_and_the_neighbours_ahead(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading()
    until(lambda: predicted(desk) and desk.prefetcher.is_idle and not desk.predictions.is_busy)
    assert desk.prefetcher.patients == {A, B}
    started: list[object] = []
    desk.prediction_started.connect(started.append)
    shown: list[bool] = []
    desk.opened.connect(lambda case: shown.append(case.prediction is not None))
    case = desk.open_next()
    assert case is not None
    assert case.patient == B
    assert shown == [True]
    until(lambda: desk.prefetcher.is_idle)
    assert desk.prefetcher.patients == {A, B, C}
    assert started == []


def test_predictions_survive_a_restart(
    reading: Callable[..., Desk], until: Callable[..., None], root: Path, make_desk: Any
) -> None:
    first = reading(prefetch=False)
    until(lambda: predicted(first))
    first.close()
    second = make_desk(predictor=lambda *_, **__: 1 // 0, preferences=first.preferences)
    case = second.open(root)
    assert case.prediction is not None
    np.testing.assert_array_equal(case.prediction.mask, first_mask(case))


def first_mask(case: Any) -> np.ndarray:
    mask = np.zeros(case.shape, np.uint8)
    mask[2:4, 8:16, 10:18] = 1
    return mask


def test_a_kept_prediction_that_is_damaged_is_quietly_made_again(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading(prefetch=False)
    until(lambda: desk.worklist.row(A).volume_vox)  # type: ignore[union-attr]
    (kept,) = (desk.workspace.cache / "predictions").iterdir()
    kept.write_bytes(b"damaged")
    desk.prefetcher.clear()
    desk.select(B)
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    started: list[object] = []
    desk.prediction_started.connect(started.append)
    desk.select(A)
    until(lambda: predicted(desk))
    assert len(started) == 1
    assert faults == []


def test_a_patient_without_flair_opens_without_a_fault(
    reading: Callable[..., Desk], make_desk: Callable[..., Desk], make_study: Any
) -> None:
    from dataclasses import replace

    from napari_brainseg.core.imaging import Modality

    desk = reading(prefetch=False)
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    study = replace(make_study("PHANTOM_1"), missing_modalities=(Modality.FLAIR,))
    case = desk.open_study(study)
    assert not desk.predictions.is_busy
    assert case.prediction is None
    assert faults == []


def test_the_worklist_follows_what_is_done(
    reading: Callable[..., Desk], until: Callable[..., None], default: Bundle
) -> None:
    desk = reading()

    def row(patient: str) -> Any:
        return desk.worklist.row(patient)

    assert [r.patient for r in desk.worklist.rows] == [A, B, C]
    until(lambda: row(A).volume_vox == 128 and row(B).volume_vox == 128)
    assert row(A).model_version == default.version
    assert row(A).dsc == pytest.approx(0.75)
    desk.editor = "Ada"
    desk.start_correction("truth").data[0, 0, 0] = 1
    desk.select(B)
    until(lambda: row(A).status == "corrected" and row(A).editor == "Ada")
    until(lambda: row(A).opened is not None)


def test_the_whole_worklist_is_predicted_in_the_background(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    seen: list[object] = []
    desk.prediction_started.connect(seen.append)
    desk.prediction_ready.connect(seen.append)
    desk.submit(desk.batch.start).result(10)
    until(lambda: not desk.batch.is_running)
    assert (desk.batch.state.done, desk.batch.state.failed) == (3, {})
    until(lambda: all(row.volume_vox for row in desk.worklist.rows))
    assert not predicted(desk)
    assert seen == []  # not the business of the open case's panel


def test_next_and_previous_go_through_the_readable_patients_in_order(
    reading: Callable[..., Desk], root: Path, until: Callable[..., None]
) -> None:
    next((root / B).glob("*_1.tif")).write_bytes(b"no TIFF")
    desk = reading(prefetch=False, predict_on_open=False)
    until(lambda: desk.worklist.row(B).fault is not None)  # type: ignore[union-attr]
    assert desk.open_previous() is None
    following = desk.open_next()
    assert following is not None
    assert following.patient == C
    assert desk.open_next() is None
    before = desk.open_previous()
    assert before is not None
    assert before.patient == A


def test_the_next_case_comes_with_its_reason_and_each_is_suggested_once(
    reading: Callable[..., Desk], until: Callable[..., None], own_preferences: Preferences
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    assert desk.suggestion is not None
    assert desk.suggestion.reason == "Number 1 of 3 in the worklist"
    following = desk.next_case()
    assert following is not None
    assert (following.patient, following.reason) == (B, "Number 2 of 3 in the worklist")
    desk.batch.start()
    until(lambda: all(row.uncertainty is not None for row in desk.worklist.rows))
    own_preferences.set(strategy="uncertainty")
    order = [desk.case.patient if desk.case else ""]
    for _ in range(2):
        case = desk.open_suggested()
        assert case is not None
        order.append(case.patient)
        assert desk.suggestion is not None
        assert "Uncertainty" in desk.suggestion.reason
    assert sorted(order) == [A, B, C]


def test_approved_cases_are_not_suggested_and_in_the_end_there_is_none(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    for patient in (B, C):
        desk.worklist.set_status(patient, "approved")
    until(lambda: desk.worklist.counts["approved"] == 2)
    assert desk.next_case() is None
    assert desk.open_suggested() is None


def test_a_blind_case_shows_its_prediction_after_the_first_stroke(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading(blind_share=1.0, prefetch=False)
    desk.editor = "Ada"
    case = desk.case
    assert case is not None
    assert case.is_blind
    assert desk.suggestion is not None
    assert desk.suggestion.blind
    ready: list[object] = []
    desk.prediction_ready.connect(ready.append)
    until(lambda: desk.worklist.row(A).volume_vox)  # type: ignore[union-attr]
    assert case.prediction is None
    assert ready == []
    correction = desk.start_correction("empty")
    assert case.is_blind
    correction.data[0, 0, 0] = 1
    correction.commit()
    assert not case.is_blind
    assert ready == [case.prediction]
    assert correction.meter.dsc_prediction == 0.0


def test_a_case_open_in_one_window_is_marked_in_another(
    reading: Callable[..., Desk],
    make_desk: Callable[..., Desk],
    root: Path,
    until: Callable[..., None],
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    other = make_desk(preferences=desk.preferences)
    other.open(root / C)
    other.open(root)
    until(lambda: other.worklist.row(A).open_elsewhere)  # type: ignore[union-attr]
    desk.select(B)
    desk.close_case()
    other.select(C)
    other.open(root)
    assert other.worklist.row(A).open_elsewhere is None  # type: ignore[union-attr]


@pytest.mark.parametrize("mount_point", [False, True])
def test_an_unplugged_root_is_told_with_a_retry_and_the_open_case_stays(
    mount_point: bool, reading: Callable[..., Desk], root: Path, until: Callable[..., None]
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    desk.editor = "Ada"
    away = root.rename(root.with_name("unplugged"))
    if mount_point:
        root.mkdir()
    with pytest.raises(DataError, match="cannot be reached") as caught:
        desk.select(B)
    assert "then try again" in caught.value.hint
    desk.batch.start()
    until(lambda: not desk.batch.is_running)
    assert desk.batch.state.cancelled
    (fault,) = desk.batch.state.failed.values()
    assert "cannot be reached" in fault.message
    assert desk.case is not None
    assert desk.case.patient == A
    desk.start_correction("truth").data[0, 0, 0] = 1
    if mount_point:
        root.rmdir()
    away.rename(root)
    assert desk.select(B).patient == B
    case = desk.select(A)
    assert case.correction is not None
    assert case.correction.data[0, 0, 0] == 1


def test_a_patient_that_came_later_can_be_opened(
    reading: Callable[..., Desk], make_root: Callable[..., Path], until: Callable[..., None]
) -> None:
    desk = reading(prefetch=False, predict_on_open=False)
    late = "TEST_AB_0009_20200101"
    make_root(late)
    desk.worklist.rescan()
    until(lambda: desk.worklist.row(late))
    assert desk.select(late).patient == late


def test_an_opening_prediction_joins_what_is_predicted_ahead(
    make_desk: Callable[..., Desk],
    root: Path,
    own_preferences: Preferences,
    predict_mask: Callable[..., Prediction],
    until: Callable[..., None],
) -> None:
    go_on = threading.Event()
    begun: list[str] = []

    def slow(study: Study, bundle: Bundle, **_: object) -> Prediction:
        begun.append(study.patient)
        if study.patient != A:
            go_on.wait(10)
        return predict_mask(study, version=bundle.version)

    desk = make_desk(predictor=slow, preferences=own_preferences)
    desk.open(root)
    until(lambda: begun == [A, B])
    told: list[str] = []
    desk.prediction_started.connect(lambda job: told.append("started"))
    desk.prediction_finished.connect(lambda job: told.append("finished"))
    desk.select(B)
    assert desk.predictions.is_busy
    assert told == ["started"]
    go_on.set()
    until(lambda: predicted(desk))
    until(lambda: told == ["started", "finished"])
    assert begun.count(B) == 1


def test_leaving_a_case_that_the_batch_predicts_too_does_not_stop_the_batch(
    make_desk: Callable[..., Desk],
    root: Path,
    predict_mask: Callable[..., Prediction],
    until: Callable[..., None],
) -> None:
    go_on = threading.Event()

    def slow(study: Study, bundle: Bundle, **_: object) -> Prediction:
        go_on.wait(10)
        return predict_mask(study, version=bundle.version)

    desk = make_desk(predictor=slow)
    desk.open(root)
    desk.batch.start([A])
    until(lambda: desk.predictions._open)
    job = desk.predict()
    ended: list[object] = []
    desk.prediction_finished.connect(ended.append)
    desk.select(B)
    assert ended == [job]
    assert not desk.predictions.is_busy
    go_on.set()
    until(lambda: not desk.batch.is_running)
    assert desk.batch.state.failed == {}
    assert not predicted(desk)


def test_closing_ends_every_thread(
    reading: Callable[..., Desk], until: Callable[..., None]
) -> None:
    desk = reading()
    desk.batch.start()
    desk.close()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("brainseg")])
