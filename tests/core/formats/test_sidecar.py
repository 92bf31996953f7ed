"""Spacing and orientation beside the slices of a kaggle_3m folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.sidecar import GEOMETRY_FILE
from napari_brainseg.core.imaging import Geometry

if TYPE_CHECKING:
    from pathlib import Path

AFFINE = ((0.0, 0.0, 0.5, -60.0), (0.0, 0.75, 0.0, -40.0), (5.0, 0.0, 0.0, 12.0), (0, 0, 0, 1.0))
GEOMETRY = Geometry.from_affine(AFFINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image = np.random.default_rng(0).integers(0, 255, (3, 4, 8, 8), dtype=np.uint8)
    mask = np.zeros((4, 8, 8), np.uint8)
    return write_patient(
        tmp_path, "P_1", image, mask, (1, 2, 3, 4), durable=False, geometry=GEOMETRY
    )


def test_spacing_and_orientation_come_back(folder: Path) -> None:
    study = load_study(folder)

    assert study.image.geometry == GEOMETRY
    assert study.truth is not None
    assert study.truth.geometry == GEOMETRY
    assert not study.warnings
    assert folder / GEOMETRY_FILE in discover(folder).folders[0].files


def test_nothing_is_written_where_nothing_is_known(tmp_path: Path) -> None:
    image = np.zeros((3, 1, 8, 8), np.uint8)
    image[0] = 1

    folder = write_patient(tmp_path, "P_1", image, None, (1,), durable=False, geometry=Geometry())

    assert not (folder / GEOMETRY_FILE).exists()
    assert load_study(folder).image.geometry == Geometry()


def test_a_folder_that_lost_a_slice_has_no_spacing_any_more(folder: Path) -> None:
    (folder / "P_1_4.tif").unlink()
    (folder / "P_1_4_mask.tif").unlink()

    study = load_study(folder)

    assert study.image.geometry == Geometry()
    assert any("volume of [4, 8, 8]" in warning for warning in study.warnings)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", json.dumps({"shape": [4, 8, 8], "spacing_mm": [0, 1, 1]}),
     json.dumps({"shape": [4, 8, 8], "spacing_mm": ["x", 1, 1]}),
     json.dumps({"shape": [4, 8, 8], "spacing_mm": [1, 1]}),
     '{"shape": [4, 8, 8], "spacing_mm": [NaN, 1, 1]}'],
)  # fmt: skip
def test_a_damaged_file_costs_the_spacing_not_the_patient(folder: Path, text: str) -> None:
    (folder / GEOMETRY_FILE).write_text(text)

    study = load_study(folder)

    assert study.image.geometry == Geometry()
    assert any(GEOMETRY_FILE in warning for warning in study.warnings)
