from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import insert, select

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case, CaseStatus
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_history import note_act
from napari_brainseg.session.open_cases import OpenCases
from napari_brainseg.session.survey import Survey, SurveyedRoot
from napari_brainseg.session.visits import Visit
from napari_brainseg.session.worklist import Worklist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.workspace import Workspace

A, B, C = "TEST_AA_0001_20200101", "TEST_BB_0002_20200102", "TEST_CC_0003_20200103"


@pytest.fixture
def root(make_root: Callable[..., Path]) -> Path:
    return make_root(A, B)


@pytest.fixture
def make_worklist(catalogue: Catalogue) -> Iterator[Callable[..., Worklist]]:
    made = []

    def make(shared: Catalogue = catalogue, **options: object) -> Worklist:
        worklist = Worklist(lambda: shared, **{"rescan_s": 0.05, "poll_s": 0.05} | options)
        made.append(worklist)
        return worklist

    yield make
    for worklist in made:
        worklist.close()


@pytest.fixture
def worklist(make_worklist: Callable[..., Worklist]) -> Worklist:
    return make_worklist()


@pytest.fixture
def surveyed(until: Callable[..., None]) -> Callable[[Worklist], None]:
    """Wait until all readable patients were looked at."""

    def wait(worklist: Worklist) -> None:
        until(lambda: worklist.rows)
        until(
            lambda: all(
                r.missing is not None or r.fault is not None or r.vanished for r in worklist.rows
            )
        )

    return wait


@pytest.fixture
def surveyed_by(
    make_worklist: Callable[..., Worklist], root: Path, surveyed: Callable[[Worklist], None]
) -> Callable[[list[str]], tuple[Worklist, str]]:
    """Give a worklist that was surveyed, with the model in use in a list; and the hash of A."""

    def make(in_use: list[str]) -> tuple[Worklist, str]:
        worklist = make_worklist(version_in_use=lambda: in_use[0])
        worklist.enter(discover(root))
        surveyed(worklist)
        sha = worklist.image_sha256(A, worklist.folder(A))
        assert sha is not None
        return worklist, sha

    return make


def damage(patient: Path) -> None:
    next(patient.glob("*_1.tif")).write_bytes(b"not a TIFF")


def predict(catalogue: Catalogue, patient: str, sha: str, version: str, **fields: object) -> None:
    values = {
        "tta": False,
        "volume_vox": 100,
        "seconds": 1.0,
        "engine": "a test",
        "file": "x.npz",
        "created": time.time(),
    }
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.predictions).values(
                {"patient": patient, "image_sha256": sha, "model_version": version}
                | values
                | fields
            )
        )


# entering -------------------------------------------------------------------------------------


