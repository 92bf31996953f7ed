"""The files that pydicom is tested with: each opens, or says in our words why not."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import BrainSegError

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
FEWEST = 40
"""Of the files in the wheel so many are grey images that are whole."""


def _outcome(folder: Path) -> str:
    try:
        found = discover(folder)
        if not found.folders:
            assert found.faults
            raise found.faults[0].error
        study = load_study(found.folders[0], workers=1)
    except BrainSegError as error:
        said = error.hint and len(error.message.splitlines()) == 1
        return "refused" if said else str(error)
    assert study.image.data.dtype == np.uint8
    assert study.native
    return "opened"


def test_each_opens_or_says_why(tmp_path: Path) -> None:
    paths = sorted(path for path in FILES.rglob("*") if path.is_file())
    outcomes: Counter[str] = Counter()
    for number, path in enumerate(paths):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        try:
            outcomes[_outcome(folder)] += 1
        except Exception as error:
            raise AssertionError(path.name) from error
        shutil.rmtree(folder)
    assert outcomes["opened"] >= FEWEST
    assert set(outcomes) == {"opened", "refused"}


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_one_image_in_many_syntaxes(tmp_path: Path, name: str) -> None:
    found = []
    for one in ("MR_small.dcm", name):
        if not (FILES / one).is_file():
            pytest.skip(f"pydicom came without {one}")
        folder = tmp_path / one
        folder.mkdir()
        shutil.copy(FILES / one, folder)
        found.append(load_study(folder))
    first, other = found
    (a,), (b,) = first.native.values(), other.native.values()
    np.testing.assert_array_equal(a, b)
    assert first.image.geometry == other.image.geometry
