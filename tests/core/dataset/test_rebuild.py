from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.dataset.layout import recover, remove_patient, write_patient
from napari_brainseg.core.dataset.manifest import (
    MANIFEST_NAME,
    ManifestEntry,
    append_entry,
    read_manifest,
)
from napari_brainseg.core.dataset.rebuild import entries_at, rebuild, verify
from napari_brainseg.core.dataset.versions import keep_images, keep_mask, load_mask
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (3, 8, 8)
A, B = "A_20010101", "B_20010101"


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (3, *SHAPE), dtype=np.uint8)


def mask(voxels: int) -> np.ndarray:
    made = np.zeros(SHAPE, np.uint8)
    made.reshape(-1)[:voxels] = 1
    return made


def source(tmp_path: Path, patient: str, seed: int) -> Path:
    return write_patient(
        tmp_path / "source", patient, image(seed), mask(9), [1, 2, 5], durable=False, overwrite=True
    )


def export(
    training_set: Path,
    tmp_path: Path,
    patient: str,
    voxels: int,
    *,
    seed: int = 1,
    keep: bool = True,
) -> ManifestEntry:
    """What `export_case` leaves behind."""
    made = mask(voxels)
    if keep:
        keep_mask(training_set, made)
    write_patient(
        training_set, patient, image(seed), made, [1, 2, 5], overwrite=True, durable=False
    )
    entry = ManifestEntry(
        patient=patient,
        source=tmp_path / "source" / patient,
        editor="Ada",
        base_model=None,
        correction_base="empty",
        image_sha256=sha256_of_arrays(image(seed)),
        mask_sha256=sha256_of_arrays(made),
        voxels_added=voxels,
        voxels_removed=0,
        strokes=1,
        seconds=1.0,
    )
    append_entry(training_set, entry)
    return entry


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """Line 1: A. Line 2: B. Line 3: A with another mask."""
    made = tmp_path / "training_set"
    for patient in (A, B):
        source(tmp_path, patient, 1)
    export(made, tmp_path, A, 3)
    export(made, tmp_path, B, 4)
    export(made, tmp_path, A, 7)
    return made


def found(folder: Path) -> dict[str, int]:
    """Patients with the voxels of their masks; the images are those that were exported."""
    counts = {}
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."):
        study = load_study(path)
        assert study.truth is not None
        np.testing.assert_array_equal(study.image.data, image(1))
        assert study.slice_numbers == (1, 2, 5)
        counts[path.name] = study.truth.voxels
    return counts


@pytest.mark.parametrize(
    ("at", "expected"), [(1, {A: 3}), (2, {A: 3, B: 4}), (3, {A: 7, B: 4}), (None, {A: 7, B: 4})]
)
def test_every_past_state_can_be_made_again(
    training_set: Path, tmp_path: Path, at: int | None, expected: dict[str, int]
) -> None:
    steps: list[tuple[int, int]] = []
    target = tmp_path / "again"
    assert rebuild(training_set, target, at, progress=lambda *n: steps.append(n)) == tuple(expected)
    assert found(target) == expected
    lines = (training_set / MANIFEST_NAME).read_bytes().splitlines()
    assert (target / MANIFEST_NAME).read_bytes().splitlines() == lines[:at]
    assert steps[-1] == (len(expected), len(expected))


def test_a_state_is_named_by_its_time_too(training_set: Path, tmp_path: Path) -> None:
    _, second, third = read_manifest(training_set)
    assert found_at(training_set, tmp_path, second.created) == {A: 3, B: 4}
    assert list(entries_at(training_set, third.created)) == [A, B]
    assert entries_at(training_set, datetime(2001, 1, 1, tzinfo=UTC)) == {}


def found_at(training_set: Path, tmp_path: Path, at: datetime) -> dict[str, int]:
    rebuild(training_set, tmp_path / "at", at)
    return found(tmp_path / "at")


def test_a_withdrawn_patient_is_in_no_later_state(training_set: Path, tmp_path: Path) -> None:
    last = read_manifest(training_set)[-1]
    append_entry(training_set, last.model_copy(update={"withdrawn": True}))
    keep_images(training_set, A, last.image_sha256)
    remove_patient(training_set, A)
    shutil.rmtree(tmp_path / "source")
    rebuild(training_set, tmp_path / "now")
    assert found(tmp_path / "now") == {B: 4}
    rebuild(training_set, tmp_path / "before", 3)
    assert found(tmp_path / "before") == {A: 7, B: 4}
    assert verify(training_set) == ()


