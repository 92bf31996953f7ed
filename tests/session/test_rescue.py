"""A catalogue that cannot be used: what is opened, what is kept, what is said."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.backups import backups, make_backup
from napari_brainseg.session.case import Case
from napari_brainseg.session.case_log import CaseStatus
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.compaction import compact
from napari_brainseg.session.rescue_notice import RescueNotice
from napari_brainseg.session.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.workspace import Workspace

PAGE = 4096


@pytest.fixture
def file(workspace: Workspace) -> Path:
    return workspace.catalogue


def paint(case: Case, *rows: int) -> None:
    correction = case.correction
    assert correction is not None
    for row in rows:
        correction.data[1, row] ^= 1
        correction.commit()


@pytest.fixture
def worked_on(file: Path, make_study: Callable[..., Study]) -> Study:
    """A catalogue with three strokes in its backup, and two more after it."""
    study = make_study()
    catalogue = Catalogue(file)
    catalogue.editor = "Ada"
    case = Case(study, catalogue)
    case.start_correction("truth", "Ada")
    paint(case, 1, 2, 3)
    make_backup(file)
    paint(case, 4, 5)
    case.mark(CaseStatus.APPROVED)
    catalogue.close()
    return study


def spoil(file: Path, page: int, content: bytes = b"\xa5" * PAGE) -> None:
    with file.open("r+b") as opened:
        opened.seek((page - 1) * PAGE)
        opened.write(content)


def root_page(file: Path, table: str) -> int:
    database = sqlite3.connect(file)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
    ).fetchone()
    database.close()
    return int(page)


def opened(file: Path) -> tuple[Catalogue, RescueNotice]:
    catalogue = Catalogue(file)
    assert catalogue.notice is not None
    return catalogue, catalogue.notice


def mask_of(study: Study, catalogue: Catalogue) -> Any:
    correction = Case(study, catalogue).correction
    assert correction is not None
    return correction.data


def expected(study: Study, *rows: int) -> Any:
    assert study.truth is not None
    mask = study.truth.data.copy()
    for row in rows:
        mask[1, row] ^= 1
    return mask


def not_a_database(file: Path) -> None:
    file.write_bytes(b"this is no database, although it is long enough to look at" * 100)


def zero_pages_at_the_start(file: Path) -> None:
    spoil(file, 1, bytes(PAGE * 3))


def truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(PAGE * 5 + 100)


def torn(file: Path) -> None:
    spoil(file, root_page(file, "settings"), bytes(PAGE // 2) + b"\x07" * (PAGE // 2))


@pytest.mark.parametrize("harm", [not_a_database, zero_pages_at_the_start, truncate, torn])
def test_the_backup_is_opened_and_the_damaged_file_kept_and_both_are_said(
    harm: Callable[[Path], None], file: Path, worked_on: Study
) -> None:
    harm(file)
    spoilt = file.read_bytes()
    (backup,) = backups(file.parent / "backups")
    catalogue, notice = opened(file)
    try:
        mask = mask_of(worked_on, catalogue)
        assert catalogue.editor == "Ada"
    finally:
        catalogue.close()
    known = [expected(worked_on, *range(1, last + 1)) for last in (3, 4, 5)]
    assert any(np.array_equal(mask, each) for each in known)
    assert notice.backup == backup
    assert notice.aside is not None
    assert notice.aside.name.startswith("catalogue-damaged-")
    assert notice.aside.read_bytes() == spoilt
    assert "damaged" in notice.message
    assert "backup of" in notice.message
    assert str(notice.aside) in notice.hint
    assert "last strokes may be missing" in notice.hint


def test_strokes_and_statuses_after_the_backup_are_saved_where_they_can_be_read(
    file: Path, worked_on: Study
) -> None:
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    case = Case(worked_on, catalogue)
    assert case.correction is not None
    assert np.array_equal(case.correction.data, expected(worked_on, 1, 2, 3, 4, 5))
    assert case.status is CaseStatus.APPROVED
    assert "2 strokes" in notice.message
    # It can be gone on with.
    paint(case, 6)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3, 4, 5, 6))
    catalogue.close()
    again = Catalogue(file)
    assert again.notice is None
    again.close()


def test_a_case_and_correction_begun_after_the_backup_are_saved(
    file: Path, worked_on: Study, make_study: Callable[..., Study]
) -> None:
    catalogue = Catalogue(file)
    second = Case(make_study("TEST_CD_0002_20200202"), catalogue)
    second.start_correction("empty", "Bob")
    paint(second, 7)
    catalogue.close()
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    assert mask_of(second.study, catalogue)[1, 7].all()
    catalogue.close()
    assert "3 strokes, 1 correction, 1 case" in notice.message


def test_strokes_behind_a_gap_are_not_taken(file: Path, worked_on: Study) -> None:
    database = sqlite3.connect(file)
    database.execute("DELETE FROM strokes WHERE number = 4")
    database.commit()
    database.close()
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3))
    catalogue.close()
    assert "Saved" not in notice.message


def test_a_stroke_with_broken_voxels_ends_what_is_taken(file: Path, worked_on: Study) -> None:
    database = sqlite3.connect(file)
    database.execute("UPDATE strokes SET voxels = zeroblob(40) WHERE number = 5")
    database.commit()
    database.close()
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3, 4))
    catalogue.close()
    assert "1 stroke." in notice.message


def test_a_broken_stroke_is_taken_from_the_backup_and_those_after_it_are_kept(
    file: Path, worked_on: Study
) -> None:
    database = sqlite3.connect(file)
    database.execute("UPDATE strokes SET voxels = zeroblob(40) WHERE number = 2")
    database.commit()
    database.close()
    spoil(file, root_page(file, "settings"))
    catalogue, _notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3, 4, 5))
    catalogue.close()


@pytest.mark.parametrize("with_backup", [True, False])
def test_damage_that_shows_when_a_case_is_read_is_mended_on_the_next_opening(
    with_backup: bool, file: Path, worked_on: Study
) -> None:
    database = sqlite3.connect(file)
    database.execute("UPDATE strokes SET before = zeroblob(9) WHERE number = 2")
    database.commit()
    database.close()
    if not with_backup:
        shutil.rmtree(file.parent / "backups")
    catalogue = Catalogue(file)
    assert catalogue.notice is None
    with pytest.raises(DataError, match="cannot be read") as caught:
        Case(worked_on, catalogue)
    catalogue.close()
    assert "open the folder again" in caught.value.hint
    catalogue, notice = opened(file)
    rows = (1, 2, 3, 4, 5) if with_backup else (1,)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, *rows))
    catalogue.close()
    assert "cannot be read" in notice.message
    assert ("could not be read" in notice.message) is not with_backup
    again = Catalogue(file)
    assert again.notice is None
    again.close()


def test_undone_strokes_stay_undone(file: Path, worked_on: Study) -> None:
    catalogue = Catalogue(file)
    correction = Case(worked_on, catalogue).correction
    assert correction is not None
    for _ in range(3):
        correction.undo()
    catalogue.close()
    spoil(file, root_page(file, "settings"))
    catalogue, _notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2))
    correction = Case(worked_on, catalogue).correction
    assert correction is not None
    correction.redo()
    assert np.array_equal(correction.data, expected(worked_on, 1, 2, 3))
    catalogue.close()


def test_packed_strokes_of_a_signed_off_case_are_saved(file: Path, worked_on: Study) -> None:
    catalogue = Catalogue(file)
    correction = Case(worked_on, catalogue).correction
    assert correction is not None
    compact(catalogue, correction.id)
    paint(Case(worked_on, catalogue), 6)
    catalogue.close()
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    correction = Case(worked_on, catalogue).correction
    assert correction is not None
    assert np.array_equal(correction.data, expected(worked_on, 1, 2, 3, 4, 5, 6))
    correction.go_to(0)
    assert np.array_equal(correction.data, expected(worked_on))
    catalogue.close()
    assert "3 strokes" in notice.message


def test_where_the_packed_strokes_are_broken_those_of_the_backup_stay(
    file: Path, worked_on: Study
) -> None:
    catalogue = Catalogue(file)
    correction = Case(worked_on, catalogue).correction
    assert correction is not None
    compact(catalogue, correction.id)
    with catalogue.write() as connection:
        connection.execute(text("UPDATE stroke_archives SET payload = zeroblob(40)"))
    catalogue.close()
    spoil(file, root_page(file, "settings"))
    catalogue, _notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3))
    catalogue.close()


def test_discarded_strokes_that_were_never_in_force_are_no_gap(
    file: Path, worked_on: Study
) -> None:
    database = sqlite3.connect(file)
    database.execute(
        "INSERT INTO strokes (correction_id, number, state, slice_index, voxels, before, after,"
        " added, removed, seconds, editor, created) SELECT correction_id, -1, 'discarded',"
        " slice_index, voxels, before, after, added, removed, seconds, editor, created"
        " FROM strokes WHERE number = 2"
    )
    database.commit()
    database.close()
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3, 4, 5))
    catalogue.close()
    assert "3 strokes" in notice.message


def test_strokes_of_a_crash_that_lie_in_the_file_beside_are_saved(
    file: Path, worked_on: Study, tmp_path: Path
) -> None:
    page = root_page(file, "model_versions")
    catalogue = Catalogue(file)
    case = Case(worked_on, catalogue)
    paint(case, 6, 7)
    crashed = tmp_path / "crashed" / file.name
    crashed.parent.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(f"{file}{ending}", f"{crashed}{ending}")
    shutil.copytree(file.parent / "backups", crashed.parent / "backups")
    catalogue.close()
    beside = crashed.with_name(f"{crashed.name}-wal").read_bytes()
    assert beside
    spoil(crashed, page)
    catalogue, notice = opened(crashed)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, *range(1, 8)))
    catalogue.close()
    assert notice.aside is not None
    assert notice.aside.with_name(f"{notice.aside.name}-wal").read_bytes() == beside


def test_without_a_backup_what_can_be_read_is_put_into_an_empty_one(
    file: Path, worked_on: Study
) -> None:
    shutil.rmtree(file.parent / "backups")
    spoil(file, root_page(file, "settings"))
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3, 4, 5))
    catalogue.close()
    assert "no backup" in notice.message
    assert "5 strokes, 1 correction, 1 case" in notice.message


def test_without_a_backup_and_with_nothing_to_read_an_empty_one_is_started(file: Path) -> None:
    not_a_database(file)
    catalogue, notice = opened(file)
    assert catalogue.editor is None
    catalogue.close()
    assert notice.aside is not None
    assert notice.aside.exists()
    assert "an empty one was started" in notice.message


def test_a_second_damage_does_not_write_over_the_first_file(file: Path, worked_on: Study) -> None:
    asides = set()
    for _ in range(2):
        not_a_database(file)
        catalogue, notice = opened(file)
        catalogue.close()
        asides.add(notice.aside)
    assert len(asides) == 2
    assert all(path is not None and path.exists() for path in asides)


def test_a_broken_backup_is_passed_over(file: Path, worked_on: Study) -> None:
    good = backups(file.parent / "backups")[0]
    broken = good.path.with_name("catalogue-schema3-29990101T000000.000Z.sqlite")
    broken.write_bytes(good.path.read_bytes()[:PAGE])
    not_a_database(file)
    catalogue, notice = opened(file)
    catalogue.close()
    assert notice.backup == good


@pytest.mark.parametrize("gone", [True, False])
def test_a_catalogue_that_vanished_or_was_emptied_comes_back_from_its_backup(
    gone: bool, file: Path, worked_on: Study
) -> None:
    file.unlink()
    if not gone:
        file.touch()
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3))
    catalogue.close()
    assert ("missing" if gone else "empty") in notice.message


def test_a_later_schema_is_kept_aside_and_the_backup_opened(file: Path, worked_on: Study) -> None:
    later = Catalogue(file)
    later.set("schema_version", "99")
    later.close()
    catalogue, notice = opened(file)
    assert np.array_equal(mask_of(worked_on, catalogue), expected(worked_on, 1, 2, 3))
    catalogue.close()
    assert "schema 99" in notice.message
    assert "update" in notice.hint
    assert notice.aside is not None
    assert notice.aside.name.startswith("catalogue-schema99-")


def test_a_lock_is_not_taken_for_damage(file: Path, worked_on: Study) -> None:
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("napari_brainseg.session.catalogue._BUSY_S", 0.1)
            patch.setattr("napari_brainseg.session.rescue._BUSY_S", 0.1)
            with pytest.raises(DataError, match="locked by another program"):
                Catalogue(file)
    finally:
        holder.close()
    assert not list(file.parent.glob("catalogue-damaged*"))


def test_two_processes_that_open_at_once_restore_once(file: Path, worked_on: Study) -> None:
    not_a_database(file)
    code = textwrap.dedent(f"""
        import sys
        from napari_brainseg.session.catalogue import Catalogue
        print("ready", flush=True)
        sys.stdin.readline()
        catalogue = Catalogue({str(file)!r})
        print(catalogue.notice is not None, catalogue.editor, flush=True)
        catalogue.close()
    """)
    children = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = sorted(child.communicate()[0].split()[0] for child in children)
    assert said == ["False", "False", "True"]
    assert len(list(file.parent.glob("catalogue-damaged-*"))) == 1


def test_a_window_whose_catalogue_was_replaced_writes_nowhere(file: Path, worked_on: Study) -> None:
    left_open = Catalogue(file)
    not_a_database(file)
    catalogue, _notice = opened(file)
    with pytest.raises(DataError, match="moved or replaced"):
        left_open.editor = "Eve"
    left_open.close()
    assert catalogue.editor == "Ada"
    catalogue.close()


def test_damage_that_shows_later_is_said_with_its_mend(file: Path, worked_on: Study) -> None:
    catalogue = Catalogue(file)
    not_a_database(file)
    catalogue.close()
    with pytest.raises(DataError, match="damaged") as caught:
        catalogue.get("editor")
    assert "backup" in caught.value.hint


def test_the_shelf_says_it_once(file: Path, worked_on: Study, workspace: Workspace) -> None:
    not_a_database(file)
    shelf = Shelf(workspace)
    said: list[object] = []
    shelf.fault.connect(said.append)
    try:
        assert shelf.catalogue.editor == "Ada"
        assert shelf.catalogue.editor == "Ada"
        assert said == [shelf.notice]
        assert isinstance(shelf.notice, RescueNotice)
    finally:
        shelf.close()
