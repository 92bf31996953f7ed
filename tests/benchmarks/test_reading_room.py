"""What the reading room costs: heartbeat, handlers, frames, case switches, memory, worklist.

python -m pytest tests/benchmarks/test_reading_room.py -s

On real patients where ``BRAINSEG_DATA`` names a folder of them (the figures are asked for a
patient of 60 slices), else on phantoms.
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

PHANTOMS = 16


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    scratch = tmp_path_factory.mktemp("reading")
    root = Path(os.environ.get("BRAINSEG_DATA", scratch / "none"))
    if not any(root.glob("TCGA_*/*.tif")):
        root = scratch / "root"
        write_phantoms(root, patients=PHANTOMS, seed=3)
    script = Path(__file__).with_name("reading_job.py")
    with Display(visible=False, size=(1600, 1000), backend="xvfb"):
        done = subprocess.run(
            [sys.executable, "-P", str(script), str(root), str(scratch / "workspace")],
            capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print()
    for name, value in found.items():
        print(f"{name:28} {value:9.2f}")
    return found


@pytest.mark.parametrize("work", ["predicting", "batch", "training"])
def test_the_window_lives_while_others_work(measured: dict[str, float], work: str) -> None:
    assert measured[f"heartbeat_{work}_ms"] < 100


def test_scrolling_and_the_threshold_answer_at_once(measured: dict[str, float]) -> None:
    assert measured["scroll_p95_ms"] < 30
    assert measured["threshold_p95_ms"] < 30


def test_a_frame_with_everything_on_costs_little_more_than_a_bare_one(
    measured: dict[str, float],
) -> None:
    assert measured["canvas_pixels"] == measured["bare_canvas_pixels"]
    assert measured["frame_ratio"] <= 1.5
    assert measured["frame_training_ratio"] <= 1.15


def test_cases_open_soon(measured: dict[str, float]) -> None:
    assert measured["prefetched_switch_p95_s"] < 0.5
    assert measured["cold_switch_max_s"] < 2


def test_the_worklist_is_quick(measured: dict[str, float]) -> None:
    assert measured["worklist_appears_s"] < 1
    assert measured["filter_10000_max_s"] < 0.2


def test_fifty_cases_leave_nothing_behind(measured: dict[str, float]) -> None:
    assert measured["rss_growth_mb"] < 50
    assert measured["layers_reused"] == 1
    # A prediction's own thread may be seen at work; widgets come with rows that are seen.
    assert measured["threads_growth"] <= 2
    assert measured["widgets_growth"] <= 20
    assert measured["gl_objects_growth"] <= 20
