from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.session import backups as module
from napari_brainseg.session.backup_keeper import BackupKeeper
from napari_brainseg.session.backups import backup_folder, backups, make_backup, read_schema
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.shelf import Shelf
from napari_brainseg.session.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.session.workspace import Workspace


def setting(path: Path, key: str) -> str | None:
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    row = database.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    database.close()
    return None if row is None else row[0]


def test_a_backup_holds_what_was_written_and_tells_its_schema(
    catalogue: Catalogue, workspace: Workspace
) -> None:
    catalogue.editor = "Ada"
    backup = make_backup(workspace.catalogue)
    assert backup is not None
    assert backup.path.parent == workspace.backups
    assert f"schema{SCHEMA_VERSION}" in backup.path.name
    assert backups(workspace.backups) == (backup,)
    assert read_schema(backup.path) == SCHEMA_VERSION
    assert setting(backup.path, "editor") == "Ada"
    assert [path.name for path in workspace.backups.iterdir()] == [backup.path.name]


def test_the_same_is_not_kept_twice(catalogue: Catalogue, workspace: Workspace) -> None:
    assert make_backup(workspace.catalogue) is not None
    assert make_backup(workspace.catalogue) is None
    catalogue.editor = "Ada"
    assert make_backup(workspace.catalogue) is not None
    assert len(backups(workspace.backups)) == 2


def test_a_backup_is_one_moment_although_strokes_go_on(
    catalogue: Catalogue, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.set("filler", "x" * 3_000_000)
    catalogue.set("count", "0")
    monkeypatch.setattr(module, "_PAGES", 8)
    steps = []

    def write_meanwhile() -> bool:
        steps.append(1)
        catalogue.set("count", str(len(steps)))
        return False

    backup = make_backup(workspace.catalogue, stopped=write_meanwhile)
    assert len(steps) > 20
    assert backup is not None
    assert setting(backup.path, "count") == "0"
    assert catalogue.get("count") == str(len(steps))


def test_a_stopped_backup_leaves_nothing(catalogue: Catalogue, workspace: Workspace) -> None:
    catalogue.editor = "Ada"
    with pytest.raises(CancelledError):
        make_backup(workspace.catalogue, stopped=lambda: True)
    assert list(workspace.backups.iterdir()) == []


def test_a_damaged_catalogue_is_not_backed_up(catalogue: Catalogue, workspace: Workspace) -> None:
    catalogue.set("filler", "x" * 300_000)
    catalogue.close()
    good = make_backup(workspace.catalogue)
    with workspace.catalogue.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 4096 * 12)
    with pytest.raises(DataError, match="No backup"):
        make_backup(workspace.catalogue)
    assert backups(workspace.backups) == (good,)


def test_the_last_space_is_left_to_the_strokes(
    catalogue: Catalogue, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SPARE", 1 << 60)
    with pytest.raises(DataError, match="MB are free"):
        make_backup(workspace.catalogue)


def test_the_newest_one_a_day_and_one_of_each_schema_are_kept(
    catalogue: Catalogue, workspace: Workspace
) -> None:
    folder = backup_folder(workspace.catalogue)
    folder.mkdir()
    # At noon, so that no time zone moves a copy to another day.
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for day in range(1, 12):
        for minute in range(3):
            moment = noon - timedelta(days=day, minutes=minute)
            name = f"catalogue-schema{SCHEMA_VERSION}-{moment:%Y%m%dT%H%M%S}.000Z.sqlite"
            (folder / name).touch()
    old = noon - timedelta(days=300)
    (folder / f"catalogue-schema2-{old:%Y%m%dT%H%M%S}.000Z.sqlite").touch()
    (folder / f"catalogue-schema2-{old:%Y%m%dT%H%M%S}.001Z.sqlite").touch()
    (folder / "notes of a colleague.txt").touch()
    killed, running = folder / ".catalogue-1.part", folder / ".catalogue-2.part"
    killed.touch()
    running.touch()
    os.utime(killed, (1, 1))
    assert make_backup(workspace.catalogue) is not None
    kept = backups(folder)
    newer = [b for b in kept if b.schema == SCHEMA_VERSION]
    days = {datetime.fromtimestamp(b.made, UTC).date() for b in newer}
    assert len(days) == 7
    assert len(newer) == 5 + 4  # today's, all of yesterday and one before; one of four days
    assert [b.path.name[-9:] for b in kept if b.schema == 2] == ["1Z.sqlite"]
    assert (folder / "notes of a colleague.txt").exists()
    assert running.exists()
    assert not killed.exists()


def test_the_keeper_backs_up_at_the_start_and_when_asked_but_only_what_changed(
    catalogue: Catalogue, workspace: Workspace, until: Callable[..., None]
) -> None:
    keeper = BackupKeeper(catalogue)
    try:
        keeper.back_up()
        until(lambda: keeper.last is not None)
        first = keeper.last
        catalogue.editor = "Ada"
        keeper.back_up()
        until(lambda: keeper.last != first)
    finally:
        keeper.close()
    assert "brainseg-backup" not in {thread.name for thread in threading.enumerate()}
    assert len(backups(workspace.backups)) == 2


def test_the_shelf_backs_its_catalogue_up_and_ends_the_thread(
    workspace: Workspace, until: Callable[..., None]
) -> None:
    shelf = Shelf(workspace)
    try:
        assert shelf.catalogue.editor is None
        until(lambda: backups(workspace.backups))
        shelf.catalogue.editor = "Ada"
        shelf.back_up()
        until(lambda: len(backups(workspace.backups)) == 2)
    finally:
        shelf.close()
    assert "brainseg-backup" not in {thread.name for thread in threading.enumerate()}


def test_a_catalogue_of_an_earlier_schema_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    old = Catalogue(file)
    old.editor = "Ada"
    old.set("schema_version", "2")
    old.close()
    Catalogue(file).close()
    (backup,) = backups(backup_folder(file))
    assert backup.schema == 2
    assert setting(backup.path, "editor") == "Ada"
