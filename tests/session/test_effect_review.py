from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
from napari_brainseg.core.dataset.locked_set import LockedPatient, LockedSet
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import CancelledError, DataError, ModelError, Study
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.gate_evidence import GateEvidence, PairedPatient
from napari_brainseg.core.segmentation.inference import Progress
from napari_brainseg.session import effect_log
from napari_brainseg.session.case import Case
from napari_brainseg.session.effect_cases import EffectCase, EffectTally, Figures, effect_cases
from napari_brainseg.session.effect_picture import EffectPicture, Work
from napari_brainseg.session.effect_review import EffectReview
from napari_brainseg.session.effects import Effects
from napari_brainseg.session.prediction import PredictionService
from napari_brainseg.session.prediction_store import PredictionStore
from napari_brainseg.session.shelf import Shelf
from napari_brainseg.session.training_set import export_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

A, B, C, D = (f"TEST_AB_000{n}_20200101" for n in range(1, 5))
TRUE_VOX = 128


def figures(old: float, new: float) -> Figures:
    return Figures(old, new, TRUE_VOX, TRUE_VOX, has_lesion=True)


class Predictor:
    """The new version finds the lesion exactly, the old one two voxels beside it."""

    def __init__(self, result: Callable[..., Prediction]) -> None:
        self.result = result
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun: list[tuple[str, str]] = []
        self.stopped: list[str] = []

    def __call__(
        self, study: Study, bundle: Bundle, *, progress: Any, cancelled: Any, **_: object
    ) -> Prediction:
        self.begun.append((study.patient, bundle.name))
        progress(Progress("Slices", 2, 6))
        while not self.go_on.wait(0.01):
            if cancelled():
                self.stopped.append(study.patient)
                raise CancelledError("The prediction was stopped.")
        assert study.truth is not None
        mask = study.truth.data
        if bundle.name == "default":
            mask = np.roll(mask, 2, axis=2)
        return self.result(study, mask, version=bundle.version)


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
def bundles(make_bundle: Callable[..., Bundle]) -> tuple[Bundle, Bundle]:
    """The version in use, and one that was trained on the first patient."""
    old = make_bundle("default", training={"train_patients": [D]})
    return old, make_bundle("better", folder="new", training={"train_patients": [A, D]})


@pytest.fixture
def cases(make_root: Callable[..., Path]) -> tuple[EffectCase, ...]:
    root = make_root(A, B, C)
    return (
        EffectCase(A, "corrected", root / A, True, True, False, figures(0.70, 0.85)),
        EffectCase(B, "locked", root / B, False, False, False, figures(0.80, 0.76)),
        EffectCase(C, "locked", root / C, False, False, False),
    )


@pytest.fixture
def start(
    bundles: tuple[Bundle, Bundle],
    cases: tuple[EffectCase, ...],
    service: PredictionService,
    workspace: Workspace,
    catalogue: Catalogue,
) -> Iterator[Callable[..., EffectReview]]:
    begun: list[EffectReview] = []

    def run(only: tuple[EffectCase, ...] | None = None) -> EffectReview:
        review = EffectReview(
            cases if only is None else only,
            candidate=bundles[1],
            current=bundles[0],
            service=service,
            store=PredictionStore(workspace, catalogue),
            catalogue=catalogue,
            editor="Ada",
        )
        begun.append(review)
        return review

    yield run
    for review in begun:
        review.close(10.0)


def result(patient: str, dsc: float) -> PatientResult:
    return PatientResult(
        patient=patient, slices=6, dsc_reference=dsc, dsc_native=dsc, dsc_native_lcc=dsc,
        hd95_vox=1.0, volume_truth_vox=TRUE_VOX, volume_prediction_vox=TRUE_VOX,
        seconds=Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
    )  # fmt: skip


def pair(patient: str, current: float, candidate: float, **more: Any) -> PairedPatient:
    return PairedPatient(
        patient=patient,
        candidate=result(patient, candidate),
        current=result(patient, current),
        **more,
    )


