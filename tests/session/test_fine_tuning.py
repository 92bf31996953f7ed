from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.locked import draw_locked
from napari_brainseg.core.dataset.splits import Split, freeze_split
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.fine_tuning import plan_fine_tuning
from napari_brainseg.session.locked_patients import keep_locked
from napari_brainseg.session.training_set import export_case
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.fine_tuning import FineTuningPlan

A, B, C, D = (f"TEST_AB_000{n}_20200101" for n in range(1, 5))


@pytest.fixture
def correct(workspace: Workspace, catalogue: Catalogue) -> Callable[..., None]:
    """Correct and export patients of a root."""

    def export(root: Path, *patients: str) -> None:
        for patient in patients:
            case = Case(load_study(root / patient), catalogue)
            mask = case.start_correction("empty", "Ada").data
            mask[0, 0, : 1 + int(patient.split("_")[2])] = 1
            export_case(case, workspace.training_set, editor="Ada")

    return export


@pytest.fixture
def base(make_bundle: Callable[..., Bundle]) -> Callable[..., Bundle]:
    def trained_on(*patients: str) -> Bundle:
        return make_bundle(training={"train_patients": list(patients)})

    return trained_on


def test_corrected_patients_train_and_those_the_base_never_saw_are_locked(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A)
    bundle = base(C, D)
    plan = plan_fine_tuning(workspace, bundle, discover(root), epochs=3)
    config = plan.config
    assert plan.is_new_locked
    assert plan.locked is not None
    assert plan.locked.names == (B,)
    assert [p.path for p in plan.locked.patients] == [str(root / B)]
    assert plan.corrected == (A,)
    assert plan.replayed == (C, D)  # known already: trained on again, not to forget them
    assert config.train_patients == (A, C, D)
    assert config.replay_patients == (C, D)
    assert 0.5 <= config.replay_share <= 0.75
    assert config.validation_patients == (B,)
    assert (config.base, config.current, config.locked) == (
        bundle.path,
        bundle.path,
        workspace.locked,
    )
    assert (config.data, config.corrections) == ((root,), workspace.training_set)
    assert (config.epochs, config.freeze_norm, config.lock_reference) == (3, True, True)
    # Nothing is chosen on the locked patients.
    assert (config.keep, config.early_stopping) == ("last", None)
    assert not workspace.locked.exists()  # planning writes nothing
    assert f"{config.replay_share:.0%} of each batch" in plan.notes[0]


def test_a_run_starts_from_the_base_with_all_corrections_or_from_the_version_in_use_by_choice(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    make_bundle: Callable[..., Bundle],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A, B)
    bundle = base(C)
    current = make_bundle("tuned", parent=bundle.version, training={"train_patients": [C, A]})
    plan = plan_fine_tuning(workspace, bundle, discover(root), current=current)
    assert (plan.base, plan.config.base, plan.config.current) == (
        bundle.version,
        bundle.path,
        current.path,
    )
    assert plan.corrected == (A, B)
    chained = plan_fine_tuning(workspace, bundle, discover(root), current=current, start="current")
    assert (chained.base, chained.config.base) == (current.version, current.path)
    assert chained.corrected == (A, B)


def test_a_run_is_never_chained_on_a_chain(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    make_bundle: Callable[..., Bundle],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A, B)
    bundle = base(C)
    once = make_bundle("once", parent=bundle.version, training={"train_patients": [C, A]})
    twice = make_bundle("twice", parent=once.version, training={"train_patients": [C, A]})
    with pytest.raises(ConfigError, match="a chain on a chain"):
        plan_fine_tuning(workspace, bundle, discover(root), current=twice, start="current")
    plan = plan_fine_tuning(workspace, bundle, discover(root), current=twice)
    assert (plan.base, plan.config.current) == (bundle.version, twice.path)


def test_the_locked_set_stays_when_more_patients_are_corrected(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A)
    bundle = base()
    first = plan_fine_tuning(workspace, bundle, discover(root), seed=3)
    assert first.locked is not None
    assert first.locked.names == (B, C, D)
    keep_locked(workspace, None, first.locked)
    correct(root, B)
    later = plan_fine_tuning(workspace, bundle, discover(root))
    assert not later.is_new_locked
    assert later.locked == first.locked
    assert later.corrected == (A,)  # B is locked: it never trains
    assert any(note == f"Not trained on, as they are locked: {B}." for note in later.notes)


