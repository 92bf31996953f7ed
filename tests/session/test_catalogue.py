from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.catalogue import Catalogue

if TYPE_CHECKING:
    from pathlib import Path


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
