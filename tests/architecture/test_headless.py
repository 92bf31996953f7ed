"""What loads what: import-linter does not see parent packages, nor what libraries pull in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINDOW = ("napari", "qtpy", "PyQt5", "PyQt6", "vispy", "magicgui", "superqt", "pyqtgraph")
HEAVY = ("torch", "lightning", "lightning_fabric", "monai")
SCRIPT = """
import importlib, sys
names, forbidden = (line.split() for line in sys.stdin.read().splitlines())
for name in names:
    importlib.import_module(name)
print(*sorted(set(forbidden) & {name.partition(".")[0] for name in sys.modules}))
"""


def modules_of(package: str) -> list[str]:
    """Names of all modules below a package, without importing any."""
    folder = ROOT.joinpath(*package.split("."))
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    names = [".".join(f.relative_to(ROOT).with_suffix("").parts) for f in files]
    return [n.removesuffix(".__init__") for n in names if not n.endswith("__main__")]


def loaded(names: list[str], forbidden: tuple[str, ...]) -> list[str]:
    """Which of `forbidden` are loaded in a fresh process once all `names` are imported."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=f"{' '.join(names)}\n{' '.join(forbidden)}\n",
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize(
    "names",
    [
        ["napari_brainseg"],
        ["training"],
        ["napari_brainseg.core.segmentation"],
        ["napari_brainseg.session.desk"],
        ["napari_brainseg.cli"],
        modules_of("napari_brainseg.core") + modules_of("training"),
        modules_of("napari_brainseg.session"),
    ],
    ids=["plugin", "trainer", "segmentation", "desk", "cli", "all of core and training", "session"],
)
def test_kernel_trainer_session_and_command_line_load_no_window(names: list[str]) -> None:
    assert loaded(names, WINDOW) == []


@pytest.mark.parametrize(
    "package",
    ["napari_brainseg.session", "napari_brainseg.viewer", "napari_brainseg.widgets"],
)
def test_the_viewers_process_loads_no_torch(package: str) -> None:
    assert loaded(modules_of(package), HEAVY) == []


def test_trainer_reads_its_command_line_without_torch() -> None:
    assert loaded(["training.__main__"], (*HEAVY, *WINDOW)) == []


def test_importing_the_package_loads_next_to_nothing() -> None:
    assert loaded(["napari_brainseg"], (*HEAVY, *WINDOW, "numpy", "pydantic", "openvino")) == []
