"""`brainseg preflight` and `brainseg locked`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import load_study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.training_set import export_case
from napari_brainseg.session.workspace import Workspace

NAMES = tuple(f"TEST_AB_{n:04}_20200101" for n in range(8))


@pytest.fixture(autouse=True)
def _own_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("BRAINSEG_WORKSPACE", raising=False)


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "patients"
    for n, name in enumerate(NAMES):
        image = np.random.default_rng(n).integers(1, 255, (3, 4, 32, 32), dtype=np.uint8)
        mask = np.zeros((4, 32, 32), np.uint8)
        mask[1, 4 : 8 + n, 4:8] = 1
        write_patient(made, name, image, mask, range(1, 5), durable=False)
    return made


def correct(root, *names):
    workspace = Workspace.for_studies(root).create()
    catalogue = Catalogue(workspace.catalogue)
    for name in names:
        case = Case(load_study(root / name), catalogue)
        case.start_correction("truth", "Ada").data[0, 0, 0] = 1
        export_case(case, workspace.training_set, editor="Ada")
    catalogue.close()
    return workspace


def test_nothing_corrected_stops_with_exit_code_1(brainseg, root):
    result = brainseg("preflight", root)
    assert result.exit_code == 1
    assert "There are no corrections" in result.stdout
    assert "A run cannot start." in result.stdout


def test_what_a_run_would_be_made_of_is_shown_and_nothing_is_locked(brainseg, root):
    workspace = correct(root, *NAMES[:2])
    result = brainseg("preflight", root)
    assert result.exit_code == 0, result.stderr
    assert f"Corrections (2): {NAMES[0]}, {NAMES[1]}" in result.stdout
    assert "Locked (5): " in result.stdout
    assert "sensible from 8 on" in result.stdout
    assert "if you know what the warnings mean" in result.stdout
    assert not workspace.locked.exists()


def test_json_holds_the_report_also_of_a_workspace_that_was_named(brainseg, root, tmp_path):
    workspace = correct(root, *NAMES[:2])
    moved = workspace.root.rename(tmp_path / "moved")
    result = brainseg("preflight", root, "--workspace", moved, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["corrections"] == report["new_corrections"] == list(NAMES[:2])
    assert (report["can_start"], report["needs_expert"]) == (True, True)
    assert {f["kind"] for f in report["findings"]} == {"too-few-cases", "no-replay"}


def test_a_step_is_measured_on_request(brainseg, root, monkeypatch):
    from napari_brainseg.session.expected_time import ExpectedTime, StepMeasurement

    correct(root, *NAMES[:2])
    found = ExpectedTime(prepare_s=1, step_s=1, steps=100, expected_s=101, memory_mb=10)
    monkeypatch.setattr(StepMeasurement, "measure", lambda self: found)
    result = brainseg("preflight", root, "--measure")
    assert result.exit_code == 0, result.stderr
    assert "The run takes about 2 min" in result.stdout


def test_patients_are_locked_listed_and_added_by_name(brainseg, root, tmp_path):
    assert "No patients are locked yet" in brainseg("locked", "list", root).stdout
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES[:3]))
    chosen = brainseg("locked", "choose", root, "--patients", names)
    assert chosen.exit_code == 0, chosen.stderr
    assert "needs 5 locked patients" in chosen.stderr
    again = brainseg("locked", "choose", root)
    assert again.exit_code == 1
    assert "Extend the set" in again.stderr
    extended = brainseg("locked", "extend", root, "--number", 5)
    assert extended.exit_code == 0, extended.stderr
    assert "do not compare" in extended.stderr
    listed = json.loads(brainseg("locked", "list", root, "--json").stdout)
    assert (listed["generation"], len(listed["patients"])) == (2, 5)
    table = brainseg("locked", "list", root).stdout
    assert "Generation 2" in table
    assert all(name in table for name in NAMES[:3])


def test_a_patient_that_the_base_knows_is_not_locked(brainseg, root, tmp_path):
    from napari_brainseg.core.segmentation.bundle import bundled_models

    known = bundled_models()[0].train_patients[0]
    mask = np.ones((4, 32, 32), np.uint8)
    image = np.random.default_rng(99).integers(1, 255, (3, 4, 32, 32), dtype=np.uint8)
    write_patient(root, known, image, mask, range(1, 5), durable=False)
    names = tmp_path / "names.txt"
    names.write_text(known)
    result = brainseg("locked", "choose", root, "--patients", names)
    assert result.exit_code == 1
    assert f"{known} (name)" in result.stderr
