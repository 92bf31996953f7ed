"""Masks of an evaluation come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.mask_archive import MaskArchive, save_masks

if TYPE_CHECKING:
    from pathlib import Path


def test_masks_of_odd_sizes_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    masks = {
        "TCGA_CS_4944_20010208": (rng.random((3, 7, 5)) > 0.5).astype(np.uint8),
        "empty": np.zeros((2, 3, 3), np.uint8),
    }
    save_masks(tmp_path / "masks.npz", masks)
    archive = MaskArchive(tmp_path / "masks.npz")

    assert archive.patients == ("TCGA_CS_4944_20010208", "empty")
    for name, mask in masks.items():
        assert archive.load(name).dtype == np.uint8
        assert np.array_equal(archive.load(name), mask)


def test_values_other_than_one_are_lesion(tmp_path: Path) -> None:
    save_masks(tmp_path / "masks.npz", {"a": np.array([[[0, 255]]])})

    assert MaskArchive(tmp_path / "masks.npz").load("a").tolist() == [[[0, 1]]]


def test_unknown_patient_missing_and_damaged_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    with pytest.raises(DataError, match="cannot be read"):
        MaskArchive(path)
    save_masks(path, {"a": np.ones((1, 2, 2))})
    assert "a" in MaskArchive(path)
    with pytest.raises(DataError, match="no mask of b"):
        MaskArchive(path).load("b")
    archive, content = MaskArchive(path), path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        archive.load("a")
