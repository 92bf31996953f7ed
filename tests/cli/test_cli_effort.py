"""`brainseg effort` on a small workspace."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    """Give a workspace with one case, corrected by one stroke."""
    made = Workspace(tmp_path / "workspace").create()
    catalogue = Catalogue(made.catalogue)
    image = ScalarVolume(np.ones((3, 4, 16, 16), np.uint8))
    study = Study("TEST_AB_0001", image, LabelVolume(np.zeros((4, 16, 16), np.uint8)))
    correction = Case(study, catalogue).start_correction("empty", "Ada")
    correction.data[1, 2:4, 2:6] = 1
    correction.commit("brush")
    correction.close()
    catalogue.close()
    return made.root


def test_tables_name_cases_and_medians(brainseg, workspace):
    result = brainseg("effort", workspace)
    assert result.exit_code == 0, result.stderr
    assert "TEST_AB_0001" in result.stdout
    assert "empty mask" in result.stdout
    assert "Medians of a case" in result.stdout
    line = next(line for line in result.stdout.splitlines() if "TEST_AB_0001" in line)
    strokes, added, removed = [cell.strip() for cell in line.split("│")][-4:-1]
    assert (strokes, added, removed) == ("1", "8", "0")


def test_csv_and_json(brainseg, workspace, tmp_path):
    result = brainseg("effort", workspace, "--json", "--csv", tmp_path / "effort.csv")
    assert result.exit_code == 0, result.stderr
    (case,) = json.loads(result.stdout)["cases"]
    assert (case["strokes"], case["voxels_added"], case["tools"]) == (1, 8, {"brush": 1})
    assert "TEST_AB_0001" in (tmp_path / "effort.csv").read_text(encoding="utf-8")


def test_an_empty_workspace_says_so_and_another_folder_is_a_fault(brainseg, tmp_path):
    Catalogue(Workspace(tmp_path / "empty").create().catalogue).close()
    assert "Nothing was corrected" in brainseg("effort", tmp_path / "empty").stdout
    missing = brainseg("effort", tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert "no workspace" in missing.stderr


def test_help_teaches_by_example(brainseg):
    assert "brainseg effort " in brainseg("effort", "--help").stdout
