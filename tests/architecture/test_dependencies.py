"""What the packages import is declared, in the extra where it belongs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"napari_brainseg", "training"}
WINDOW_ROOMS = ("viewer/", "widgets/", "demo", "cli/window.py")
"""Places of the plugin that need the extra ``gui``."""
EXTRAS = {
    "training/experiments/cluster.py": "cluster",
    "napari_brainseg/core/dataset/phantom/dicom_compressed.py": "dev",
}
"""Files that need another extra, and say so where it is missing."""


def declared(extra: str | None = None) -> set[str]:
    """Normalised names of the base dependencies, or of an extra's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file: Path) -> set[str]:
    """Top-level names of the absolute imports in a file that are needed at run time."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(file.read_text(encoding="utf-8")))
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OWN


def needs_window(file: Path) -> bool:
    plugin = ROOT / "napari_brainseg"
    return file.is_relative_to(plugin) and file.relative_to(plugin).as_posix().startswith(
        WINDOW_ROOMS
    )


def undeclared(files: list[Path], allowed: set[str]) -> list[str]:
    known = packages_distributions()
    return sorted(
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imported(file)
        if not {normal(d) for d in known.get(name, [name])} & (allowed | _extra(file))
    )


def _extra(file: Path) -> set[str]:
    extra = EXTRAS.get(file.relative_to(ROOT).as_posix())
    return declared(extra) if extra else set()


@pytest.mark.parametrize("window", [False, True], ids=["headless", "window"])
def test_imports_are_declared(window: bool) -> None:
    files = [f for d in OWN for f in (ROOT / d).rglob("*.py")]
    allowed = declared() | (declared("gui") if window else set())

    assert undeclared([f for f in files if needs_window(f) is window], allowed) == []
