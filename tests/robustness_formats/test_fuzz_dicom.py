"""Damaged DICOM files: single and multi-frame, compressed too."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINGLE = ("plain", "implicit", "deflated")
COMPRESSED = ("rle", "jpeg2000", "jpegls")
SEGMENTED = ("segmented",)
ENHANCED = ("enhanced", "enhanced jpeg2000", "enhanced rle")


@pytest.fixture(scope="module")
def studies(tmp_path_factory, helper) -> dict[str, Path]:
    """A sound study of each kind."""
    root = tmp_path_factory.mktemp("dicom")
    write = helper("dicom_mutants").write_study
    return {
        kind: write(root / kind, kind) for kind in (*SINGLE, *SEGMENTED, *COMPRESSED, *ENHANCED)
    }


def _mutants(helper, tmp_path: Path, studies, kinds: tuple[str, ...], seeds: range) -> Iterator:
    dicom, mutants = helper("dicom_mutants"), helper("mutants")
    for seed in seeds:
        kind = kinds[seed % len(kinds)]
        sound = studies[kind]
        masks = [p for p in sound.rglob("*") if p.name == "seg.dcm"]
        pick = masks or [p for p in sound.rglob("*") if p.is_file()]
        files = sorted(p.relative_to(sound) for p in pick)
        rng = random.Random(f"place {seed}")
        # Deep enough that the search around a single file stays in here.
        folder = tmp_path.joinpath(*"abcdefgh", "study")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        file = folder / rng.choice(files)
        file.write_bytes(mutants.mutant(file.read_bytes(), seed, dicom.DAMAGE, 0.7))
        # One file alone, and in its study.
        path = file if seed % 5 == 0 else folder
        yield (kind, seed), path, (file.name, str(file.parent), str(folder))


def _check(helper, survives, tmp_path: Path, studies, kinds: tuple[str, ...], seeds: range):
    opened, refused = survives(
        [studies[kind] for kind in kinds], _mutants(helper, tmp_path, studies, kinds, seeds)
    )
    assert opened, "a damaged slice is no reason to refuse the others"
    assert refused


def test_damaged_slices_open_or_are_refused(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, SINGLE, range(25))


def test_damaged_compressed_slices(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, COMPRESSED, range(15))


def test_damaged_multi_frame_files(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, ENHANCED, range(15))


def test_damaged_segmentations(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, SEGMENTED, range(15))


@pytest.mark.slow
def test_many_damaged_segmentations(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, SEGMENTED, range(15, 515))


@pytest.mark.slow
def test_many_damaged_slices(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, SINGLE, range(25, 725))


@pytest.mark.slow
def test_many_damaged_compressed_slices(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, COMPRESSED, range(15, 615))


@pytest.mark.slow
def test_many_damaged_multi_frame_files(helper, survives, tmp_path, studies) -> None:
    _check(helper, survives, tmp_path, studies, ENHANCED, range(15, 615))
