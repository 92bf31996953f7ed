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


def test_the_reader_is_offered_for_patients_and_for_no_lone_slice(manager, tmp_path):
    def offered(path):
        return [r.command for r in manager.iter_compatible_readers([str(path)])]

    assert offered(tmp_path) == ["napari-brainseg.read"]
    for name in ("a.nii", "BRATS.001.nii.gz", "a.DCM", "export.zip"):
        assert offered(tmp_path / name) == ["napari-brainseg.read"], name
    for name in ("a.tif", "a.gz", "a.png"):
        assert offered(tmp_path / name) == [], name


@pytest.mark.parametrize(
    ("kind", "name", "writer"),
    [
        ("labels", "mask.nii.gz", "write_labels"),
        ("labels", "mask.nii", "write_labels"),
        ("labels", "mask.dcm", "write_segmentation"),
        ("image", "FLAIR.nii.gz", "write_image"),
    ],
)
def test_there_is_a_writer_for_each_format(manager, kind, name, writer):
    found, path = manager.get_writer(name, [kind])
    assert (found.command, path) == (f"napari-brainseg.{writer}", name)


def test_there_are_one_dock_and_one_sample(manager):
    assert [w.display_name for w in manager.iter_widgets()] == ["Workbench"]
    ((_, samples),) = manager.iter_sample_data()
    assert [s.key for s in samples] == ["phantoms"]
