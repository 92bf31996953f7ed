"""A disk that does not take strokes: they stay in memory, in order, and are written once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select

from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
from napari_brainseg.session import catalogue as catalogue_module
from napari_brainseg.session import stroke_saving, tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.case_log import CaseStatus
from napari_brainseg.session.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from napari_brainseg.session.correction import Correction


@pytest.fixture
def case(make_study: Callable[..., Study], catalogue: Catalogue) -> Iterator[Case]:
    opened = Case(make_study(), catalogue)
    opened.start_correction("empty", "Ada")
    yield opened
    opened.close()


@pytest.fixture
def correction(case: Case) -> Correction:
    assert case.correction is not None
    return case.correction


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make writing fail, or let it succeed again."""
    monkeypatch.setattr(stroke_saving, "RETRY_S", 3600.0)
    works = Catalogue.write
    faults = {"full": False}

    @contextmanager
    def write(self: Catalogue) -> Iterator[Connection]:
        if faults["full"]:
            raise DataError("The disk is full.")
        with works(self) as connection:
            yield connection

    monkeypatch.setattr(Catalogue, "write", write)
    return lambda *, full: faults.update(full=full)


def paint(correction: Correction, at: int) -> None:
    correction.data.flat[at] = 1
    correction.commit("brush", {"size": 1})


def rows(catalogue: Catalogue) -> list[tuple[int, str]]:
    columns = tables.strokes.c
    with catalogue.read() as connection:
        found = connection.execute(
            select(columns.number, columns.state).order_by(columns.number)
        ).all()
    return [tuple(row) for row in found]


def test_strokes_that_a_full_disk_refuses_can_be_undone_and_are_written_in_order(
    correction: Correction, catalogue: Catalogue, disk: Callable[..., None], case: Case
) -> None:
    failed, again = [], []
    correction.saving_failed.connect(failed.append)
    correction.saved_again.connect(lambda: again.append(True))
    paint(correction, 0)
    paint(correction, 1)
    disk(full=True)
    correction.undo()
    assert [str(error) for error in failed] == ["The disk is full."]
    for at in (2, 3):
        with pytest.raises(DataError, match="full"):
            paint(correction, at)
    assert correction.undo() is not None
    with pytest.raises(DataError, match="full"):
        paint(correction, 4)
    assert len(failed) == 1, "told once, not with every act"
    assert correction.unsaved == 4
    assert correction.meter.strokes == 3
    assert rows(catalogue) == [(1, "done"), (2, "done")]
    disk(full=False)
    correction.retry()
    assert again == [True]
    assert correction.unsaved == 0
    assert rows(catalogue) == [
        (1, "done"), (2, "discarded"), (3, "done"), (4, "discarded"), (5, "done"),
    ]  # fmt: skip
    assert np.flatnonzero(correction.data).tolist() == [0, 2, 4]
    assert case.status is CaseStatus.CORRECTED


def test_the_next_stroke_takes_those_before_along(
    correction: Correction, catalogue: Catalogue, disk: Callable[..., None]
) -> None:
    disk(full=True)
    with pytest.raises(DataError):
        paint(correction, 0)
    disk(full=False)
    paint(correction, 1)
    assert rows(catalogue) == [(1, "done"), (2, "done")]
    assert correction.unsaved == 0


def test_going_back_and_forth_leaves_nothing_to_save(
    correction: Correction, disk: Callable[..., None]
) -> None:
    paint(correction, 0)
    paint(correction, 1)
    disk(full=True)
    correction.go_to(0)
    assert correction.unsaved == 2
    correction.go_to(2)
    disk(full=False)
    correction.retry()
    assert correction.unsaved == 0


def test_a_thread_saves_as_soon_as_it_can(
    correction: Correction,
    catalogue: Catalogue,
    disk: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., None],
) -> None:
    monkeypatch.setattr(stroke_saving, "RETRY_S", 0.02)
    disk(full=True)
    with pytest.raises(DataError):
        paint(correction, 0)
    disk(full=False)
    until(lambda: correction.unsaved == 0)
    assert rows(catalogue) == [(1, "done")]


def test_a_write_that_succeeded_but_was_reported_as_failed_is_not_written_twice(
    correction: Correction, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stroke_saving, "RETRY_S", 3600.0)
    works = Catalogue.write

    @contextmanager
    def lying(self: Catalogue) -> Iterator[Connection]:
        with works(self) as connection:
            yield connection
        raise DataError("The disk went away.")

    with monkeypatch.context() as patched:
        patched.setattr(Catalogue, "write", lying)
        with pytest.raises(DataError, match="went away"):
            paint(correction, 0)
    correction.undo()
    assert correction.unsaved == 0
    assert rows(catalogue) == [(1, "undone")]


def test_a_catalogue_that_another_program_locks_is_waited_for_beside_the_painting(
    make_study: Callable[..., Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., None],
) -> None:
    monkeypatch.setattr(catalogue_module, "_BUSY_S", 0.5)
    monkeypatch.setattr(stroke_saving, "RETRY_S", 0.02)
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    case = Case(make_study(), catalogue)
    correction = case.start_correction("empty", "Ada")
    other = sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match="lock"):
        paint(correction, 0)
    assert correction.undo() is not None
    with pytest.raises(DataError, match="lock"):
        paint(correction, 1)
    assert correction.unsaved == 2
    other.execute("ROLLBACK")
    other.close()
    until(lambda: correction.unsaved == 0)
    assert rows(catalogue) == [(1, "discarded"), (2, "done")]
    case.close()
    catalogue.close()


