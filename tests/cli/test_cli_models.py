"""`brainseg models`: versions of a workspace, and which one is in use."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.segmentation.bundle import bundled_models, save_bundle
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_registry import ModelRegistry
from napari_brainseg.session.workspace import Workspace

DEFAULT, ACCURATE = (bundle.version for bundle in bundled_models())


@pytest.fixture
def tuned(tmp_path):
    """A bundle fine-tuned from the default one."""
    weights = {"w": np.ones(3, np.float32)}
    return save_bundle(
        tmp_path / "run" / "tuned", weights, name="tuned", parent=DEFAULT, threshold=0.4
    )


@pytest.fixture
def root(tmp_path, tuned):
    """Patients whose workspace has that bundle."""
    made = tmp_path / "patients"
    made.mkdir()
    workspace = Workspace.for_studies(made).create()
    catalogue = Catalogue(workspace.catalogue)
    catalogue.editor = "Ada"
    ModelRegistry(workspace, catalogue).adopt(tuned.path, run_id="run-1")
    catalogue.close()
    return made


def listed(brainseg, root):
    return json.loads(brainseg("models", "list", root, "--json").stdout)


def in_use(brainseg, root):
    (version,) = [v["version"] for v in listed(brainseg, root)["versions"] if v["is_current"]]
    return version


def test_versions_are_listed_as_a_tree_wherever_one_looks(brainseg, root, tuned):
    for place in (root, Workspace.for_studies(root).root):
        result = brainseg("models", "list", place)
        assert result.exit_code == 0, result.stderr
        lines = [line for line in result.stdout.splitlines() if "2026" in line or "tuned" in line]
        assert [DEFAULT in lines[0], f"  {tuned.version}" in lines[1]] == [True, True]
        assert "in use" in lines[0]


def test_promote_and_roll_back(brainseg, root, tuned):
    refused = brainseg("models", "promote", root, "tuned")
    assert refused.exit_code == 1
    assert "No gate has compared" in refused.stderr
    assert "reason" in refused.stderr
    done = brainseg("models", "promote", root, "tuned", "--reason", "it is [better]")
    assert f"In use: {tuned.version}" in done.stdout
    shown = brainseg("models", "show", root, "tuned").stdout
    assert "by Ada, without a gate that was passed: it is [better]" in shown
    assert "run-1" in shown
    back = brainseg("models", "rollback", root, "--editor", "Grace")
    assert f"In use: {DEFAULT}" in back.stdout
    acts = listed(brainseg, root)["history"]
    assert [(a["act"], a["version"], a["editor"], a["overrode"]) for a in acts] == [
        ("promote", tuned.version, "Ada", True),
        ("rollback", DEFAULT, "Grace", False),
    ]
    assert in_use(brainseg, root) == DEFAULT
    assert brainseg("models", "rollback", root).exit_code == 1


def test_a_bundled_model_is_found_by_its_name(brainseg, root):
    assert brainseg("models", "promote", root, "accurate", "-r", "a test").exit_code == 0
    assert in_use(brainseg, root) == ACCURATE


def test_export_and_import(brainseg, root, tuned, tmp_path):
    made = brainseg("models", "export", root, "tuned", tmp_path / "m.zip")
    assert str(tmp_path / "m.zip") in made.stdout
    again = brainseg("models", "import", root, tmp_path / "m.zip")
    assert again.stdout.strip() == tuned.version
    assert "exists already" in brainseg("models", "export", root, "tuned", tmp_path).stderr
    (tmp_path / "best_model.pth").write_bytes(b"x")
    refused = brainseg("models", "import", root, tmp_path / "best_model.pth")
    assert refused.exit_code == 1
    assert "run any program" in refused.stderr


def test_delete_restore_and_empty_the_bin(brainseg, root, tuned):
    assert "came with BrainSeg" in brainseg("models", "delete", root, DEFAULT).stderr
    assert brainseg("models", "delete", root, "tuned").exit_code == 0
    assert "in the bin" in brainseg("models", "list", root).stdout
    assert brainseg("models", "restore", root, "tuned").stdout.strip() == tuned.version
    brainseg("models", "delete", root, "tuned")
    assert brainseg("models", "empty-bin", root).stdout.strip() == tuned.version
    assert "The bin is empty" in brainseg("models", "empty-bin", root).stdout
    (gone,) = listed(brainseg, root)["deleted"]
    assert (gone["deleted_by"], gone["path"]) == ("Ada", None)


def test_compare(brainseg, root, tuned):
    result = brainseg("models", "compare", root, "default", "tuned")
    assert result.exit_code == 0, result.stderr
    line = next(line for line in result.stdout.splitlines() if "│ threshold" in line)
    assert [cell.strip() for cell in line.split("│")][1:4] == ["threshold", "0.5", "0.4"]
    found = json.loads(brainseg("models", "compare", root, DEFAULT, "tuned", "--json").stdout)
    assert len(found["removed"]) == 100


def test_an_unclear_version_names_those_that_fit(brainseg, root):
    unknown = brainseg("models", "show", root, "nothing")
    assert unknown.exit_code == 1
    assert DEFAULT in unknown.stderr
    assert "no workspace" in brainseg("models", "list", root / "..").stderr


@pytest.mark.parametrize("command", ["list", "show", "compare", "promote", "rollback", "export",
                                     "import", "delete", "restore", "empty-bin"])  # fmt: skip
def test_help_teaches_by_example(brainseg, command):
    assert f"brainseg models {command} " in brainseg("models", command, "--help").stdout
