"""What the repository may hold, and what the distribution takes along."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEBIBYTE = 2**20
TRACKED_LIMIT = 32 * MEBIBYTE
BUNDLES_LIMIT = 24 * MEBIBYTE
IMAGE_SUFFIXES = {".tif", ".tiff", ".dcm", ".nii", ".gz", ".mha", ".nrrd", ".jp2"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Files under version control that exist, absolute."""
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if run.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    files = (ROOT / name for name in run.stdout.decode().split("\0") if name)
    return [file for file in files if file.is_file()]


def test_root_holds_no_python(tracked: list[Path]) -> None:
    assert [f.name for f in tracked if f.parent == ROOT and f.suffix == ".py"] == []


def test_tree_is_small(tracked: list[Path]) -> None:
    assert sum(f.stat().st_size for f in tracked) < TRACKED_LIMIT


def test_bundles_are_small() -> None:
    bundles = [f for f in (ROOT / "napari_brainseg" / "models").rglob("*") if f.is_file()]

    assert sum(f.stat().st_size for f in bundles) < BUNDLES_LIMIT


def test_no_patient_images_are_tracked(tracked: list[Path]) -> None:
    assert [str(f) for f in tracked if f.suffix.lower() in IMAGE_SUFFIXES] == []


def test_no_text_names_a_place_on_one_machine(tracked: list[Path]) -> None:
    suffixes = {".py", ".md", ".toml", ".yaml", ".json", ".txt", ".sh", ""}
    place = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/\w")
    found = [
        f"{f.relative_to(ROOT)}: {match[0]}"
        for f in tracked
        if f.suffix in suffixes and f != Path(__file__)
        for match in place.finditer(f.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_every_package_is_in_the_distribution() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {f.parent for d in ("napari_brainseg", "training") for f in (ROOT / d).rglob("*.py")}
    packages = {".".join(f.relative_to(ROOT).parts) for f in folders}

    assert set(setuptools["packages"]) == packages | {"napari_brainseg_manifest"}
    assert [str(f) for f in folders if not (f / "__init__.py").is_file()] == []
