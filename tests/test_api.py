"""What scripts and notebooks import: light, complete, and used as its page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from napari_brainseg import api

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "python.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, napari_brainseg.api\n"
        "print({'torch', 'openvino', 'napari', 'qtpy', 'matplotlib', 'pydicom'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_page_names_only_what_is_there():
    names = set(re.findall(r"\bapi\.(\w+)", PAGE.read_text(encoding="utf-8")))
    assert names
    assert names <= set(api.__all__)
    assert all(getattr(api, name).__doc__ for name in api.__all__)


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    from napari_brainseg.core.dataset.phantom import write_phantoms

    monkeypatch.chdir(tmp_path)
    write_phantoms(tmp_path / "patients", patients=1, seed=3)
    scope: dict[str, object] = {}
    for block in blocks():
        if "open_window" not in block and "show_interactive" not in block:
            exec(block, scope)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["as_nifti", "out", "patients", "pictures"]
    assert (tmp_path / "out" / "mask.nii.gz").is_file()
