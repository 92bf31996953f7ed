"""brainseg report: files of each patient, an index of many, and nothing where it must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def report(brainseg, model, monkeypatch):
    """Run `brainseg report` with the quick model; leaves the process's priority alone."""
    monkeypatch.setattr("napari_brainseg.cli.report.lower_priority", lambda: None)

    def run(*arguments: object, model_given: bool = True):
        chosen = ("--model", model.path, "--device", "cpu") if model_given else ()
        return brainseg("report", *arguments, *chosen)

    return run


def test_each_patient_gets_a_page_and_a_pdf_and_the_index_leads_there(
    report, patients: Path, tmp_path: Path
) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in patients.rglob("*"))
    result = report(patients, "--out", tmp_path / "out", "--heading", "Ward 7")
    assert result.exit_code == 0, result.output
    assert "2 of 2 reports written" in result.output
    names = sorted(p.name for p in patients.iterdir())
    wanted = {f"{name}_report.{kind}" for name in names for kind in ("html", "pdf")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == wanted | {"index.html"}
    page = (tmp_path / "out" / f"{names[0]}_report.html").read_text(encoding="utf-8")
    assert "Ward 7" in page
    assert "Prediction, not checked by a person" in page
    assert "DSC with ground truth" in page
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}"' in index for name in wanted)
    assert sorted((p, p.stat().st_mtime_ns) for p in patients.rglob("*")) == before


def test_one_kind_of_file_for_one_patient(report, patients: Path, tmp_path: Path) -> None:
    patient = sorted(patients.iterdir())[0]
    assert report(patient, "--out", tmp_path, "--no-html", "--letter").exit_code == 0
    (pdf,) = tmp_path.iterdir()
    assert pdf.name == f"{patient.name}_report.pdf"
    assert b"612 792" in pdf.read_bytes()
    again = report(patient, "--out", tmp_path, "--no-html")
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert report(patient, "--out", tmp_path, "--no-html", "--overwrite").exit_code == 0


def test_wrong_orders_are_refused_before_anything_is_written(
    report, patients: Path, tmp_path: Path
) -> None:
    patient = sorted(patients.iterdir())[0]
    inside = report(patient, "--out", patient / "reports")
    assert inside.exit_code == 1
    assert "original data is never written to" in inside.output
    neither = report(patient, "--out", tmp_path / "a", "--no-html", "--no-pdf")
    assert neither.exit_code == 1
    no_workspace = report(patient, "--out", tmp_path / "b", "--workspace", tmp_path)
    assert no_workspace.exit_code == 1
    assert "no workspace" in no_workspace.output
    assert list(tmp_path.iterdir()) == []
