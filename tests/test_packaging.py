"""What an installation holds: the wheel, and the editable install that `make` sets up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command outside the repository; its standard output."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel of the files that belong to the repository, built in a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    build = ("build", "--wheel", "--no-isolation", "--outdir", folder, source)
    run(sys.executable, "-m", *build, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh folder with the wheel installed; found first when it stands in PYTHONPATH."""
    target = tmp_path_factory.mktemp("installed")
    pip = ("pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel)
    run(sys.executable, "-m", *pip, cwd=target.parent)
    return target


def test_wheel_holds_manifest_models_phantoms_and_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    models = ROOT / "napari_brainseg" / "models"
    bundled = [f.relative_to(ROOT).as_posix() for f in models.glob("*/*") if f.suffix != ".pyc"]

    assert "napari_brainseg_manifest/napari.yaml" in names
    assert "napari_brainseg/core/dataset/phantom/__init__.py" in names
    assert "training/loop.py" in names
    assert [n for n in names if n.endswith(".dist-info/licenses/LICENSE")]
    assert "napari_brainseg/models/LICENSE-WEIGHTS.md" in names
    assert [n for n in names if ".dist-info/licenses/" in n and n.endswith("LICENSE-WEIGHTS.md")]
    assert any(name.endswith("/model.json") for name in bundled)
    assert set(bundled) <= set(names)


def test_wheel_holds_nothing_but_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.partition("/")[0] for n in names if ".dist-info/" not in n}

    assert tops == {"napari_brainseg", "napari_brainseg_manifest", "training"}
    assert [n for n in names if n.startswith("napari_brainseg_manifest/")] == [
        "napari_brainseg_manifest/napari.yaml"
    ]
    assert [n for n in names if n.endswith(".pyc")] == []


def test_npe2_finds_the_installed_manifest_and_its_commands(installed: Path) -> None:
    script = (
        "import napari_brainseg, sys, warnings; warnings.simplefilter('ignore'); "
        "from npe2 import PluginManifest; "
        "manifest = PluginManifest.from_distribution('napari-brainseg'); "
        "manifest.validate_imports(); "
        "print(napari_brainseg.__file__, *(c.id for c in manifest.contributions.commands))"
    )

    out = run(sys.executable, "-P", "-c", script, cwd=installed, PYTHONPATH=str(installed))

    place, *commands = out.split()
    assert Path(place).is_relative_to(installed)
    assert commands


def test_installed_command_line_makes_phantoms(installed: Path, tmp_path: Path) -> None:
    script = "from napari_brainseg.cli import app; app()"
    phantom = ("phantom", tmp_path / "studies", "--patients", "1", "--seed", "1")

    run(sys.executable, "-P", "-c", script, *phantom, cwd=tmp_path, PYTHONPATH=str(installed))

    (patient,) = [p for p in (tmp_path / "studies").iterdir() if p.is_dir()]
    assert list(patient.glob("*_1.tif"))


def test_manifest_of_this_environment_is_valid(tmp_path: Path) -> None:
    script = "from npe2.cli import main; main()"
    validate = ("-W", "ignore", "-c", script, "validate", "napari-brainseg")

    assert "valid" in run(sys.executable, *validate, cwd=tmp_path)
