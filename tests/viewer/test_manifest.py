"""The plugin as npe2 and napari see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

MANIFEST = Path(__file__).parents[2] / "napari.yaml"


@pytest.fixture
def manager() -> PluginManager:
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    return manager


def test_npe2_finds_the_manifest_valid():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "--imports", str(MANIFEST)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reader_is_offered_for_folders_and_for_no_file(manager, tmp_path):
    (tmp_path / "a.tif").touch()
    offered = [r.command for r in manager.iter_compatible_readers([str(tmp_path)])]
    assert offered == ["napari-brainseg.read"]
    assert list(manager.iter_compatible_readers([str(tmp_path / "a.tif")])) == []


def test_there_are_one_dock_and_one_sample(manager):
    assert [w.display_name for w in manager.iter_widgets()] == ["Workbench"]
    ((_, samples),) = manager.iter_sample_data()
    assert [s.key for s in samples] == ["phantoms"]