def test_a_locked_image_under_another_name_never_trains(
    workspace: Workspace,
    make_root: Callable[..., Path],
    make_study: Callable[..., Study],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    plan = plan_fine_tuning(workspace, base(), discover(root))
    assert plan.locked is not None
    keep_locked(workspace, None, plan.locked)
    study = make_study(B)
    mask = study.truth.data
    write_patient(root, C, study.image, mask, study.slice_numbers, durable=False)
    correct(root, C)
    assert plan_fine_tuning(workspace, base_again(plan), discover(root)).corrected == (A,)


def base_again(plan: FineTuningPlan) -> Bundle:
    from napari_brainseg.core.segmentation.bundle import load_bundle

    assert plan.config.base is not None
    return load_bundle(plan.config.base)


def test_without_ground_truth_a_third_of_the_corrections_is_locked(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, truth=False)
    correct(root, A, B, C)
    plan = plan_fine_tuning(workspace, base(), discover(root))
    assert plan.locked is not None
    assert {*plan.corrected, *plan.locked.names} == {A, B, C}
    assert [p.mask_source for p in plan.locked.patients] == ["correction"]
    assert plan.config.data == ()  # the training set holds all that is needed


def test_where_nobody_can_be_locked_a_run_is_possible_and_it_is_said(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    plan = plan_fine_tuning(workspace, base(B), discover(root))
    assert plan.locked is None
    assert not plan.is_new_locked
    assert (plan.config.locked, plan.config.validation_patients) == (None, ())
    assert any("not enough evidence" in note for note in plan.notes)


def test_without_base_data_nothing_is_replayed_and_it_is_said(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    plan = plan_fine_tuning(workspace, base(D), discover(root))
    assert (plan.replayed, plan.config.replay_share) == ((), 0.0)
    assert any("forgetting is more likely" in note for note in plan.notes)


def test_another_study_of_a_corrected_person_is_not_locked(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root("TCGA_CS_0001_20010101", "TCGA_CS_0001_20020202")
    correct(root, "TCGA_CS_0001_20010101")
    assert plan_fine_tuning(workspace, base(), discover(root)).locked is None


def test_only_locked_patients_corrected_is_refused(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    bundle = base()
    plan = plan_fine_tuning(workspace, bundle, discover(root))
    assert plan.locked is not None
    other = Workspace(workspace.root.parent / "other").create()
    keep_locked(other, None, plan.locked)
    correct_into(other, root, B)
    with pytest.raises(DataError, match="are locked") as caught:
        plan_fine_tuning(other, bundle, discover(root))
    assert "another patient" in caught.value.hint


def correct_into(workspace: Workspace, root: Path, patient: str) -> None:
    catalogue = Catalogue(workspace.catalogue)
    case = Case(load_study(root / patient), catalogue)
    case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    catalogue.close()


def test_locked_patients_of_another_folder_come_from_there_while_it_exists(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    bundle = base()
    plan = plan_fine_tuning(workspace, bundle, discover(root))
    assert plan.locked is not None
    keep_locked(workspace, None, plan.locked)
    elsewhere = make_root(C, name="elsewhere")
    later = plan_fine_tuning(workspace, bundle, discover(elsewhere))
    assert later.config.data == (elsewhere, root / B)
    root.rename(root.with_name("moved"))
    with pytest.raises(DataError, match=f"not at hand: {B}"):
        plan_fine_tuning(workspace, bundle, discover(elsewhere))


def test_validation_patients_of_an_earlier_version_become_the_locked_set(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A)
    freeze_split(workspace.splits, Split((A, B), (C, D), seed=1))
    plan = plan_fine_tuning(workspace, base(D), discover(root))
    assert plan.locked is not None
    assert plan.is_new_locked
    assert plan.locked.names == (C,)  # the base knows D


def test_a_locked_set_that_was_replaced_or_lost_is_refused(
    workspace: Workspace,
    catalogue: Catalogue,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C)
    correct(root, A)
    bundle = base()
    plan = plan_fine_tuning(workspace, bundle, discover(root), catalogue=catalogue)
    assert plan.locked is not None
    keep_locked(workspace, catalogue, plan.locked)
    plan_fine_tuning(workspace, bundle, discover(root), catalogue=catalogue)
    workspace.locked.unlink()
    with pytest.raises(DataError, match="is gone") as caught:
        plan_fine_tuning(workspace, bundle, discover(root), catalogue=catalogue)
    assert "backup" in caught.value.hint
    keep_locked(workspace, None, draw_locked(plan.locked.patients, seed=1, wanted=1))
    with pytest.raises(DataError, match="replaced"):
        plan_fine_tuning(workspace, bundle, discover(root), catalogue=catalogue)


def test_a_faulty_patient_in_the_root_does_not_reach_the_trainer(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C)
    next((root / C).glob("*_1_mask.tif")).unlink()
    studies = discover(root)
    assert studies.faults
    correct(root, A)
    plan = plan_fine_tuning(workspace, base(), studies)
    assert set(plan.config.data) == {root / A, root / B}


def test_training_on_a_reference_patient_is_allowed_and_said(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    reference = "TCGA_CS_4944_20010208"
    root = make_root(reference, B)
    correct(root, reference)
    plan = plan_fine_tuning(workspace, base(), discover(root))
    assert plan.config.lock_reference is False
    assert any("published figures" in note for note in plan.notes)


def test_a_few_known_patients_are_replayed_not_all(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    known = tuple(f"TEST_CD_{n:04}_20200101" for n in range(15))
    root = make_root(A, B, *known)
    correct(root, A)
    bundle = base(*known)
    plan = plan_fine_tuning(workspace, bundle, discover(root))
    assert plan.config.validation_patients == (B,)
    assert len(plan.replayed) == 12
    again = plan_fine_tuning(workspace, bundle, discover(root))
    assert again.config == plan.config  # drawn with the seed


def test_nothing_exported_is_said(workspace: Workspace, base: Callable[..., Bundle]) -> None:
    with pytest.raises(DataError, match="no corrections") as caught:
        plan_fine_tuning(workspace, base(), None)
    assert "export" in caught.value.hint


def test_a_wrong_field_is_named(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    with pytest.raises(ConfigError, match="epochs"):
        plan_fine_tuning(workspace, base(), discover(root), epochs=0)