def test_patients_are_there_at_once_and_their_pixels_follow(
    worklist: Worklist, root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    worklist.pause()
    worklist.enter(discover(root))
    assert [(r.patient, r.slices, r.missing, r.status) for r in worklist.rows] == [
        (A, 6, None, "new"),
        (B, 6, None, "new"),
    ]
    assert worklist.thumbnail(A) is None
    worklist.resume()
    surveyed(worklist)
    row = worklist.row(A)
    assert row is not None
    assert (row.missing, row.has_truth, row.fault) == ((), True, None)
    picture = worklist.thumbnail(A)
    assert picture is not None
    assert (picture.dtype, picture.ndim) == (np.uint8, 2)
    assert max(picture.shape) <= 48
    assert worklist.counts == {"new": 2} | {s.value: 0 for s in CaseStatus if s != "new"}


def test_what_was_learnt_is_there_at_once_the_next_time(
    make_worklist: Callable[..., Worklist], root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    first = make_worklist()
    first.enter(discover(root))
    surveyed(first)
    first.close()
    again = make_worklist()
    again.pause()
    again.enter(discover(root))
    assert [r.missing for r in again.rows] == [(), ()]
    assert again.thumbnail(B) is not None


def test_changed_files_are_looked_at_again(
    make_worklist: Callable[..., Worklist],
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    first = make_worklist()
    first.enter(discover(root))
    surveyed(first)
    first.close()
    damage(root / A)
    again = make_worklist()
    again.enter(discover(root))
    until(lambda: again.row(A).fault is not None)  # type: ignore[union-attr]
    row = again.row(A)
    assert row is not None
    assert str(root / A) in str(row.fault)
    assert row.hint
    assert row.missing is None
    assert again.row(B).fault is None  # type: ignore[union-attr]


def test_a_patient_opened_alone_shares_what_is_known_and_declares_nobody_vanished(
    make_worklist: Callable[..., Worklist], root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    first = make_worklist()
    first.enter(discover(root))
    surveyed(first)
    first.close()
    alone = make_worklist()
    alone.enter(discover(root / B))
    assert [(r.patient, r.missing) for r in alone.rows] == [(B, ())]
    surveyed(alone)
    alone.close()
    both = make_worklist()
    both.enter(discover(root))
    assert [(r.patient, r.vanished) for r in both.rows] == [(A, False), (B, False)]


def test_another_root_replaces_the_rows(
    worklist: Worklist, make_root: Callable[..., Path], surveyed: Callable[[Worklist], None]
) -> None:
    resets = []
    worklist.reset.connect(lambda: resets.append(len(worklist.rows)))
    worklist.enter(discover(make_root(A, B)))
    worklist.enter(discover(make_root(C, name="other")))
    surveyed(worklist)
    assert [r.patient for r in worklist.rows] == [C]
    assert resets[:2] == [2, 1]


# faults ---------------------------------------------------------------------------------------


def test_a_patient_in_disorder_has_its_fault_in_the_row_and_the_rest_goes_on(
    worklist: Worklist, root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    next((root / A).glob("*_mask.tif")).unlink()
    (root / "TEST_EMPTY_0009").mkdir()
    worklist.enter(discover(root))
    surveyed(worklist)
    faults = {r.patient: r.fault for r in worklist.rows}
    assert list(faults) == [A, B, "TEST_EMPTY_0009"]
    assert "have no mask" in str(faults[A])
    assert faults[B] is None
    assert "empty" in str(faults["TEST_EMPTY_0009"])
    assert worklist.row(A).hint  # type: ignore[union-attr]
    assert worklist.counts["new"] == 1
    assert worklist.folder(A) is None


def test_a_folder_put_in_order_is_readable_again(
    worklist: Worklist,
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    mask = next((root / A).glob("*_mask.tif"))
    kept = mask.read_bytes()
    mask.unlink()
    worklist.enter(discover(root))
    surveyed(worklist)
    mask.write_bytes(kept)
    until(lambda: worklist.row(A).missing == () and worklist.row(A).fault is None)  # type: ignore[union-attr]


def test_a_file_that_was_still_being_copied_is_read_when_it_is_whole(
    worklist: Worklist,
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    image = root / A / f"{A}_1.tif"
    whole = image.read_bytes()
    image.write_bytes(whole[:40])
    worklist.enter(discover(root))
    surveyed(worklist)
    assert worklist.row(A).fault is not None  # type: ignore[union-attr]
    image.write_bytes(whole)
    until(lambda: worklist.row(A).fault is None)  # type: ignore[union-attr]
    until(lambda: worklist.row(A).missing == ())  # type: ignore[union-attr]


def test_two_folders_of_one_patient_have_a_line_each(
    worklist: Worklist, root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    shutil.copytree(root / A, root / "copy" / A)
    worklist.enter(discover(root))
    surveyed(worklist)
    faults = {r.patient: r.fault for r in worklist.rows}
    assert len(faults) == 3
    assert [p for p, fault in faults.items() if fault] == [str(Path("copy") / A)] or faults[
        A
    ] is None


def test_a_table_that_cannot_be_parsed_is_a_notice(
    worklist: Worklist,
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    table = root / "data.csv"
    table.write_text("Name,Age\nx,3\n")
    worklist.enter(discover(root))
    surveyed(worklist)
    (notice,) = worklist.notices
    assert "data.csv" in notice.message
    assert [r.fault for r in worklist.rows] == [None, None]
    table.write_text(f"Patient,Age\n{A[:-9]},61\n")
    until(lambda: worklist.row(A).attributes == {"Age": "61"})  # type: ignore[union-attr]
    assert worklist.notices == ()
    assert worklist.attribute_names == ("Age",)


# coming and going -----------------------------------------------------------------------------


def test_a_new_patient_is_picked_up(
    worklist: Worklist,
    root: Path,
    make_root: Callable[..., Path],
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    worklist.enter(discover(root))
    surveyed(worklist)
    shutil.copytree(make_root(C, name="elsewhere") / C, root / C)
    until(lambda: worklist.row(C) is not None and worklist.row(C).missing == ())  # type: ignore[union-attr]
    assert [r.patient for r in worklist.rows] == [A, B, C]
    assert worklist.discovery is not None
    assert worklist.discovery.find(C).path == root / C
    assert worklist.folder(C) is not None


def test_a_vanished_patient_is_marked_and_back_when_it_reappears(
    make_worklist: Callable[..., Worklist],
    root: Path,
    tmp_path: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    worklist = make_worklist()
    worklist.enter(discover(root))
    surveyed(worklist)
    (root / A).rename(tmp_path / "away")
    until(lambda: worklist.row(A).vanished)  # type: ignore[union-attr]
    row = worklist.row(A)
    assert row is not None
    assert (row.slices, row.missing, row.has_truth, row.fault) == (6, (), True, None)
    assert worklist.thumbnail(A) is not None
    assert worklist.counts["new"] == 1
    worklist.close()

    later = make_worklist()
    later.enter(discover(root))
    assert [(r.patient, r.vanished) for r in later.rows] == [(A, True), (B, False)]
    (tmp_path / "away").rename(root / A)
    until(lambda: not later.row(A).vanished)  # type: ignore[union-attr]
    assert later.row(A).missing == ()  # type: ignore[union-attr]


def test_an_unplugged_root_keeps_its_rows_and_recovers_by_itself(
    worklist: Worklist,
    root: Path,
    catalogue: Catalogue,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    faults: list[BrainSegError | None] = []
    worklist.root_fault_changed.connect(faults.append)
    worklist.enter(discover(root))
    surveyed(worklist)
    before = worklist.rows
    away = root.rename(root.with_name("unplugged"))
    until(lambda: worklist.root_fault is not None)
    assert worklist.root_fault is not None
    assert str(root) in worklist.root_fault.message
    assert "Plug" in worklist.root_fault.hint
    worklist.rescan()  # "Try again", in vain
    until(lambda: len(faults) >= 2)
    assert worklist.rows == before
    with catalogue.read() as connection:
        kept = connection.execute(select(tables.patients)).all()
    assert [row.vanished for row in kept] == [None, None]
    away.rename(root)
    until(lambda: worklist.root_fault is None)
    assert faults[-1] is None
    assert worklist.rows == before


def test_an_empty_mount_point_is_an_unplugged_root(
    worklist: Worklist,
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    worklist.enter(discover(root))
    surveyed(worklist)
    away = root.rename(root.with_name("unplugged"))
    root.mkdir()
    until(lambda: worklist.root_fault is not None)
    assert not any(row.vanished for row in worklist.rows)
    root.rmdir()
    away.rename(root)
    until(lambda: worklist.root_fault is None)


def test_a_root_unplugged_during_the_survey_leaves_no_faults_behind(
    worklist: Worklist,
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    worklist.pause()
    worklist.enter(discover(root))
    until(lambda: worklist.progress == (0, 2))
    away = root.rename(root.with_name("unplugged"))
    worklist.resume()
    until(lambda: worklist.root_fault is not None)
    assert [row.fault for row in worklist.rows] == [None, None]
    away.rename(root)
    surveyed(worklist)
    assert [row.fault for row in worklist.rows] == [None, None]


def test_a_read_only_root_works_and_nothing_is_written_to_it(
    worklist: Worklist, root: Path, surveyed: Callable[[Worklist], None]
) -> None:
    def state() -> dict[str, tuple[int, str]]:
        return {
            str(path): (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            )
            for path in (root, *sorted(root.rglob("*")))
        }

    before = state()
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        worklist.enter(discover(root))
        surveyed(worklist)
        worklist.rescan()
        worklist.set_status(A, "approved")
        worklist.close()
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert state() == before


# the work on cases ----------------------------------------------------------------------------


def test_rows_tell_of_the_work(
    worklist: Worklist,
    root: Path,
    catalogue: Catalogue,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    worklist.enter(discover(root))
    surveyed(worklist)
    case = Case(load_study(root / A), catalogue)
    visit = Visit(catalogue, case.id, "Ada")
    correction = case.start_correction("empty", "Ada")
    correction.data[0, 0, :5] = 1
    correction.commit()
    correction.editor = "Bob"
    correction.data[1, 0, :5] = 1
    correction.commit()
    visit.end()
    until(lambda: worklist.row(A).editor == "Bob")  # type: ignore[union-attr]
    row = worklist.row(A)
    assert row is not None
    assert row.status == "corrected"
    assert row.seconds > 0
    assert row.opened is not None
    assert worklist.counts["corrected"] == 1


def test_figures_of_the_model_in_use_are_preferred(
    surveyed_by: Callable[[list[str]], tuple[Worklist, str]],
    catalogue: Catalogue,
    until: Callable[..., None],
) -> None:
    in_use = ["v1"]
    worklist, sha = surveyed_by(in_use)
    predict(catalogue, A, sha, "v1", volume_vox=11, created=100.0, disagreement=0.2, tta=True)
    predict(catalogue, A, sha, "v1", volume_vox=12, created=200.0, volume_ml=0.5, dsc=0.8)
    predict(catalogue, A, sha, "v2", volume_vox=13, created=300.0)
    predict(catalogue, A, "0" * 64, "v1", volume_vox=99, created=400.0)  # of other voxels
    worklist.update(A)
    until(lambda: worklist.row(A).volume_vox == 12)  # type: ignore[union-attr]
    row = worklist.row(A)
    assert row is not None
    assert (row.model_version, row.volume_ml, row.dsc, row.disagreement) == ("v1", 0.5, 0.8, 0.2)
    assert not row.is_stale
    in_use[0] = "v3"  # has predicted nothing yet: the latest figures serve
    worklist.reload()
    until(lambda: worklist.row(A).model_version == "v2")  # type: ignore[union-attr]
    assert worklist.row(A).volume_vox == 13  # type: ignore[union-attr]
    assert worklist.row(A).is_stale  # type: ignore[union-attr]
    assert not worklist.row(B).is_stale  # type: ignore[union-attr]


def test_a_promotion_in_another_window_marks_predictions_as_stale(
    surveyed_by: Callable[[list[str]], tuple[Worklist, str]],
    catalogue: Catalogue,
    until: Callable[..., None],
) -> None:
    in_use = ["v1"]
    worklist, sha = surveyed_by(in_use)
    predict(catalogue, A, sha, "v1")
    worklist.update(A)
    until(lambda: worklist.row(A).model_version == "v1")  # type: ignore[union-attr]
    in_use[0] = "v2"
    with catalogue.write() as connection:  # as the registry of that window does
        note_act(connection, "promote", "v2", editor="Ada", reason="a test")
    until(lambda: worklist.row(A).is_stale)  # type: ignore[union-attr]
    predict(catalogue, A, sha, "v2")
    until(lambda: not worklist.row(A).is_stale)  # type: ignore[union-attr]


@pytest.mark.parametrize("status", list(CaseStatus))
def test_every_status_can_be_set_and_reopened(
    status: CaseStatus,
    worklist: Worklist,
    root: Path,
    catalogue: Catalogue,
    until: Callable[..., None],
) -> None:
    worklist.pause()  # neither looked at nor ever opened
    worklist.enter(discover(root))
    # One after the other: a row that is new still looks like one that is new again.
    for wanted in (CaseStatus.APPROVED, status):
        worklist.set_status(A, wanted.value)
        until(lambda wanted=wanted: worklist.row(A).status == wanted.value)  # type: ignore[union-attr,misc]
    assert Case(load_study(root / A), catalogue).status is status


def test_a_status_set_just_before_the_end_is_kept(
    worklist: Worklist, root: Path, catalogue: Catalogue
) -> None:
    worklist.enter(discover(root))
    worklist.set_status(A, "approved")
    worklist.close()
    assert Case(load_study(root / A), catalogue).status is CaseStatus.APPROVED


def test_a_status_that_cannot_be_kept_is_told(
    worklist: Worklist, root: Path, until: Callable[..., None]
) -> None:
    faults: list[BrainSegError] = []
    worklist.fault.connect(faults.append)
    (root / "TEST_EMPTY_0009").mkdir()
    worklist.enter(discover(root))
    worklist.set_status("TEST_EMPTY_0009", "approved")
    until(lambda: faults)
    assert "TEST_EMPTY_0009" in faults[0].message
    with pytest.raises(Exception, match="finished"):
        worklist.set_status(A, "finished")


def test_another_window_on_the_workspace_shows_what_this_one_does(
    make_worklist: Callable[..., Worklist],
    root: Path,
    catalogue: Catalogue,
    workspace: Workspace,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    second = Catalogue(workspace.catalogue)
    here, there = make_worklist(), make_worklist(second)
    for worklist in (here, there):
        worklist.enter(discover(root))
    for worklist in (here, there):
        surveyed(worklist)
    case = Case(load_study(root / A), catalogue)
    claims = OpenCases(catalogue)
    claims.claim(here.window, case.id, A, "Ada")
    until(lambda: there.row(A).open_elsewhere)  # type: ignore[union-attr]
    assert "Ada" in str(there.row(A).open_elsewhere)  # type: ignore[union-attr]
    case.mark(CaseStatus.APPROVED)
    predict(catalogue, B, str(there.image_sha256(B)), "v1")
    until(lambda: there.row(A).status == "approved")  # type: ignore[union-attr]
    until(lambda: there.row(B).volume_vox == 100)  # type: ignore[union-attr]
    assert here.row(A).open_elsewhere is None  # type: ignore[union-attr]
    claims.release(here.window)
    until(lambda: there.row(A).open_elsewhere is None)  # type: ignore[union-attr]
    there.close()
    second.close()


# much and background --------------------------------------------------------------------------


def test_no_pixels_are_read_while_the_user_waits(
    make_worklist: Callable[..., Worklist],
    root: Path,
    surveyed: Callable[[Worklist], None],
    until: Callable[..., None],
) -> None:
    busy = [True]
    asked = []

    def is_busy() -> bool:
        asked.append(True)
        return busy[0]

    worklist = make_worklist(busy=is_busy)
    worklist.enter(discover(root))
    until(lambda: len(asked) > 1)
    assert [row.missing for row in worklist.rows] == [None, None]
    busy[0] = False
    surveyed(worklist)


def test_a_batch_that_runs_for_hours_does_not_keep_patients_from_being_looked_at(
    root: Path, catalogue: Catalogue, until: Callable[..., None]
) -> None:
    looked: list[str] = []
    survey = Survey(busy=lambda: True, trickle_s=0.05)
    survey.looked.connect(lambda _root, patient: looked.append(patient))
    survey.enter(SurveyedRoot(str(root), False, catalogue, discover(root), {}))
    until(lambda: looked == [A, B])
    survey.close()


def test_the_survey_tells_how_far_it_is(
    worklist: Worklist, root: Path, until: Callable[..., None]
) -> None:
    told: list[tuple[int, int]] = []
    worklist.surveying.connect(lambda done, total: told.append((done, total)))
    worklist.enter(discover(root))
    until(lambda: told and told[-1] == (2, 2))
    # A look at the folder in between tells again how far it is.
    assert list(dict.fromkeys(told)) == [(0, 2), (1, 2), (2, 2)]
    assert told == sorted(told)
    assert worklist.progress == (2, 2)


def test_ten_thousand_patients(
    make_worklist: Callable[..., Worklist],
    root: Path,
    catalogue: Catalogue,
    until: Callable[..., None],
) -> None:
    patients = [f"TEST_ZZ_{i:05d}" for i in range(10_000)]
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.patients),
            [
                {
                    "root": str(root),
                    "patient": patient,
                    "path": str(root / patient),
                    "fingerprint": "0" * 64,
                    "slices": 60,
                    "missing_modalities": "post-contrast",
                    "truth_vox": 5,
                    "image_sha256": f"{i:064d}",
                    "found": 1.0,
                }
                for i, patient in enumerate(patients)
            ],
        )
        connection.execute(
            insert(tables.cases),
            [
                {
                    "patient": patient,
                    "image_sha256": f"{i:064d}",
                    "status": "approved" if i % 2 else "in progress",
                    "created": 1.0,
                    "updated": 2.0,
                }
                for i, patient in enumerate(patients)
            ],
        )
    worklist = make_worklist(rescan_s=30.0)
    worklist.enter(discover(root))
    assert len(worklist.rows) == 10_002
    row = worklist.row(patients[4321])
    assert row is not None
    assert (row.slices, row.missing, row.status) == (60, ("post-contrast",), "approved")
    assert row.vanished
    told: list[frozenset[str]] = []
    until(lambda: worklist.row(A).missing == ())  # type: ignore[union-attr]
    until(lambda: worklist.row(B).missing == ())  # type: ignore[union-attr]
    rows = worklist.rows
    assert worklist.rows is rows
    worklist.changed.connect(told.append)
    with catalogue.write() as connection:
        connection.execute(
            tables.cases.update()
            .where(tables.cases.c.patient == patients[7])
            .values(status="corrected", updated=time.time())
        )
    worklist.update(patients[7])
    until(lambda: worklist.row(patients[7]).status == "corrected")  # type: ignore[union-attr]
    until(lambda: told)
    assert set().union(*told) == {patients[7]}
