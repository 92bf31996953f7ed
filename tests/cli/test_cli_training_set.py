"""`brainseg training-set`: list, rebuild, verify."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from napari_brainseg.core.formats import load_study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.training_set import export_case, withdraw
from napari_brainseg.session.workspace import Workspace

PATIENT = "PHANTOM_0003_0000"


@pytest.fixture
def root(brainseg, tmp_path):
    made = tmp_path / "patients"
    assert brainseg("phantom", made, "-s", 3).exit_code == 0
    return made


@pytest.fixture
def workspace(root):
    """Exported empty, then with one voxel by somebody else."""
    workspace = Workspace.for_studies(root).create()
    catalogue = Catalogue(workspace.catalogue)
    case = Case(load_study(root / PATIENT), catalogue)
    correction = case.start_correction("empty", "Ada")
    export_case(case, workspace.training_set, editor="Ada", note="[nothing] there")
    correction.data[0, 0, 0] = 1
    export_case(case, workspace.training_set, editor="Grace", second_reader="Grace")
    catalogue.close()
    return workspace


def test_what_was_exported_is_listed_wherever_one_looks(brainseg, root, workspace):
    for place in (root, workspace.root, workspace.training_set):
        result = brainseg("training-set", "list", place)
        assert result.exit_code == 0, result.stderr
        lines = [line for line in result.stdout.splitlines() if PATIENT in line]
        assert ["older version" in lines[0], "in the set" in lines[1]] == [True, True]
        assert "[nothing] there" in lines[0]
    listed = json.loads(brainseg("training-set", "list", root, "--json").stdout)
    assert [(e["line"], e["editor"], e["voxels_added"]) for e in listed] == [
        (1, "Ada", 0),
        (2, "Grace", 1),
    ]
    withdraw(workspace.training_set, PATIENT, editor="Ada", note="artefacts")
    states = [
        e["state"] for e in json.loads(brainseg("training-set", "list", root, "--json").stdout)
    ]
    assert states == ["older version", "older version", "withdrawn"]


def test_a_past_state_is_written_by_line_and_by_time(brainseg, root, workspace, tmp_path):
    before, now = tmp_path / "before", tmp_path / "now"
    result = brainseg("training-set", "rebuild", root, before, "--at", 1)
    assert result.exit_code == 0, result.stderr
    assert "1 patient" in result.stdout
    assert not load_study(before / PATIENT).truth.data.any()
    assert brainseg("training-set", "rebuild", root, now, "--at", "2999-01-01").exit_code == 0
    assert np.flatnonzero(load_study(now / PATIENT).truth.data).tolist() == [0]
    again = brainseg("training-set", "rebuild", root, now)
    assert again.exit_code == 1
    assert "there already" in again.stderr
    assert brainseg("training-set", "rebuild", root, tmp_path / "x", "--at", "soon").exit_code == 2
    assert brainseg("training-set", "rebuild", root, tmp_path / "x", "--at", 9).exit_code == 1


def test_a_damaged_set_is_told_by_the_exit_code(brainseg, root, workspace):
    result = brainseg("training-set", "verify", root)
    assert (result.exit_code, result.stdout.strip()) == (0, "All files agree with the manifest.")
    shutil.rmtree(workspace.training_set / PATIENT)
    result = brainseg("training-set", "verify", root)
    assert result.exit_code == 1
    assert "is missing" in result.stdout
    (problem,) = json.loads(brainseg("training-set", "verify", root, "--json").stdout)
    assert (problem["line"], problem["patient"]) == (2, PATIENT)


def test_where_nothing_was_exported_the_way_is_shown(brainseg, root, tmp_path):
    for place, words in ((root, "Nothing was exported"), (tmp_path / "no", "does not exist")):
        result = brainseg("training-set", "list", place)
        assert result.exit_code == 1
        assert words in result.stderr
        assert "What to do" in result.stderr
    for command in ("list", "rebuild", "verify"):
        help_text = brainseg("training-set", command, "--help").stdout
        assert f"brainseg training-set {command} " in help_text
