from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.dataset.splits import freeze_split, load_split
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.fine_tuning import FineTuningPlan, plan_fine_tuning
from napari_brainseg.session.training_set import export_case
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

A, B, C, D = (f"TEST_AB_000{n}_20200101" for n in range(1, 5))


@pytest.fixture
def correct(workspace: Workspace, catalogue: Catalogue) -> Callable[..., None]:
    """Correct and export patients of a root."""

    def export(root: Path, *patients: str) -> None:
        for patient in patients:
            case = Case(load_study(root / patient), catalogue)
            case.start_correction("empty", "Ada").data[0, 0, 0] = 1
            export_case(case, workspace.training_set, editor="Ada")

    return export


@pytest.fixture
def base(make_bundle: Callable[..., Bundle]) -> Callable[..., Bundle]:
    def trained_on(*patients: str) -> Bundle:
        return make_bundle(training={"train_patients": list(patients)})

    return trained_on


def test_corrected_patients_train_and_one_the_base_never_saw_validates(
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
    assert plan.split.validation == (B,)
    assert plan.corrected == (A,)
    assert plan.replayed == (C, D)  # known already: trained on again, not to forget them
    assert config.train_patients == (A, C, D)
    assert config.validation_patients == (B,)
    assert (config.base, config.data, config.corrections) == (
        bundle.path,
        (root,),
        workspace.training_set,
    )
    assert (config.epochs, config.freeze_norm, config.lock_reference) == (3, True, True)
    assert not workspace.splits.exists()  # planning writes nothing


def test_the_split_stays_when_more_patients_are_corrected(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, D)
    correct(root, A)
    first = plan_fine_tuning(workspace, base(), discover(root))
    freeze_split(workspace.splits, first.split)
    (validating,) = first.split.validation
    correct(root, B, C, D)
    later = plan_fine_tuning(workspace, base_again(first), discover(root))
    assert not later.is_new_split
    assert later.split == load_split(workspace.splits) == first.split
    assert set(later.corrected) == {A, B, C, D} - {validating}
    assert later.config.train_patients is not None
    assert validating not in later.config.train_patients


def base_again(plan: FineTuningPlan) -> Bundle:
    from napari_brainseg.core.segmentation.bundle import load_bundle

    assert plan.config.base is not None
    return load_bundle(plan.config.base)


def test_without_ground_truth_a_corrected_patient_is_given_up_for_validation(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B, C, truth=False)
    correct(root, A, B)
    plan = plan_fine_tuning(workspace, base(), discover(root))
    assert {*plan.corrected, *plan.split.validation} == {A, B}
    assert len(plan.split.validation) == 1
    assert plan.config.data == ()  # the training set holds all that is needed


def test_a_patient_the_base_was_trained_on_validates_as_the_last_resort_and_it_is_said(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    plan = plan_fine_tuning(workspace, base(B), discover(root))
    assert plan.split.validation == (B,)
    assert any("flatters" in note for note in plan.notes)


def test_a_single_patient_cannot_train_and_validate(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A)
    correct(root, A)
    with pytest.raises(DataError, match="cannot train and validate") as caught:
        plan_fine_tuning(workspace, base(), discover(root))
    assert "second patient" in caught.value.hint


def test_two_studies_of_one_person_are_one_patient(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root("TCGA_CS_0001_20010101", "TCGA_CS_0001_20020202")
    correct(root, "TCGA_CS_0001_20010101")
    with pytest.raises(DataError, match="cannot train and validate"):
        plan_fine_tuning(workspace, base(), discover(root))


def test_only_validation_patients_corrected_is_refused(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    bundle = base()
    freeze_split(workspace.splits, plan_fine_tuning(workspace, bundle, discover(root)).split)
    other = Workspace(workspace.root.parent / "other").create()
    freeze_split(other.splits, load_split(workspace.splits))
    correct_into(other, root, B)
    with pytest.raises(DataError, match="are validation patients") as caught:
        plan_fine_tuning(other, bundle, discover(root))
    assert "another patient" in caught.value.hint


def correct_into(workspace: Workspace, root: Path, patient: str) -> None:
    catalogue = Catalogue(workspace.catalogue)
    case = Case(load_study(root / patient), catalogue)
    case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    catalogue.close()


def test_frozen_validation_patients_must_be_at_hand(
    workspace: Workspace,
    make_root: Callable[..., Path],
    correct: Callable[..., None],
    base: Callable[..., Bundle],
) -> None:
    root = make_root(A, B)
    correct(root, A)
    bundle = base()
    freeze_split(workspace.splits, plan_fine_tuning(workspace, bundle, discover(root)).split)
    elsewhere = make_root(C, name="elsewhere")
    with pytest.raises(DataError, match=f"not at hand: {B}"):
        plan_fine_tuning(workspace, bundle, discover(elsewhere))


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
    known = tuple(f"TEST_CD_{n:04}_20200101" for n in range(9))
    root = make_root(A, B, *known)
    correct(root, A)
    bundle = base(*known)
    plan = plan_fine_tuning(workspace, bundle, discover(root))
    assert plan.split.validation == (B,)
    assert len(plan.replayed) == 4
    assert plan == plan_fine_tuning(workspace, bundle, discover(root))  # drawn with the seed


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
