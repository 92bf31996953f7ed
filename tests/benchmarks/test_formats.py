"""Converting patients against plain copying and reading; opening NIfTI against nibabel alone.

    BRAINSEG_DATA=DIR python -m pytest tests/benchmarks/test_formats.py -s

DIR is a folder of patients in kaggle_3m layout, or holds one named kaggle_3m. What is compared runs
in turns, on the same files: the median of the ratios of pairs hardly feels what else goes on.
DICOM has pages of its own: test_dicom_index.py and test_dicom_reading.py.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from napari_brainseg.core.dataset.convert import convert
from napari_brainseg.core.dataset.convert_back import convert_back
from napari_brainseg.core.formats import discover, load_study

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TURNS = 5
SHAPE = (240, 240, 155)
"""Of BraTS: three modalities of 16 bits and a mask."""
MEMORY = """
import json, sys
from pathlib import Path
from napari_brainseg.core.formats import load_study

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

load_study(sys.argv[1])
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
study = load_study(sys.argv[2])
held = study.image.data.nbytes + study.truth.data.nbytes
held += sum(volume.nbytes for volume in study.native.values())
print(json.dumps([before, status("VmHWM"), held]))
"""
"""Peak of reading one study, over what a small one took."""


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _busy() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _pairs(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[float, float, float]:
    """Median seconds of both, and the median of the ratios of pairs."""
    pairs = [(_seconds(ours), _seconds(plain)) for _ in range(TURNS)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("to", ["kaggle_3m", "nifti", "png"])
def test_converting_slices(data_root: Path, tmp_path: Path, to: str) -> None:
    folders = discover(data_root).folders
    chosen = folders[len(folders) // 2]
    source, there, back = chosen.path, tmp_path / "there", tmp_path / "back"

    def ours() -> None:
        convert(source, there, to, overwrite=True, durable=False)

    def plain() -> None:
        load_study(source)
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(source, tmp_path / "copy")

    ours()
    seconds, copying, ratio = _pairs(ours, plain)
    returning = statistics.median(
        _seconds(lambda: convert_back(there, back, overwrite=True, durable=False))
        for _ in range(TURNS)
    )
    assert np.array_equal(
        load_study(back / chosen.patient).image.data, load_study(source).image.data
    )
    held = sum(p.stat().st_size for p in there.rglob("*") if p.is_file()) / 2**20
    print(
        f"\n{chosen.patient}, {len(chosen.images)} slices, to {to}: {seconds:.2f} s, "
        f"{ratio:.1f} times reading and copying ({copying:.2f} s); back {returning:.2f} s; "
        f"{held:.1f} MB; {_busy()}"
    )


def _study(folder: Path, shape: tuple[int, int, int]) -> Path:
    """Smooth heads with noise, so that they shrink as images do."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    small = rng.random([max(2, n // 8) for n in shape])
    head = ndimage.zoom(small, [n / m for n, m in zip(shape, small.shape, strict=True)], order=1)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    for ending in ("t1", "flair", "t1ce"):
        data = (head * 900 + rng.normal(0, 8, head.shape)).astype(np.int16)
        nibabel.Nifti1Image(data, affine).to_filename(folder / f"{folder.name}_{ending}.nii.gz")
    mask = (head > 0.9).astype(np.uint8)
    nibabel.Nifti1Image(mask, affine).to_filename(folder / f"{folder.name}_seg.nii.gz")
    return folder


@pytest.mark.timeout(1800)
def test_opening_nifti(tmp_path: Path) -> None:
    folder = _study(tmp_path / "P", SHAPE)

    def plain() -> None:
        for path in folder.iterdir():
            np.asarray(nibabel.load(path).dataobj)

    load_study(folder)
    seconds, alone, ratio = _pairs(lambda: load_study(folder), plain)
    print(
        f"\nNIfTI, 3 x {' x '.join(map(str, SHAPE))} of 16 bits and a mask: {seconds:.2f} s, "
        f"{ratio:.2f} times nibabel's reading alone ({alone:.2f} s); {_busy()}"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.timeout(1800)
def test_memory_of_opening_nifti(tmp_path: Path) -> None:
    small, folder = _study(tmp_path / "S", (16, 16, 8)), _study(tmp_path / "P", SHAPE)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, small, folder], capture_output=True, text=True, check=True
    )
    before, peak, held = json.loads(done.stdout)
    print(
        f"\nNIfTI: {(peak - before) / 2**20:.0f} MB at most for a study that holds "
        f"{held / 2**20:.0f} MB: {(peak - before) / held:.2f} times"
    )
    assert peak - before < 3 * held