class Lost:
    """A right that another window took."""

    def __init__(self) -> None:
        self.lost = False

    def check(self, _connection: Connection) -> None:
        if self.lost:
            raise DataError("Bea corrects this case.")


def test_strokes_of_a_window_that_lost_the_case_go_on_top_or_are_kept_as_discarded(
    case: Case, correction: Correction, catalogue: Catalogue
) -> None:
    from napari_brainseg.session.correction import Correction

    def another(right: Lost | None = None) -> Correction:
        return Correction(
            catalogue,
            correction.id,
            base="empty",
            base_version=None,
            base_mask=correction.base_mask.copy(),
            editor="Ada",
            right=right,
        )

    right = Lost()
    mine = another(right)
    paint(mine, 0)
    paint(mine, 1)
    right.lost = True
    mine.undo()
    for at in (2, 3):
        with pytest.raises(DataError, match="Bea"):
            paint(mine, at)
    assert mine.is_lost
    hers = another()
    paint(hers, 9)
    edits = mine.unsaved_edits()
    assert [(tool, dict(parameters)) for _, tool, parameters in edits] == [
        ("other", {}), ("brush", {"size": 1}), ("brush", {"size": 1}),
    ]  # fmt: skip
    mine.close()
    assert rows(catalogue) == [
        (-2, "discarded"), (-1, "discarded"), (1, "done"), (2, "done"), (3, "done"),
    ]  # fmt: skip
    fresh = another()
    assert np.flatnonzero(fresh.data).tolist() == [0, 1, 9]
    assert [record.number for record in fresh.actions()] == [1, 2, 3]
    for edit, tool, parameters in edits:
        fresh.apply(edit, tool, parameters)
    assert np.flatnonzero(fresh.data).tolist() == [0, 2, 3, 9]
    for opened in (hers, fresh):
        opened.close()


BEGINNING = textwrap.dedent("""
    import os, resource, signal, sys
    import numpy as np
    from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue

    study = Study("P", ScalarVolume(np.ones((3, 8, 64, 64), np.uint8)))
    catalogue = Catalogue(sys.argv[1])
    case = Case(study, catalogue, image_sha256="0" * 64)
    correction = case.start_correction("empty", "Ada")
    rng = np.random.default_rng(0)

    def paint():
        correction.data.flat[rng.integers(0, correction.data.size, 900)] ^= 1
        correction.commit("brush")

    for _ in range(3):
        paint()
""")

READ_ONLY = BEGINNING + textwrap.dedent("""
    saved, folder = 3, os.path.dirname(sys.argv[1])
    catalogue.close()
    if os.geteuid() == 0:  # who may write to everything meets no read-only folder
        for name in (".", *os.listdir(folder)):
            os.chown(os.path.join(folder, name), 65534, 65534)
        os.setuid(65534)
    paint()
    saved += 1
    catalogue.close()

    def allow(file_mode, folder_mode):
        os.chmod(folder, 0o755)
        for name in os.listdir(folder):
            os.chmod(os.path.join(folder, name), file_mode)
        os.chmod(folder, folder_mode)

    allow(0o444, 0o555)
    for _ in range(5):
        try:
            paint()
        except DataError as error:
            told = error
        else:
            sys.exit("it could be written to")
    unsaved = correction.unsaved
    print(told)
    correction.undo()
    allow(0o644, 0o755)
    catalogue.close()
""")

FULL = BEGINNING + textwrap.dedent("""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    for saved in range(3, 3000):
        try:
            paint()
        except DataError as error:
            print(error)
            break
    else:
        sys.exit("the disk was never full")
    for _ in range(4):
        try:
            paint()
        except DataError:
            pass
    unsaved = correction.unsaved
    correction.undo()
    correction.undo()
    correction.redo()
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
""")

END = textwrap.dedent("""
    correction.retry()
    assert correction.unsaved == 0
    print(np.packbits(correction.data).tobytes().hex())
    print(saved, unsaved, correction.meter.strokes)
    case.close()
    catalogue.close()
""")


@pytest.mark.skipif(os.name == "nt", reason="needs RLIMIT_FSIZE and users")
@pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_disk_that_really_refuses_loses_nothing(fault: str) -> None:
    study = Study("P", ScalarVolume(np.ones((3, 8, 64, 64), np.uint8)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "catalogue.sqlite")
        done = subprocess.run(
            [sys.executable, "-c", fault + END, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        error, bits, figures = done.stdout.splitlines()[-3:]
        assert str(path) in error
        saved, unsaved, strokes = map(int, figures.split())
        assert unsaved == 5
        assert strokes == saved + 4
        catalogue = Catalogue(path)
        case = Case(study, catalogue, image_sha256="0" * 64)
        assert case.correction is not None
        assert np.packbits(case.correction.data).tobytes().hex() == bits
        assert case.correction.meter.strokes == strokes
        assert case.correction.redo() is not None
        case.close()
        catalogue.close()
