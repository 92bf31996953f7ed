"""Damaged NIfTI files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATTERNS = ("{}_t1.nii", "{}_flair.nii", "{}_t1ce.nii.gz", "{}_seg.nii.gz")


def _patient(folder: Path, files: dict[str, bytes], place: int, content: bytes) -> str:
    """Three modalities and a mask; one of them is the mutant. Gives its name."""
    import gzip

    folder.mkdir(exist_ok=True)
    for index, pattern in enumerate(PATTERNS):
        sound = files["mask" if index == 3 else "whole"]
        path = folder / pattern.format(folder.name)
        path.write_bytes(gzip.compress(sound) if path.suffix == ".gz" else sound)
    path = folder / PATTERNS[place].format(folder.name)
    path.write_bytes(content)
    return path.name


def _mutants(helper, tmp_path: Path, seeds: range) -> Iterator:
    nifti, mutants = helper("nifti_mutants"), helper("mutants")
    files = nifti.sound_files()
    kinds = sorted(files)
    for seed in seeds:
        kind = kinds[seed % len(kinds)]
        rng = random.Random(f"place {seed}")
        place = 3 if kind == "mask" else rng.randrange(3)
        content = mutants.mutant(files[kind], seed, nifti.DAMAGE, 0.7)
        if PATTERNS[place].endswith(".gz"):
            content = nifti.packed(content, rng)
        folder = tmp_path / "M"
        name = _patient(folder, files, place, content)
        # One file alone, and among the others of its patient.
        path = folder / name if seed % 3 == 0 else folder
        yield (kind, seed), path, (name, "M_", str(folder))


def _check(helper, survives, tmp_path: Path, seeds: range) -> None:
    files = helper("nifti_mutants").sound_files()
    _patient(tmp_path / "W", files, 0, files["second"])
    opened, refused = survives([tmp_path / "W"], _mutants(helper, tmp_path, seeds))
    assert opened, "damage to a voxel is no reason to refuse"
    assert refused


def test_damaged_volumes_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26))


@pytest.mark.slow
def test_many_damaged_volumes_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26, 1226))


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(helper, survives, tmp_path) -> None:
    files = helper("nifti_mutants").sound_files()
    _patient(tmp_path / "W", files, 0, files["whole"])
    bomb = tmp_path / "bomb_flair.nii.gz"
    bomb.write_bytes(helper("nifti_mutants").bomb(3 * 2**30))
    assert bomb.stat().st_size < 2**25
    opened, refused = survives([tmp_path / "W"], iter([("bomb", bomb, (bomb.name,))]))
    assert (opened, refused) == (0, 1)
