from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

SliceWriter = Callable[..., Path]


def _image(number: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 200, (*shape, 3), np.uint8)


def _mask(number: int, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[2 : 2 + number % 4, 3:6] = 255
    return mask


@pytest.fixture
def write_slices() -> SliceWriter:
    """Write a kaggle_3m patient with tifffile alone, independently of the program's own writer."""

    def write(
        folder: Path,
        numbers: range | list[int] = range(1, 6),
        *,
        patient: str | None = None,
        masks: bool = True,
        shape: tuple[int, int] = (12, 10),
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        name = patient or folder.name
        for n in numbers:
            tifffile.imwrite(folder / f"{name}_{n}.tif", _image(n, shape), photometric="rgb")
            if masks:
                tifffile.imwrite(
                    folder / f"{name}_{n}_mask.tif", _mask(n, shape), photometric="minisblack"
                )
        return folder

    return write


@pytest.fixture(scope="session")
def real_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real patients with ``data.csv``, original bytes."""
    default = Path(__file__).parents[4] / "shared" / "data"
    archive = Path(os.environ.get("BRAINSEG_DATA", default)) / "kaggle_3m_sample.zip"
    if not archive.is_file():
        pytest.skip(f"no real patients: {archive} is missing; set BRAINSEG_DATA")
    root = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(archive) as file:
        file.extractall(root)
    return root
