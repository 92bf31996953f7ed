from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

NiftiWriter = Callable[..., Path]


@pytest.fixture
def write_nii() -> NiftiWriter:
    """Write a volume with nibabel alone, independently of the program's own writer."""

    def write(
        path: Path,
        data: np.ndarray[Any, Any],
        affine: Any = None,
        *,
        kind: Any = nibabel.Nifti1Image,
        edit: Callable[[Any], None] | None = None,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = kind(data, affine, dtype=data.dtype)
        image.header.set_xyzt_units("mm")
        if edit is not None:
            edit(image.header)
        nibabel.save(image, path)
        return path

    return write


@pytest.fixture
def volume() -> np.ndarray[Any, Any]:
    """Upright intensities in which every voxel differs, shape (5, 6, 7)."""
    return np.random.default_rng(4).permutation(5 * 6 * 7).astype(np.int16).reshape(5, 6, 7) - 40
