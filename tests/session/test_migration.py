from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_mock_engine, inspect, text

from napari_brainseg.session import migration, tables
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_history import read_history
from napari_brainseg.session.model_log import version_notes

if TYPE_CHECKING:
    from pathlib import Path

NEW_COLUMNS = ("tool", "parameters", "first_slice", "last_slice")
NEW_TABLES = ("stroke_archives", "reviews", "writers")


def schema_2(path: Path) -> None:
    """A catalogue as BrainSeg before schema 3 left it, with one stroke in it."""
    made = Catalogue(path)
    made.editor = "Ada"
    with made.write() as connection:
        for name in NEW_TABLES:
            tables.metadata.tables[name].drop(connection)
        for name in NEW_COLUMNS:
            connection.execute(text(f"ALTER TABLE strokes DROP COLUMN {name}"))
        connection.execute(
            text("INSERT INTO cases VALUES (1, 'P', 'a', NULL, 'corrected', 1.0, 2.0)")
        )
        connection.execute(
            text("INSERT INTO corrections VALUES (1, 1, 'empty', NULL, '1x1x1', x'', 'Ada', 1, 1)")
        )
        connection.execute(
            text(
                "INSERT INTO strokes VALUES (1, 1, 1, 'done', 0, x'01', x'02', x'03', 4, 5, 6.0,"
                " 'Ada', 7.0)"
            )
        )
    made.set("schema_version", "2")
    made.close()


def test_strokes_of_schema_2_get_the_new_columns_and_stay_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    schema_2(file)
    catalogue = Catalogue(file)
    assert catalogue.get("schema_version") == str(tables.SCHEMA_VERSION)
    assert catalogue.editor == "Ada"
    with catalogue.read() as connection:
        (row,) = connection.execute(tables.strokes.select()).all()
        names = inspect(connection).get_table_names()
    catalogue.close()
    assert (row.tool, row.parameters, row.first_slice, row.last_slice) == (
        "brush",
        "{}",
        None,
        None,
    )
    assert (row.voxels, row.before, row.after, row.added, row.seconds) == (
        b"\1", b"\2", b"\3", 4, 6.0,
    )  # fmt: skip
    assert set(NEW_TABLES) <= set(names)


SCHEMA_4 = {
    "model_versions": ("origin", "deleted", "deleted_by"),
    "promotions": ("gate_id", "overrode"),
    "runs": ("detached", "title"),
}


def schema_3(path: Path) -> None:
    """A catalogue as BrainSeg before schema 4 left it: a version that was promoted, and its run."""
    made = Catalogue(path)
    with made.write() as connection:
        tables.gates.drop(connection)
        for table, names in SCHEMA_4.items():
            for name in names:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        connection.execute(
            text("INSERT INTO model_versions VALUES ('v-1', 'p', 'v', 'base', 'run-1', 1.0)")
        )
        connection.execute(
            text("INSERT INTO promotions VALUES (1, 'promote', 'v-1', 'Ada', 'better', 2.0)")
        )
        connection.execute(
            text(
                "INSERT INTO runs VALUES ('run-1', 'p', 'fine-tune', 'completed', 1, 1.0, 'base',"
                " NULL, '', '', NULL, 1.0, 2.0)"
            )
        )
    made.set("schema_version", "3")
    made.close()


def test_versions_and_promotions_of_schema_3_stay_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    schema_3(file)
    catalogue = Catalogue(file)
    assert catalogue.get("schema_version") == str(tables.SCHEMA_VERSION)
    with catalogue.read() as connection:
        assert inspect(connection).has_table("gates")
        (act,) = read_history(connection, "base")
        note = version_notes(connection)["v-1"]
        (run,) = connection.execute(tables.runs.select()).all()
    catalogue.close()
    assert (act.version, act.before, act.editor, act.reason) == ("v-1", "base", "Ada", "better")
    assert (act.gate_id, act.overrode) == (None, False)
    assert (note.origin, note.run_id, note.deleted) == ("run", "run-1", None)
    assert (run.detached, run.title) == (False, "")


def test_a_migration_that_fails_leaves_the_old_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.sqlite"
    schema_2(file)

    def fail_at_the_end(connection: object) -> None:
        migration.migrate(connection)  # type: ignore[arg-type]
        raise RuntimeError

    monkeypatch.setattr("napari_brainseg.session.catalogue.migrate", fail_at_the_end)
    with pytest.raises(RuntimeError):
        Catalogue(file)
    monkeypatch.undo()
    catalogue = Catalogue(file)
    with catalogue.read() as connection:
        assert len(connection.execute(tables.strokes.select()).all()) == 1
    catalogue.close()


def test_columns_of_any_table_are_added_in_the_words_of_both_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.schema import CreateColumn

    later = MetaData()
    table = Table(
        "settings",
        later,
        Column("key", String(80), primary_key=True),
        Column("value", String(10), nullable=False),
        Column("order", Integer, nullable=False, server_default="7"),
    )
    catalogue = Catalogue(tmp_path / "c.sqlite")
    catalogue.set("a", "1")
    monkeypatch.setattr(tables, "metadata", later)
    with catalogue.write() as connection:
        migration.migrate(connection)
    with catalogue.read() as connection:
        assert connection.execute(text('SELECT "order" FROM settings')).scalars().all()[0] == 7
    catalogue.close()
    postgres = create_mock_engine("postgresql://", lambda *_: None).dialect
    assert str(CreateColumn(table.c.order).compile(dialect=postgres)) == (
        "\"order\" INTEGER DEFAULT '7' NOT NULL"
    )
