"""The demo is the main job from end to end; it checks itself at every step."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.gui
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.timeout(1200)
def test_the_whole_job_without_a_screen(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from napari_brainseg.cli import app; app()", "demo"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    output = tmp_path / "demo-output"
    assert done.returncode == 0, done.stderr
    pictures = sorted(output.glob("*.png"))
    assert [p.stem[3:] for p in pictures] == [
        "open", "prediction", "linked", "3d", "modalities", "overlays", "worklist", "keys",
        "correction", "preview", "history", "export", "preflight", "training", "gate", "effect",
        "in-use", "dicom-open", "dicom-approved", "dicom-seg", "dicom-report",
    ]  # fmt: skip
    assert all(p.stat().st_size > 20_000 for p in pictures), "a blank screen is smaller"

    facts = json.loads((output / "report.json").read_text())
    assert facts["strokes"] >= 2
    assert facts["added_vox"] + facts["removed_vox"] > 0
    assert facts["dsc_truth_after"] > facts["dsc_truth_before"]
    assert facts["locked_patients"] == 5
    # One correction leaves none to hold out: the gate cannot know whether corrections gain.
    assert facts["gate"] in ("not enough evidence", "failed")
    *bundled, new = facts["versions"]
    assert new["in use"]
    assert not any(version["in use"] for version in bundled)
    assert new["version"].startswith("fine-tuned-")
    (segmentation,) = (output / "handed-on").glob("PT-*.dcm")
    assert facts["dicom_seg"] == segmentation.name
    assert {p.suffix for p in (output / "handed-on").glob("PT-*report.*")} == {".html", ".pdf"}
    page = (output / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(pictures)
