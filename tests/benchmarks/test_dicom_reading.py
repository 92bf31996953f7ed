"""How long a DICOM study takes to open, and how much memory: three series of sixty slices.

python -m pytest tests/benchmarks/test_dicom_reading.py -s
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomSeries, write_dicom_phantom
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import KAGGLE_ORDER

SLICES = 60
ROUNDS = 5
"""The best round counts: other work of the machine is not ours."""
LIMIT_S = 2.0
MOST_VOLUMES = 3.0
ANGLES = {
    "one grid": [(5, 0, 0)] * 3,
    "own spacings": [(5, 0, 0)] * 3,
    "own angles": [(3, 0, 0), (5, 0, 0), (5, 2, 0)],
}
SIZES = {"one grid": (1.0, 1.0, 1.0)}
_CHILD = """
import json, sys
from pathlib import Path
from napari_brainseg.core.formats import discover, load_study
def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
load_study(discover(Path(sys.argv[1])).folders[0])
before = peak()
study = load_study(discover(Path(sys.argv[2])).folders[0])
volume = sum(native.nbytes for native in study.native.values())
print(json.dumps({"peak": peak() - before, "volume": volume}))
"""


@pytest.fixture(scope="module", params=[256, 512])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same phantom thrice: on one grid, on grids of one angle, on grids of three."""
    folder = tmp_path_factory.mktemp(f"dicom{request.param}")
    study = phantom_study(1, slices=20, size=128, missing=())
    pixel = 240 / request.param
    for kind, angles in ANGLES.items():
        series = [
            PhantomSeries(
                modality,
                (2.4 * scale, pixel * scale, pixel * scale),
                shape=(SLICES, request.param, request.param),
                oblique_deg=angle,
            )
            for modality, angle, scale in zip(
                KAGGLE_ORDER, angles, SIZES.get(kind, (0.95, 1.0, 1.1)), strict=True
            )
        ]
        write_dicom_phantom(folder / kind, study, series=series)
    return folder


@pytest.mark.parametrize("kind", list(ANGLES))
def test_three_series_open_in_two_seconds(root: Path, tmp_path: Path, kind: str) -> None:
    finding, loading, bare = [], [], []
    for number in range(ROUNDS):
        # Headers are remembered by path: a copy is a study never seen before.
        copy = shutil.copytree(root / kind, tmp_path / str(number))
        start = time.perf_counter()
        (folder,) = discover(copy).folders
        found = time.perf_counter()
        study = load_study(folder)
        loaded = time.perf_counter()
        for path in folder.images:
            assert pydicom.dcmread(path).pixel_array.size
        finding.append(found - start)
        loading.append(loaded - found)
        bare.append(time.perf_counter() - loaded)
        shutil.rmtree(copy)
    total = [a + b for a, b in zip(finding, loading, strict=True)]
    ratio = sorted(t / b for t, b in zip(total, bare, strict=True))[ROUNDS // 2]
    print(
        f"\n3 x {SLICES} slices of {study.image.grid_shape[1]}, {kind}: found in "
        f"{min(finding):.2f} s, loaded in {min(loading):.2f} s, both {min(total):.2f} s; "
        f"pydicom alone {min(bare):.2f} s, {ratio:.1f} times as long (median of pairs)"
    )
    assert min(total) < LIMIT_S


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", list(ANGLES))
def test_memory_stays_under_three_volumes(root: Path, tmp_path: Path, kind: str) -> None:
    small = write_dicom_phantom(tmp_path / "small", phantom_study(1, slices=4, size=32))
    said = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD, small, root / kind],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = json.loads(said)
    share = found["peak"] / found["volume"]
    print(
        f"\n{kind}: volume {found['volume'] / 1e6:.0f} MB, at most {found['peak'] / 1e6:.0f} MB "
        f"more than before, {share:.2f} volumes"
    )
    assert share < MOST_VOLUMES