def locked_set(root: Path, *patients: str) -> LockedSet:
    found = []
    for patient in patients:
        study = load_study(root / patient)
        assert study.truth is not None
        found.append(
            LockedPatient(
                patient=patient,
                image_sha256=image_sha256(study),
                mask_sha256=mask_sha256(study.truth),
                mask_source="ground truth",
                path=str(root / patient),
                lesion_vox=TRUE_VOX,
            )
        )
    return LockedSet(patients=tuple(found))


def approve(workspace: Workspace, catalogue: Catalogue, folder: Path) -> None:
    case = Case(load_study(folder), catalogue)
    case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    case.close()


def test_corrections_come_newest_first_and_then_the_locked_that_lose_most(
    workspace: Workspace,
    catalogue: Catalogue,
    make_root: Callable[..., Path],
    bundles: tuple[Bundle, Bundle],
) -> None:
    root = make_root(A, B, C, D)
    for patient in (A, D):
        approve(workspace, catalogue, root / patient)
    evidence = GateEvidence(
        candidate="new", current="old",
        corrections=(pair(A, 0.70, 0.81), pair(D, 0.6, 0.7, compared_with="base")),
        corrections_how="inner folds",
        locked=(pair(B, 0.8, 0.81), pair(C, 0.9, 0.85)),
    )  # fmt: skip
    old, new = bundles
    locked = locked_set(root, B, C)
    found = effect_cases(workspace.training_set, new, old, evidence=evidence, locked=locked)
    assert [(c.patient, c.kind) for c in found] == [
        (D, "corrected"), (A, "corrected"), (C, "locked"), (B, "locked"),
    ]  # fmt: skip
    by_name = {c.patient: c for c in found}
    assert (by_name[A].trained_on_candidate, by_name[A].trained_on_current) == (True, False)
    assert (by_name[D].trained_on_current, by_name[D].compared_with) == (True, "base")
    assert by_name[A].figures == figures(0.70, 0.81)
    # The mask of a corrected patient is the approved correction, and lies in the training set.
    assert by_name[A].path == workspace.training_set / A
    assert by_name[A].is_correction
    assert by_name[C].path == root / C
    assert not by_name[C].trained_on_candidate

    fewer = effect_cases(
        workspace.training_set, new, old, evidence=evidence, locked=locked, worst=1
    )
    assert [c.patient for c in fewer] == [D, A, C]
    # Before the gate was measured there are still patients to look at.
    bare = effect_cases(workspace.training_set, new, old, locked=locked)
    assert [c.patient for c in bare] == [D, A, B, C]
    assert bare[0].figures is None


def test_the_difference_of_two_masks_is_counted_by_slice(make_study: Callable[..., Study]) -> None:
    study = make_study()
    old, new = np.zeros((2, 6, 32, 32), np.uint8)
    old[2, 8:12, 8:12] = 1
    new[2, 8:12, 10:16] = 1
    new[4, 0, 0] = 1
    picture = EffectPicture.of(study, old, new)
    assert picture.gained.tolist() == [0, 0, 16, 0, 1, 0]
    assert picture.lost.tolist() == [0, 0, 8, 0, 0, 0]
    assert picture.slices == (2, 4)
    assert picture.start == 2
    assert picture.figures.current_dsc == pytest.approx(2 * 16 / (16 + TRUE_VOX))
    # No difference: where the lesion is largest. Nothing at all: the middle.
    assert EffectPicture.of(study, old, old).start == 2
    empty = EffectPicture.of(make_study(truth=False), 0 * old, 0 * old)
    assert (empty.start, empty.figures) == (3, Figures(1.0, 1.0, 0, 0, has_lesion=False))


