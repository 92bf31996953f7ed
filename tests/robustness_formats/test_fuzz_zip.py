"""Damaged zip archives."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _sound(helper, tmp_path: Path) -> list[bytes]:
    """Archives of slices, volumes and DICOM files, packed and stored."""
    zips = helper("zip_mutants").archive
    tiff, nifti = helper("tiff_mutants").sound_files(), helper("nifti_mutants").sound_files()
    slices = {f"A/A_{n}.tif": tiff["plain"] for n in (1, 2)}
    volumes = {"B/B_flair.nii": nifti["whole"], "B/B_t1.nii": nifti["scaled"]}
    study = helper("dicom_mutants").write_study(tmp_path / "study", "plain")
    files = {p.relative_to(study).as_posix(): p.read_bytes() for p in study.rglob("*.dcm")}
    return [
        zips(slices),
        zips(slices, zipfile.ZIP_STORED),
        zips(volumes, zipfile.ZIP_BZIP2),
        zips(volumes, zipfile.ZIP_LZMA),
        zips({**files, "notes/read me.txt": b"hello"}),
        zips({"köpf/Ä_1.tif": tiff["plain"], "köpf/Ä_2.tif": tiff["plain"]}),
    ]


def _mutants(helper, tmp_path: Path, sound: list[bytes], seeds: range) -> Iterator:
    zips, mutants = helper("zip_mutants"), helper("mutants")
    for seed in seeds:
        content = mutants.mutant(sound[seed % len(sound)], seed, zips.DAMAGE, 0.7)
        path = tmp_path / f"mutant{seed}.zip"
        path.write_bytes(content)
        # What is wrong with a file of an archive names that file, below a folder like the archive.
        yield seed, path, (path.name, path.stem)
        path.unlink()


def _check(helper, survives, tmp_path: Path, seeds: range) -> None:
    sound = _sound(helper, tmp_path)
    warm = []
    for index, content in enumerate(sound):
        warm.append(tmp_path / f"warm{index}.zip")
        warm[-1].write_bytes(content)
    opened, refused = survives(warm, _mutants(helper, tmp_path, sound, seeds))
    assert opened
    assert refused
    assert not list(tmp_path.rglob("*evil*"))


def test_damaged_archives_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26))


@pytest.mark.slow
def test_many_damaged_archives_open_or_are_refused(helper, survives, tmp_path: Path) -> None:
    _check(helper, survives, tmp_path, range(26, 626))
