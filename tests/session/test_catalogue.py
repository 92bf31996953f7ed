from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.engine import Engine

from napari_brainseg.core.imaging import DataError, ScalarVolume, Study
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.catalogue_errors import CatalogueError, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.workspace import Workspace


def test_every_transaction_waits_for_the_disk(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_the_editor_is_kept(catalogue: Catalogue) -> None:
    assert catalogue.editor is None
    catalogue.editor = "  Dr. Ada "
    again = Catalogue(catalogue.location)
    assert again.editor == "Dr. Ada"
    again.close()


def test_an_empty_editor_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(DataError, match="empty"):
        catalogue.editor = "  "


def test_a_transaction_that_fails_leaves_nothing(catalogue: Catalogue) -> None:
    def half() -> None:
        with catalogue.write() as connection:
            connection.execute(insert(tables.settings).values(key="half", value="1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert catalogue.get("half") is None


def test_many_threads_write_and_read_at_once(catalogue: Catalogue) -> None:
    faults: list[Exception] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                catalogue.set(f"{number}-{step}", "x")
                assert catalogue.get(f"{number}-{step}") == "x"
        except (DataError, AssertionError) as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert catalogue.get("5-9") == "x"


def test_two_windows_may_share_a_catalogue(catalogue: Catalogue) -> None:
    other = Catalogue(catalogue.location)
    with catalogue.write() as connection:
        connection.execute(insert(tables.settings).values(key="a", value="1"))
        assert other.get("a") is None  # a reader does not wait, and sees no half work
    assert other.get("a") == "1"
    other.set("b", "2")
    assert catalogue.get("b") == "2"
    other.close()


def test_a_catalogue_of_a_later_version_is_refused(catalogue: Catalogue) -> None:
    catalogue.set("schema_version", "99")
    with pytest.raises(DataError, match="schema 99") as caught:
        Catalogue(catalogue.location)
    assert "Update" in caught.value.hint


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        Catalogue(tmp_path / "absent" / "catalogue.sqlite")


def test_a_catalogue_of_the_first_schema_gets_the_new_tables(tmp_path):
    from sqlalchemy import inspect

    from napari_brainseg.session import tables

    file = tmp_path / "c.sqlite"
    first = Catalogue(file)
    first.editor = "A. Tester"
    first.set("schema_version", "1")
    with first.write() as connection:
        tables.open_cases.drop(connection)
    first.close()

    again = Catalogue(file)
    assert again.editor == "A. Tester"
    assert again.get("schema_version") == str(tables.SCHEMA_VERSION)
    with again.read() as connection:
        assert inspect(connection).has_table("open_cases")
    again.close()


@pytest.mark.parametrize(
    ("pragma", "fault", "words", "mend"),
    [
        ("max_page_count=1", Fault.FULL, "the disk is full", "Free some space"),
        ("query_only=ON", Fault.READ_ONLY, "read-only", "writable"),
    ],
)
def test_a_write_that_fails_says_why_and_what_helps(
    pragma: str, fault: Fault, words: str, mend: str, catalogue: Catalogue, workspace: Workspace
) -> None:
    def harm(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(Engine, "checkout", harm)
    try:
        with pytest.raises(CatalogueError, match=words) as caught:
            catalogue.set("filler", "x" * 100_000)
    finally:
        event.remove(Engine, "checkout", harm)
    catalogue.close()
    assert caught.value.fault is fault
    assert str(workspace.catalogue) in caught.value.message
    assert mend in caught.value.hint
    assert "kept in memory" in caught.value.hint
    # Nothing of it was kept, and it goes on when the fault is gone.
    assert catalogue.get("filler") is None
    catalogue.set("filler", "x")


def test_a_catalogue_that_another_program_holds_is_said_to_be_locked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_brainseg.session.catalogue._BUSY_S", 0.05)
    catalogue = Catalogue(workspace.catalogue)
    holder = sqlite3.connect(workspace.catalogue, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogueError, match="locked by another program") as caught:
        catalogue.editor = "Ada"
    assert caught.value.fault is Fault.LOCKED
    holder.close()
    catalogue.editor = "Ada"
    catalogue.close()


PAINTER = textwrap.dedent("""
    import os, resource, signal, sys
    import numpy as np
    from napari_brainseg.core.imaging import BrainSegError, ScalarVolume, Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue
    file = sys.argv[1]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    image = ScalarVolume(np.ones((3, 4, 64, 64), np.uint8))
    case = Case(Study("P", image), Catalogue(file))
    correction = case.start_correction("empty", "Ada")

    def paint(row):
        rng = np.random.default_rng(row)
        correction.data[row % 4] = rng.integers(0, 2, (64, 64))
        try:
            correction.commit()
        except BrainSegError as error:
            return error

    assert paint(0) is None
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = os.path.getsize(file + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
    errors = [paint(row) for row in range(1, 6)]
    assert all(errors), errors
    print(correction.unsaved, errors[0].message)
    correction.undo()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    correction.retry()
    print(correction.unsaved)
    assert paint(6) is None
    np.save(sys.argv[2], correction.data)
    os._exit(0)  # as if killed: what counts is on disk
""")


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_strokes_on_a_disk_that_takes_no_more_are_kept_and_saved_later(
    workspace: Workspace, tmp_path: Path
) -> None:
    expected = tmp_path / "expected.npy"
    child = subprocess.run(
        [sys.executable, "-P", "-c", PAINTER, str(workspace.catalogue), str(expected)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    first, last = child.stdout.splitlines()
    assert first.startswith("5 The catalogue")
    assert str(workspace.catalogue) in first
    assert last == "0"
    catalogue = Catalogue(workspace.catalogue)
    image = ScalarVolume(np.ones((3, 4, 64, 64), np.uint8))
    correction = Case(Study("P", image), catalogue).correction
    catalogue.close()
    assert correction is not None
    assert np.array_equal(correction.data, np.load(expected))