def test_both_versions_predict_the_patient_on_show_and_the_next_ones_ahead(
    start: Callable[..., EffectReview],
    predictor: Predictor,
    workspace: Workspace,
    catalogue: Catalogue,
    bundles: tuple[Bundle, Bundle],
    until: Callable[..., None],
) -> None:
    review = start()
    until(lambda: review.picture_of(1) is not None)
    assert predictor.begun == [(p, v) for p in (A, B) for v in ("default", "better")]
    picture = review.picture
    assert picture is not None
    assert review.case.patient == A
    assert picture.figures == figures(0.75, 1.0)
    assert review.measured(0) == picture.figures

    review.go_to(2)
    until(lambda: review.picture is not None)
    # What is far away is let go; what was measured of it stays.
    assert review.picture_of(0) is None
    assert review.picture_of(1) is not None
    assert review.measured(0) == figures(0.75, 1.0)
    review.next()
    assert review.index == 2

    # Those of the locked are kept as any other, and a second review asks for none. Those of the
    # corrected are not: their figures would be against the correction.
    locked = review.cases[2]
    assert not locked.is_correction
    store = PredictionStore(workspace, catalogue)
    kept = {
        case.patient: store.load(image_sha256(load_study(case.path)), bundles[1].version)
        for case in review.cases
    }
    assert {p for p, found in kept.items() if found is not None} == {
        case.patient for case in review.cases if not case.is_correction
    }
    assert kept[A] is None
    review.close(10.0)
    again = start()
    again.go_to(2)
    until(lambda: again.picture is not None)
    assert [p for p, _ in predictor.begun].count(locked.patient) == 2


def test_what_comes_next_gives_way_to_the_patient_on_show(
    start: Callable[..., EffectReview],
    predictor: Predictor,
    until: Callable[..., None],
) -> None:
    predictor.go_on.clear()
    review = start()
    told = []
    review.activity_changed.connect(told.append)
    until(lambda: predictor.begun == [(A, "default")])
    review.go_to(2)  # two further: the first is not needed any more
    until(lambda: (C, "default") in predictor.begun)
    assert predictor.stopped == [A]
    until(lambda: told and told[-1] is not None and told[-1].total == 6)
    assert (told[-1].index, told[-1].work, told[-1].done) == (2, Work.CURRENT, 2)
    predictor.go_on.set()
    until(lambda: review.picture is not None)
    assert review.activity is None or review.activity.index != 2


def test_ending_stops_the_prediction_and_frees_the_memory(
    start: Callable[..., EffectReview],
    predictor: Predictor,
    service: PredictionService,
    until: Callable[..., None],
) -> None:
    predictor.go_on.clear()
    review = start()
    ends = []
    review.closed.connect(lambda: ends.append(1))
    until(lambda: predictor.begun)
    review.close(10.0)
    review.close()
    until(lambda: predictor.stopped == [A])
    assert ends == [1]
    assert review.is_closed
    assert review.picture is None
    assert not service.is_busy
    review.next()
    assert review.index == 0


def test_who_looked_at_what_survives_a_restart(
    start: Callable[..., EffectReview],
    catalogue: Catalogue,
    bundles: tuple[Bundle, Bundle],
    cases: tuple[EffectCase, ...],
    until: Callable[..., None],
) -> None:
    review = start()
    news = []
    review.reviewed_changed.connect(news.append)
    until(lambda: review.picture is not None)
    review.note_look(0)
    review.note_look(0)
    until(lambda: news)
    assert (news[0].seen, news[0].total, review.is_seen(0)) == (1, 3, True)
    review.note_look(1)
    review.close(10.0)  # what was noted last is kept too
    old, new = bundles
    kept = effect_log.reviewed(catalogue, new.version, old.version)
    assert [(look.patient, look.editor) for look in kept.looks] == [(A, "Ada"), (B, "Ada")]
    assert kept.looks[0].seen <= kept.looks[1].seen
    assert not kept.is_complete
    # Against another version it is another review.
    assert effect_log.reviewed(catalogue, new.version, "another").total == 0

    again = start(cases[1:])
    assert (again.is_seen(0), again.is_seen(1)) == (True, False)
    assert (again.reviewed.seen, again.reviewed.total) == (1, 2)
    again.note_look(1)
    until(lambda: again.reviewed.is_complete)


