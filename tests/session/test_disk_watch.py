from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.session.case import Case
from napari_brainseg.session.disk_watch import (
    SourceFiles,
    SourceWatch,
    changed_exports,
    changed_sources,
)
from napari_brainseg.session.pixel_facts import fingerprint
from napari_brainseg.session.training_set import export_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

PATIENT = "TEST_AB_0001_20200101"


@pytest.fixture
def study(make_root: Callable[..., Path]) -> Study:
    return load_study(make_root(PATIENT) / PATIENT)


def named(study: Study, ending: str) -> Path:
    assert study.path is not None
    return study.path / f"{PATIENT}{ending}"


def repaint(path: Path) -> None:
    """Another program saves other pixels in a file of the same size and time."""
    stat = path.stat()
    pixels = tifffile.imread(path)
    pixels[0, 0] = 255 - pixels[0, 0]
    tifffile.imwrite(path, pixels)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_untouched_files_are_as_they_were(study: Study) -> None:
    assert SourceFiles(study).look() is None


def test_a_changed_mask_is_noticed_and_named(study: Study) -> None:
    files = SourceFiles(study)
    assert files.look() is None
    mask = named(study, "_2_mask.tif")
    repaint(mask)
    os.utime(mask, (1_700_000_000, 1_700_000_000))
    change = files.look()
    assert change is not None
    assert change.paths == (mask,)
    assert change.since == pytest.approx(1_700_000_000)
    assert not change.images
    assert "1 file of TEST_AB_0001_20200101" in change.error.message
    assert mask.name in change.error.message
    assert "your correction stays" in change.error.hint


def test_a_changed_image_says_that_the_correction_belongs_to_the_other(study: Study) -> None:
    files = SourceFiles(study)
    for number in range(1, 6):
        repaint(named(study, f"_{number}.tif"))
    change = files.look()
    assert change is not None
    assert change.images
    assert "5 files" in change.error.message
    assert "and 2 more" in change.error.message
    assert "it stays saved" in change.error.hint


def test_a_file_saved_anew_with_the_same_pixels_is_no_change(study: Study) -> None:
    files = SourceFiles(study)
    assert files.look() is None
    image = named(study, "_1.tif")
    tifffile.imwrite(image, tifffile.imread(image), compression="deflate")
    assert files.look() is None


def test_added_removed_and_broken_files_are_changes(study: Study) -> None:
    files = SourceFiles(study)
    removed, broken, added = (named(study, f"_{n}.tif") for n in (1, 2, 99))
    removed.unlink()
    broken.write_bytes(b"no picture")
    shutil.copy(named(study, "_3.tif"), added)
    change = files.look()
    assert change is not None
    assert set(change.paths) == {removed, broken, added}


def test_pixels_are_hashed_again_where_a_file_hides_that_it_changed(
    study: Study, catalogue: Catalogue
) -> None:
    image = named(study, "_4.tif")
    tifffile.imwrite(image, tifffile.imread(image))  # not compressed: its size stays
    case = Case(study, catalogue)
    case.sources = SourceFiles(study)
    assert changed_sources(case) == ()
    repaint(image)
    assert case.sources.look() is None
    assert changed_sources(case) == (image,)


def test_files_that_have_the_fingerprint_of_when_they_were_read_are_not_read_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study.path is not None
    known = fingerprint(discover(study.path).folders[0])
    files = SourceFiles(study, fingerprint=known)
    monkeypatch.setattr(SourceFiles, "_holds_the_same", lambda _self, path: pytest.fail(str(path)))
    assert files.look() is None


def test_a_folder_that_is_gone_is_not_a_change(study: Study) -> None:
    assert study.path is not None
    files = SourceFiles(study)
    study.path.rename(study.path.with_name("unplugged"))
    assert files.look() is None
    assert files.look(all_of_them=True) is None


def test_the_watch_tells_once_and_again_when_all_is_as_it_was(
    study: Study, until: Callable[..., None]
) -> None:
    told: list[object] = []
    mask = named(study, "_2_mask.tif")
    original, painted = mask.with_suffix(".before"), mask.with_suffix(".after")
    for copy in (original, painted):
        shutil.copy(mask, copy)
    repaint(painted)
    watch = SourceWatch(SourceFiles(study), told.append, every_s=0.02)
    try:
        # In one step each: a file that is half written would be told of, too.
        painted.replace(mask)
        until(lambda: len(told) == 1)
        original.replace(mask)
        until(lambda: len(told) == 2)
    finally:
        watch.close()
    assert told[1] is None
    assert "brainseg-files" not in {thread.name for thread in threading.enumerate()}


def test_an_exported_mask_that_was_changed_is_noticed_by_its_hash(
    study: Study, catalogue: Catalogue, workspace: Workspace
) -> None:
    case = Case(study, catalogue)
    correction = case.start_correction("truth", "Ada")
    correction.data[1, 5:9, 5:9] = 1
    export_case(case, workspace.training_set, editor="Ada")
    case.close()
    assert changed_exports(workspace.training_set) == ()
    mask = workspace.training_set / PATIENT / f"{PATIENT}_2_mask.tif"
    stat = mask.stat()
    pixels = tifffile.imread(mask)
    pixels[20, 20] = 255
    tifffile.imwrite(mask, pixels)
    os.utime(mask, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert changed_exports(workspace.training_set) == (PATIENT,)
    mask.unlink()
    assert changed_exports(workspace.training_set) == (PATIENT,)
    shutil.rmtree(workspace.training_set / PATIENT)
    assert changed_exports(workspace.training_set) == ()


def test_a_study_of_no_folder_has_nothing_to_watch(make_study: Callable[..., Study]) -> None:
    assert SourceFiles(make_study()).look(all_of_them=True) is None


def test_the_open_case_hears_of_it(study: Study, catalogue: Catalogue) -> None:
    case = Case(study, catalogue)
    heard: list[object] = []
    case.sources_changed.connect(heard.append)
    files = SourceFiles(study)
    repaint(named(study, "_2_mask.tif"))
    case.note_sources(files.look())
    assert case.source_change is not None
    assert heard == [case.source_change]
    assert np.isclose(case.source_change.since or 0, time.time(), atol=3600)
