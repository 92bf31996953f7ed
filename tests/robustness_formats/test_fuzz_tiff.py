"""Damaged slices of kaggle_3m."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _patient(folder: Path, files: dict[str, bytes], kind: str, content: bytes) -> Path:
    """Two slices with masks; the file of the second one is the mutant."""
    folder.mkdir(exist_ok=True)
    for number in (1, 2):
        (folder / f"{folder.name}_{number}.tif").write_bytes(files["plain"])
        (folder / f"{folder.name}_{number}_mask.tif").write_bytes(files["mask"])
    name = f"{folder.name}_2{'_mask' if kind == 'mask' else ''}.tif"
    (folder / name).write_bytes(content)
    return folder


def _mutants(helper, tmp_path: Path, seeds: range) -> Iterator:
    tiff, mutants = helper("tiff_mutants"), helper("mutants")
    files = tiff.sound_files()
    kinds = sorted(files)
    for seed in seeds:
        kind = kinds[seed % len(kinds)]
        content = mutants.mutant(files[kind], seed, tiff.DAMAGE)
        folder = _patient(tmp_path / "M", files, kind, content)
        # Slices of another size are told of by the one that came first.
        yield (kind, seed), folder, ("M_2.tif", "M_2_mask.tif", "M_1.tif")


def _check(helper, survives, tmp_path: Path, seeds: range) -> None:
    files = helper("tiff_mutants").sound_files()
    warm = _patient(tmp_path / "W", files, "plain", files["plain"])
    opened, refused = survives([warm], _mutants(helper, tmp_path, seeds))
    assert opened, "damage to a pixel is no reason to refuse"
    assert refused


def test_damaged_slices_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26))


@pytest.mark.slow
def test_many_damaged_slices_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26, 1026))
