"""What the tools of the hand cost: moves of each brush, commits, frames while painting.

python -m pytest tests/benchmarks/test_correcting.py -s

On real patients where ``BRAINSEG_DATA`` names a folder of them (the figures are asked for a
patient of 60 slices of 256 x 256), else on phantoms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyvirtualdisplay import Display

from napari_brainseg.core.dataset.phantom import write_phantoms

BRUSHES = [f"{kind}_{depth}" for kind in ("brush", "threshold", "adaptive", "eraser")
           for depth in ("2d", "depth3")]  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    scratch = tmp_path_factory.mktemp("correcting")
    root = Path(os.environ.get("BRAINSEG_DATA", scratch / "none"))
    if not any(root.glob("TCGA_*/*.tif")):
        root = scratch / "root"
        write_phantoms(root, patients=2, seed=3)
    script = Path(__file__).with_name("correcting_job.py")
    with Display(visible=False, size=(1600, 1000), backend="xvfb"):
        done = subprocess.run(
            [sys.executable, "-P", str(script), str(root), str(scratch / "workspace")],
            capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print()
    for name, value in found.items():
        print(f"{name:32} {value:9.2f}")
    return found


@pytest.mark.parametrize("brush", BRUSHES)
def test_a_move_of_a_brush_is_painted_at_once(measured: dict[str, float], brush: str) -> None:
    assert measured[f"{brush}_move_p95_ms"] < 10


@pytest.mark.parametrize("brush", BRUSHES)
def test_a_stroke_is_on_disk_soon_after_its_end(measured: dict[str, float], brush: str) -> None:
    assert measured[f"{brush}_commit_p95_ms"] < 20


@pytest.mark.parametrize("brush", ["brush", "adaptive"])
def test_a_frame_while_painting_costs_little_more_than_a_bare_one(
    measured: dict[str, float], brush: str
) -> None:
    assert measured[f"{brush}_frame_ratio"] <= 1.5