def test_images_come_from_the_source_where_the_export_holds_others(
    training_set: Path, tmp_path: Path
) -> None:
    export(training_set, tmp_path, A, 5, seed=2)
    rebuild(training_set, tmp_path / "before", 3)
    assert found(tmp_path / "before") == {A: 7, B: 4}
    # Once the source is another one as well, they are nowhere.
    source(tmp_path, A, 2)
    with pytest.raises(DataError, match=f"images [0-9a-f]{{12}} of {A} are missing"):
        rebuild(training_set, tmp_path / "again", 3)
    assert not (tmp_path / "again").exists()


def test_what_is_missing_is_named_and_nothing_is_written(
    training_set: Path, tmp_path: Path
) -> None:
    first = read_manifest(training_set)[0]
    damaged = training_set / ".versions" / "masks" / f"{first.mask_sha256}.npz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    with pytest.raises(DataError, match=f"mask {first.mask_sha256[:12]} of {A} is missing") as told:
        rebuild(training_set, tmp_path / "again", 1)
    assert told.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "training_set"]
    (problem,) = verify(training_set)
    assert (problem.line, problem.patient) == (1, A)
    # The damaged one is not taken for kept: it is written anew.
    keep_mask(training_set, mask(3))
    assert verify(training_set) == ()


def test_a_mask_from_before_versions_were_kept_is_taken_from_the_export(tmp_path: Path) -> None:
    old = tmp_path / "old"
    source(tmp_path, A, 1)
    export(old, tmp_path, A, 3, keep=False)
    rebuild(old, tmp_path / "again")
    assert found(tmp_path / "again") == {A: 3}


def test_a_kept_mask_that_was_changed_is_refused(training_set: Path) -> None:
    first, second, _ = read_manifest(training_set)
    masks = training_set / ".versions" / "masks"
    shutil.copy(masks / f"{second.mask_sha256}.npz", masks / f"{first.mask_sha256}.npz")
    with pytest.raises(DataError, match="was changed"):
        load_mask(training_set, first.mask_sha256)


def test_files_that_are_not_what_the_manifest_says_are_told(
    training_set: Path, tmp_path: Path
) -> None:
    write_patient(training_set, A, image(3), mask(1), [1, 2, 5], overwrite=True, durable=False)
    remove_patient(training_set, B)
    told = {(p.line, p.patient, p.message.split(str(tmp_path))[0]) for p in verify(training_set)}
    assert told == {
        (3, A, "The images in "),
        (3, A, "The masks in "),
        (2, B, "The folder "),
    }


def replaced(training_set: Path, voxels: int) -> None:
    """Cut off when another export stands already, before the one before was removed."""
    (training_set / A).replace(training_set / f".{A}.old-0123abcd")
    write_patient(training_set / "elsewhere", A, image(1), mask(voxels), [1, 2, 5], durable=False)
    (training_set / "elsewhere" / A).replace(training_set / A)
    (training_set / "elsewhere").rmdir()


def test_an_export_that_was_cut_off_before_its_line_is_undone(training_set: Path) -> None:
    replaced(training_set, 8)
    recover(training_set)
    assert found_in(training_set) == {A: 7, B: 4}
    assert verify(training_set) == ()


def test_an_export_that_was_cut_off_after_its_line_stands(training_set: Path) -> None:
    replaced(training_set, 8)
    keep_mask(training_set, mask(8))
    line = read_manifest(training_set)[-1]
    digest = sha256_of_arrays(mask(8))
    append_entry(training_set, line.model_copy(update={"mask_sha256": digest}))
    recover(training_set)
    assert found_in(training_set) == {A: 8, B: 4}
    assert verify(training_set) == ()


def found_in(training_set: Path) -> dict[str, int]:
    left = [p.name for p in training_set.iterdir() if p.name.startswith(f".{A}")]
    assert left == []
    return found(training_set)


@pytest.mark.parametrize("at", [0, 4, -1])
def test_lines_that_are_not_there(training_set: Path, tmp_path: Path, at: int) -> None:
    with pytest.raises(DataError, match=f"has 3 lines, not {at}"):
        rebuild(training_set, tmp_path / "again", at)


def test_the_target_is_never_written_over(training_set: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    rebuild(training_set, taken, 1)
    for place in (taken, training_set, training_set / A / "inside"):
        with pytest.raises(DataError, match=r"there already|inside"):
            rebuild(training_set, place, 1)
    with pytest.raises(DataError, match="no training set"):
        rebuild(tmp_path / "source", tmp_path / "again")


def test_a_target_that_cannot_be_written(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_brainseg.core.dataset.layout._write_tiff", full)
    with pytest.raises(DataError, match="No space left"):
        rebuild(training_set, tmp_path / "again")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "training_set"]
