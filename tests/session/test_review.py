"""Approve, reject, reopen, second reader: what each leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.dataset.manifest import read_manifest
from napari_brainseg.core.dataset.rebuild import rebuild, verify
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.case import Case, CaseStatus
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.review import OpenFindingsError
from napari_brainseg.session.seen import SeenSlices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

A, B = "TEST_AB_0001_20200101", "TEST_AB_0002_20200101"


@pytest.fixture
def default(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


@pytest.fixture
def make_desk(
    default: Bundle, tmp_path: Path, make_root: Callable[..., Path]
) -> Iterator[Callable[..., Desk]]:
    root = make_root(A, B)
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)
    made: list[Desk] = []

    def make(editor: str = "Ada") -> Desk:
        desk = Desk(preferences=preferences, bundled=lambda: (default,))
        made.append(desk)
        desk.open(root)
        desk.editor = editor
        return desk

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """Patient A, whose correction starts from ground truth; every slice was seen."""
    desk = make_desk()
    look_at_all(desk)
    desk.start_correction("truth")
    return desk


def case_of(desk: Desk) -> Case:
    assert desk.case is not None
    return desk.case


def look_at_all(desk: Desk) -> None:
    case = case_of(desk)
    seen = SeenSlices(desk.catalogue, case.id, case.shape[0])
    for z in range(case.shape[0]):
        seen.mark(z)
    seen.save()


def paint(desk: Desk, z: int = 2) -> None:
    correction = case_of(desk).correction
    assert correction is not None
    correction.data[z, 8:16, 16:20] = 1
    correction.commit()


def acts(desk: Desk) -> list[tuple[str, str, str]]:
    return [(r.act.value, r.editor, r.note) for r in desk.review.reviews()]


def test_a_sound_correction_is_approved_without_a_word(desk: Desk) -> None:
    paint(desk)
    assert desk.review.checks() == ()
    entry = desk.review.approve("clear")
    (review,) = desk.review.reviews()
    assert (review.act.value, review.editor, review.note) == ("approve", "Ada", "clear")
    assert review.mask_sha256 == entry.mask_sha256
    assert review.correction_id == entry.correction_id
    assert case_of(desk).status is CaseStatus.APPROVED
    assert desk.trainer is None


def test_the_line_of_the_manifest_tells_all_of_the_correction(desk: Desk) -> None:
    paint(desk)
    paint(desk, z=3)
    case, correction = case_of(desk), case_of(desk).correction
    assert correction is not None
    entry = desk.review.approve("clear")
    assert read_manifest(desk.workspace.training_set) == (entry,)
    assert entry.image_sha256 == case.image_sha256
    assert entry.mask_sha256 == sha256_of_arrays(correction.data)
    assert entry.base_mask_sha256 == sha256_of_arrays(correction.base_mask)
    assert entry.original_mask_sha256 == sha256_of_arrays(case.truth)
    assert entry.started is not None
    assert entry.started <= entry.created
    assert (entry.voxels_added, entry.voxels_removed, entry.strokes) == (64, 0, 2)
    assert (dict(entry.tools), entry.slices_touched) == ({"other": 2}, 2)
    assert entry.correction_id == correction.id
    assert entry.workspace_id
    assert (entry.note, entry.second_reader, entry.findings) == ("clear", None, ())


def test_findings_stop_the_approval_until_they_are_let_pass(desk: Desk) -> None:
    correction = case_of(desk).correction
    assert correction is not None
    correction.data[0, 0, 0] = 1
    correction.commit()
    with pytest.raises(OpenFindingsError, match="Island of 1 voxel in slice 1") as told:
        desk.review.approve()
    assert told.value.findings == desk.review.checks()
    assert case_of(desk).status is CaseStatus.CORRECTED
    assert read_manifest(desk.workspace.training_set) == ()
    entry = desk.review.approve(findings=told.value.findings)
    assert entry.findings == ("Island of 1 voxel in slice 1.",)
    assert desk.review.reviews()[-1].findings == told.value.findings


def test_what_was_not_shown_is_not_let_pass(desk: Desk) -> None:
    correction = case_of(desk).correction
    assert correction is not None
    correction.data[0, 0, 0] = 1
    shown = desk.review.checks()
    correction.data[...] = 0
    with pytest.raises(OpenFindingsError, match="The mask is empty"):
        desk.review.approve(findings=shown)


def test_slices_that_are_seen_right_now_count(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.start_correction("truth")
    case = case_of(desk)
    ((kind, where),) = [(f.kind, f.slice_index) for f in desk.review.checks()]
    assert (kind, where) == ("unseen", 1)
    news: list[bool] = []
    desk.review.seen_changed.connect(lambda: news.append(True))
    seen = SeenSlices(desk.catalogue, case.id, case.shape[0])
    desk.review.follow_seen(case, seen)
    for z in range(1, 5):
        seen.mark(z)
    assert desk.review.checks() == ()
    assert len(news) == 4


def test_files_that_changed_since_they_were_read_are_found(desk: Desk) -> None:
    assert desk.review.checks() == ()
    path = case_of(desk).study.path
    assert path is not None
    changed = path / f"{A}_2.tif"
    changed.write_bytes((path / f"{A}_1.tif").read_bytes())
    (finding,) = desk.review.checks()
    assert finding.kind == "source changed"
    assert finding.message.endswith("\u2026_2.tif.")


def test_a_rejected_case_leaves_the_training_set_and_comes_back(desk: Desk, tmp_path: Path) -> None:
    paint(desk)
    exported = desk.review.approve()
    assert desk.waiting_corrections() == 1
    for reason in ("", "   "):
        with pytest.raises(DataError, match="no reason"):
            desk.review.reject(reason)
    desk.review.reject("motion artefacts")
    training_set = desk.workspace.training_set
    assert case_of(desk).status is CaseStatus.REJECTED
    assert not (training_set / A).exists()
    assert desk.waiting_corrections() == 0
    line = read_manifest(training_set)[-1]
    assert (line.withdrawn, line.editor, line.note) == (True, "Ada", "motion artefacts")
    assert line.mask_sha256 == exported.mask_sha256
    assert verify(training_set) == ()
    rebuild(training_set, tmp_path / "before", 1)
    again = load_study(tmp_path / "before" / A).truth
    assert again is not None
    assert sha256_of_arrays(again.data) == exported.mask_sha256

    desk.review.reopen("the second series is fine")
    assert case_of(desk).status is CaseStatus.CORRECTED
    desk.review.approve()
    assert (training_set / A).is_dir()
    assert desk.waiting_corrections() == 1
    assert acts(desk) == [
        ("approve", "Ada", ""),
        ("reject", "Ada", "motion artefacts"),
        ("reopen", "Ada", "the second series is fine"),
        ("approve", "Ada", ""),
    ]


def test_a_case_can_be_rejected_without_any_correction(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.review.reject("no FLAIR")
    assert case_of(desk).status is CaseStatus.REJECTED
    assert read_manifest(desk.workspace.training_set) == ()
    desk.review.reopen()
    assert case_of(desk).status is CaseStatus.NEW


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_painting_takes_a_case_up_again(desk: Desk, decide: str) -> None:
    if decide == "approve":
        desk.review.approve()
    else:
        desk.review.reject("blurred")
    paint(desk)
    assert case_of(desk).status is CaseStatus.CORRECTED
    assert acts(desk)[-1] == ("reopen", "Ada", "Painted on.")


@pytest.mark.parametrize("name", ["Ada", "ada", " ADA  "])
def test_the_first_reader_is_no_second_one(desk: Desk, name: str) -> None:
    desk.review.ask_second_reader("is the part at the back oedema?")
    assert case_of(desk).status is CaseStatus.SECOND_READER
    desk.editor = name
    paint(desk)  # the question stands
    assert case_of(desk).status is CaseStatus.SECOND_READER
    with pytest.raises(DataError, match="another person must approve") as told:
        desk.review.approve()
    assert told.value.hint
    assert desk.review.state().refused == told.value.message
    assert read_manifest(desk.workspace.training_set) == ()
    with pytest.raises(DataError, match="another person"):
        desk.review.mark(A, "approved")
    assert desk.next_case() is not None
    assert A not in [s.patient for s in desk._reading.suggestions()]


def test_another_reader_approves(desk: Desk) -> None:
    desk.review.ask_second_reader()
    desk.editor = "Grace"
    assert desk.review.state().refused is None
    entry = desk.review.approve()
    assert (entry.editor, entry.second_reader) == ("Grace", "Grace")
    assert acts(desk) == [("ask", "Ada", ""), ("approve", "Grace", "")]


def test_another_reader_corrects_and_the_first_one_approves(desk: Desk) -> None:
    paint(desk)
    desk.review.ask_second_reader()
    desk.editor = "Grace"
    desk.start_correction("truth")
    paint(desk, z=3)
    assert case_of(desk).status is CaseStatus.CORRECTED
    desk.editor = "Ada"
    entry = desk.review.approve()
    assert (entry.editor, entry.second_reader) == ("Ada", "Grace")
    assert desk.review.state().second_reader == "Grace"


def test_a_request_is_withdrawn_by_reopening(desk: Desk) -> None:
    desk.review.ask_second_reader()
    desk.review.reopen()
    assert desk.review.approve().second_reader is None


def test_a_case_for_another_reader_is_suggested_to_them(
    make_desk: Callable[..., Desk], desk: Desk, until: Callable[..., None]
) -> None:
    desk.review.ask_second_reader()
    desk.select(B)
    other = make_desk("Grace")
    until(lambda: other.worklist.row(A).asked_by == "Ada")  # type: ignore[union-attr]
    reasons = {s.patient: s.reason for s in other._reading.suggestions()}
    assert reasons[A] == "Ada asks for a second reader"


def test_nothing_is_asked_or_approved_without_a_correction(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    for act in (desk.review.ask_second_reader, desk.review.approve):
        with pytest.raises(DataError, match="no correction"):
            act()
    assert desk.review.reviews() == ()
    assert desk.review.checks() == ()


def test_a_patient_that_is_not_open_is_rejected_from_the_list(
    desk: Desk, until: Callable[..., None]
) -> None:
    desk.review.approve()
    desk.select(B)
    desk.review.mark(A, "rejected")
    until(lambda: desk.worklist.row(A).status == "rejected")  # type: ignore[union-attr]
    assert not (desk.workspace.training_set / A).exists()
    desk.select(A)
    assert acts(desk)[-1] == ("reject", "Ada", "")
    with pytest.raises(DataError, match="no status"):
        desk.review.mark(B, "finished")


def test_a_decision_that_cannot_be_kept_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("The disk is full.")

    monkeypatch.setattr("napari_brainseg.session.review_log.write_status", fail)
    with pytest.raises(DataError, match="full"):
        desk.review.ask_second_reader()
    assert case_of(desk).status is CaseStatus.IN_PROGRESS
    assert desk.review.reviews() == ()
    assert desk.review.second_reading() is None


def test_tidying_up_after_a_sign_off_never_undoes_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("No space for it.")

    monkeypatch.setattr("napari_brainseg.session.compaction.compact", fail)
    faults: list[BrainSegError] = []
    desk.fault.connect(faults.append)
    entry = desk.review.approve()
    assert [fault.message for fault in faults] == ["No space for it."]
    assert read_manifest(desk.workspace.training_set) == (entry,)
    assert case_of(desk).status is CaseStatus.APPROVED


def test_a_signed_off_correction_can_still_be_undone(desk: Desk) -> None:
    paint(desk)
    desk.review.approve()
    correction = case_of(desk).correction
    assert correction is not None
    assert correction.undo() is not None
    np.testing.assert_array_equal(correction.data, correction.base_mask)
