"""``brainseg gate``: the verdict in words, in JSON and as an exit code."""

from __future__ import annotations

import json

import pytest

from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.gate import GateEvidence, PairedPatient, save_evidence


def pair(patient: str, current: float, candidate: float, truth: int = 90) -> PairedPatient:
    def result(dsc: float) -> PatientResult:
        return PatientResult(
            patient=patient, slices=5, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
            hd95_vox=2.5, volume_truth_vox=truth, volume_prediction_vox=80 if truth else 0,
            seconds=Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
        )  # fmt: skip

    return PairedPatient(patient=patient, candidate=result(candidate), current=result(current))


@pytest.fixture
def run(tmp_path):
    """Write the evidence of a run; give its folder."""

    def write(*changes: float):
        evidence = GateEvidence(
            candidate="new-20260101-aaaa1111",
            current="old-20250101-bbbb2222",
            locked_digest="d" * 64,
            locked=(
                *(pair(f"TCGA_XX_000{n}_1999", 0.9, 0.9 + c) for n, c in enumerate(changes)),
                pair("TCGA_XX_FREE_1999", 1.0, 1.0, truth=0),
            ),
            corrections=(pair("TCGA_YY_0001_1999", 0.5, 0.625),),
            corrections_how="leave-one-out",
        )
        save_evidence(tmp_path / "gate.json", evidence)
        return tmp_path

    return write


def test_a_candidate_that_passes(brainseg, run):
    result = brainseg("gate", run(0.01, 0.0, 0.02, 0.0))
    assert result.exit_code == 0, result.stdout
    assert "Passed: all 5 rules are kept." in result.stdout
    assert "TCGA_XX_0000_1999" in result.stdout
    assert "TCGA_XX_FREE_1999 *" in result.stdout
    assert "+0.1250" in result.stdout
    assert "kept" in result.stdout
    assert "broken" not in result.stdout


def test_a_candidate_that_fails(brainseg, run):
    folder = run(0.01, 0.0, 0.02, -0.04)
    result = brainseg("gate", folder / "gate.json")
    assert result.exit_code == 1
    assert "broken" in result.stdout
    assert "TCGA_XX_0003_1999, 0.900 -> 0.860 (-0.040)" in result.stdout


def test_not_enough_evidence_has_an_exit_code_of_its_own(brainseg, run):
    result = brainseg("gate", run(0.01))
    assert result.exit_code == 3
    assert "Not enough evidence: 2 locked patients measured" in result.stdout
    assert "missing" in result.stdout


def test_json_holds_verdict_and_figures(brainseg, run):
    result = brainseg("gate", run(0.01, 0.0, 0.02, -0.04), "--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["outcome"] == "failed"
    assert content["verdict"]["worst"] == ["TCGA_XX_0003_1999", pytest.approx(0.04)]
    first = content["patients"][0]
    assert first["patient"] == "TCGA_XX_0003_1999", "the largest drop stands first"
    assert first["candidate"]["hd95_vox"] == 2.5
    assert content["patients"][-1]["group"] == "correction"


def test_what_cannot_be_read_is_a_fault(brainseg, tmp_path):
    result = brainseg("gate", tmp_path)
    assert result.exit_code == 1
    assert "no evidence of a gate" in result.stderr
    assert result.stdout == ""
    assert brainseg("gate").exit_code == 2