def test_the_count_goes_by_fair_figures_only(
    start: Callable[..., EffectReview], until: Callable[..., None]
) -> None:
    review = start()
    # By what the gate measured; of the third patient nothing is known yet.
    assert review.tally() == EffectTally(better=1, worse=1, unknown=1)
    review.go_to(2)
    until(lambda: review.measured(2) is not None)
    assert review.tally() == EffectTally(better=2, worse=1)
    assert review.tally("locked") == EffectTally(better=1, worse=1)


def test_what_counts_as_better_depends_on_the_lesion() -> None:
    lesion = [figures(0.8, 0.8 + by) for by in (0.004, -0.004, 0.006, -0.006)]
    assert EffectTally.of([*lesion, None]) == EffectTally(better=1, equal=2, worse=1, unknown=1)
    # Without a lesion a DSC is 1 or 0; what counts is what is marked for nothing.
    free = [Figures(0.0, dsc, 10, vox, has_lesion=False) for dsc, vox in ((0, 4), (0, 12), (1, 0))]
    assert EffectTally.of(free) == EffectTally(better=2, worse=1)


def test_a_patient_that_learnt_without_a_fair_figure_does_not_count(
    start: Callable[..., EffectReview], cases: tuple[EffectCase, ...], until: Callable[..., None]
) -> None:
    learnt = EffectCase(A, "corrected", cases[0].path, True, True, False)
    review = start((learnt,))
    until(lambda: review.measured(0) is not None)
    assert review.fair_figures(0) is None
    assert review.tally() == EffectTally(unknown=1)


def test_a_patient_that_cannot_be_read_does_not_end_the_review(
    start: Callable[..., EffectReview],
    cases: tuple[EffectCase, ...],
    tmp_path: Path,
    until: Callable[..., None],
) -> None:
    elsewhere = cases[0].path.rename(tmp_path / "elsewhere")
    review = start()
    failed = []
    review.failed.connect(lambda index, error: failed.append((index, error)))
    until(lambda: review.fault_of(0) is not None)
    assert str(cases[0].path) in str(review.fault_of(0))
    until(lambda: review.picture_of(1) is not None)
    shutil.copytree(elsewhere, cases[0].path)
    review.retry()
    until(lambda: review.picture is not None)
    assert review.fault_of(0) is None


def test_a_predictor_that_fails_is_told(
    start: Callable[..., EffectReview], predictor: Predictor, until: Callable[..., None]
) -> None:
    def fail(*_args: object, **_options: object) -> Prediction:
        raise ModelError("The network does not fit.")

    predictor.result = fail
    review = start()
    until(lambda: review.fault_of(0) is not None)
    assert "does not fit" in str(review.fault_of(0))


def test_no_patient_is_no_review(start: Callable[..., EffectReview]) -> None:
    with pytest.raises(DataError, match="nothing to review"):
        start(())


def test_a_workspace_starts_reviews_of_its_versions(
    workspace: Workspace,
    catalogue: Catalogue,
    make_root: Callable[..., Path],
    bundles: tuple[Bundle, Bundle],
    service: PredictionService,
    until: Callable[..., None],
) -> None:
    root = make_root(A, B)
    approve(workspace, catalogue, root / A)
    old, new = bundles
    shelf = Shelf(workspace, bundled=lambda: (old,))
    shelf.editor = "Ada"
    shelf.registry.adopt(new.path)
    asked = []

    def evidence(candidate: str, current: str) -> GateEvidence:
        asked.append((candidate, current))
        return GateEvidence(candidate=candidate, current=current, locked=(pair(B, 0.8, 0.7),))

    effects = Effects(shelf, service, evidence=evidence, locked=lambda: locked_set(root, B))
    review = effects.start(new.version)
    assert asked == [(new.version, old.version)]
    assert [case.patient for case in review.cases] == [A, B]
    assert effects.review is review
    assert effects.reviewed(new.version).total == 2
    until(lambda: review.picture is not None)
    again = effects.start(new.version)
    assert review.is_closed
    assert effects.review is again
    with pytest.raises(ModelError, match="in use already"):
        effects.start(old.version)
    effects.close()
    assert effects.review is None
    shelf.close()
