"""Gates in the catalogue: kept as they were measured, found by versions and locked set."""

from __future__ import annotations

import pytest

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.gate import GateEvidence, GateOutcome, PairedPatient
from napari_brainseg.session.gates import Gates


def pair(patient: str, current: float, candidate: float) -> PairedPatient:
    def result(dsc: float) -> PatientResult:
        return PatientResult(
            patient=patient, slices=5, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
            hd95_vox=2.0, volume_truth_vox=9, volume_prediction_vox=9,
            seconds=Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
        )  # fmt: skip

    return PairedPatient(patient=patient, candidate=result(candidate), current=result(current))


def evidence(candidate: str = "new-1", *, change: float = 0.01, digest: str = "a") -> GateEvidence:
    return GateEvidence(
        candidate=candidate,
        current="old-1",
        locked_digest=digest,
        locked=tuple(pair(f"L{n}", 0.8, 0.8 + change) for n in range(5)),
        corrections=(pair("C0", 0.5, 0.6),),
        corrections_how="leave-one-out",
    )


def test_records_are_added_and_come_back_whole(catalogue):
    gates = Gates(catalogue)
    seen = []
    gates.changed.connect(lambda: seen.append(1))
    failed = gates.record(evidence(change=-0.1), run_id="run-1")
    passed = gates.record(evidence(), run_id="run-2")
    assert failed.outcome is GateOutcome.FAILED
    assert passed.outcome is GateOutcome.PASSED
    assert gates.of("new-1") == (failed, passed)
    assert gates.get(failed.id) == failed
    assert gates.latest("new-1", "old-1") == passed
    assert len(seen) == 2


def test_latest_knows_the_pair(catalogue):
    gates = Gates(catalogue)
    gates.record(evidence("new-1"))
    assert gates.latest("new-2", "old-1") is None
    assert gates.latest("new-1", "old-2") is None
    assert gates.latest("old-1", "new-1") is None


def test_a_gate_on_another_locked_set_does_not_count(catalogue):
    present = {"digest": "a"}
    gates = Gates(catalogue, locked_digest=lambda: present["digest"])
    first = gates.record(evidence(digest="a"))
    assert gates.latest("new-1", "old-1") == first
    present["digest"] = "b"
    assert gates.latest("new-1", "old-1") is None
    assert gates.latest("new-1", "old-1", locked_digest="a") == first
    second = gates.record(evidence(digest="b"))
    assert gates.latest("new-1", "old-1") == second
    present["digest"] = "a"
    assert gates.latest("new-1", "old-1") == first


def test_the_same_evidence_is_kept_once(catalogue):
    gates = Gates(catalogue)
    measured = evidence()
    first = gates.record(measured, run_id="run-1")
    seen = []
    gates.changed.connect(lambda: seen.append(1))
    assert gates.record(measured, run_id="run-1") == first
    assert gates.of("new-1") == (first,)
    assert not seen


def test_a_gate_that_is_not_there(catalogue):
    with pytest.raises(DataError, match="no gate with the number 7"):
        Gates(catalogue).get(7)
