"""Peak memory of `brainseg predict` for one patient, in a process of its own.

python -m pytest tests/benchmarks/test_memory.py -s
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.dataset.phantom import write_phantoms

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_MB = 1500


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
def test_one_patient(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    try:
        root: Path = request.getfixturevalue("data_root")
        folder = max(
            (p for p in root.iterdir() if p.is_dir()), key=lambda p: len(list(p.iterdir()))
        )
    except pytest.skip.Exception:
        folder = write_phantoms(tmp_path / "phantoms", patients=1, seed=3)[0]
    code = "from napari_brainseg.cli import app; app()"
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", code, "predict", folder, "--out", tmp_path / "out",
         "--device", "cpu"], stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"\n{folder.name}: peak {peak:.0f} MB of resident memory")
    assert child.returncode == 0
    assert peak < LIMIT_MB
