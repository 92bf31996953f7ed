"""The rules of the gate at their borders, and what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.calibration import Calibration
from napari_brainseg.core.segmentation.comparison import compare
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.gate import (
    GateEvidence,
    GateOutcome,
    LeftOut,
    PairedPatient,
    judge,
    load_evidence,
    paired,
    save_evidence,
)
from napari_brainseg.core.segmentation.gate_figures import signed

if TYPE_CHECKING:
    import random

NO_TIME = Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0)


def result(patient="P", dsc=0.9, *, truth=100, marked=100, hd95=2.0, mm=None) -> PatientResult:
    return PatientResult(
        patient=patient, slices=5, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
        hd95_vox=hd95, hd95_mm=mm, volume_truth_vox=truth, volume_prediction_vox=marked,
        seconds=NO_TIME,
    )  # fmt: skip


def pair(patient, current, candidate, **both) -> PairedPatient:
    return PairedPatient(
        patient=patient,
        candidate=result(patient, candidate, **both),
        current=result(patient, current, **both),
    )


def healthy(patient, current_vox, candidate_vox) -> PairedPatient:
    before, after = (
        result(patient, 0.0 if vox else 1.0, truth=0, marked=vox, hd95=None if vox else 0.0)
        for vox in (current_vox, candidate_vox)
    )
    return PairedPatient(patient=patient, candidate=after, current=before)


GAIN = tuple(pair(f"C{n}", 0.80, 0.84) for n in range(4))
SAME = tuple(pair(f"L{n}", 0.90, 0.90) for n in range(6))


def evidence(locked=SAME, corrections=GAIN, **fields) -> GateEvidence:
    how = "inner folds" if corrections else "none"
    return GateEvidence(
        candidate="new-1", current="old-1", locked_digest="d" * 64, locked=tuple(locked),
        corrections=tuple(corrections), **({"corrections_how": how} | fields),
    )  # fmt: skip


def calibration(error: float) -> Calibration:
    return Calibration(
        patients=5, voxels=100, bins=(), expected_error=error, uncertainty_auroc=None
    )


def reason(verdict, kind):
    return next(r for r in verdict.reasons if r.kind == kind)


def test_passes_with_all_rules_kept():
    verdict = judge(evidence())
    assert verdict.outcome is GateOutcome.PASSED
    assert verdict.is_passed
    assert not verdict.broken
    assert verdict.headline == "Passed: all 4 rules are kept."
    assert verdict.mean_difference == 0
    assert verdict.corrections_difference == pytest.approx(0.04)
    assert reason(verdict, "mean").text == (
        "Mean DSC on 6 locked patients 0.900 -> 0.900 (0.000, 95 % interval 0.000 to 0.000): "
        "within the limit of -0.005."
    )


@pytest.mark.parametrize(
    ("drop", "outcome"),
    [(0.005, GateOutcome.PASSED), (0.00501, GateOutcome.FAILED), (0.0, GateOutcome.PASSED)],
)
def test_mean_drop_of_exactly_the_limit_is_kept(drop, outcome):
    verdict = judge(evidence([pair(f"L{n}", 0.905, 0.905 - drop) for n in range(5)]))
    assert verdict.outcome is outcome
    assert reason(verdict, "mean").ok is (outcome is GateOutcome.PASSED)


def test_a_mean_just_over_the_limit_is_not_written_as_the_limit():
    verdict = judge(evidence([pair(f"L{n}", 0.9, 0.9 - 0.00504) for n in range(5)]))
    text = reason(verdict, "mean").text
    assert "(-0.0050, " not in text
    assert "-0.00504" in text
    assert "falls by more than 0.005" in text


@pytest.mark.parametrize(("drop", "kept"), [(0.03, True), (0.03001, False)])
def test_largest_drop_of_one_patient(drop, kept):
    others = [pair(f"L{n}", 0.90, 0.92) for n in range(5)]
    verdict = judge(evidence([*others, pair("BAD", 0.93, 0.93 - drop)]))
    assert reason(verdict, "worst").ok is kept
    assert verdict.is_passed is kept
    patient, found = verdict.worst
    assert patient == "BAD"
    assert found == pytest.approx(drop)
    assert "BAD" in reason(verdict, "worst").text


def test_several_that_drop_are_counted():
    locked = [*SAME, pair("BAD", 0.9, 0.8), pair("WORSE", 0.9, 0.7)]
    assert reason(judge(evidence(locked)), "worst").text == (
        "2 locked patients drop by more than 0.03; the most, WORSE, 0.900 -> 0.700 (-0.200)."
    )


def test_mean_counts_itself_and_the_interval_is_said_in_words():
    values = [-0.02, -0.02, 0.01, 0.01, 0.01]
    verdict = judge(evidence([pair(f"L{n}", 0.9, 0.9 + value) for n, value in enumerate(values)]))
    assert verdict.is_passed, "the mean of -0.002 is within the limit"
    low, _high = verdict.interval
    assert low < -0.005
    assert "a larger loss is not ruled out" in reason(verdict, "mean").text


def test_intervals_are_those_of_a_comparison():
    values = [-0.004, 0.01, 0.02, -0.01, 0.003, 0.007, 0.0]
    locked = [pair(f"L{n}", 0.9, 0.9 + value) for n, value in enumerate(values)]
    found = compare(
        {p.patient: p.candidate.dsc_native for p in locked},
        {p.patient: p.current.dsc_native for p in locked},
    )
    verdict = judge(evidence(locked))
    assert verdict.interval == pytest.approx(found.interval)
    assert verdict.mean_difference == pytest.approx(found.mean_difference)


def test_fewer_than_five_locked_patients_are_not_enough_and_failures_are_told():
    locked = [pair("BAD", 0.9, 0.7), *(pair(f"L{n}", 0.9, 0.95) for n in range(3))]
    verdict = judge(evidence(locked))
    assert verdict.outcome is GateOutcome.NOT_ENOUGH
    assert {r.kind for r in verdict.broken} == {"mean", "worst"}
    assert verdict.headline.startswith("Not enough evidence: 4 locked patients measured")


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_locked_patient(count):
    verdict = judge(evidence([pair(f"L{n}", 0.9, 0.95) for n in range(count)]))
    assert verdict.outcome is GateOutcome.NOT_ENOUGH
    assert verdict.interval is None
    assert verdict.locked_patients == count
    assert (verdict.mean_difference is None) is (count == 0)


def test_without_corrections_there_is_not_enough_evidence():
    verdict = judge(evidence(corrections=()))
    assert verdict.outcome is GateOutcome.NOT_ENOUGH
    assert verdict.corrections_difference is None
    assert "inner folds" in verdict.headline


def test_without_corrections_a_broken_rule_fails_it():
    verdict = judge(evidence([*SAME, pair("BAD", 0.9, 0.8)], corrections=()))
    assert verdict.outcome is GateOutcome.FAILED
    assert "BAD" in verdict.headline or "Mean DSC" in verdict.headline


@pytest.mark.parametrize("gain", [0.0, -0.01])
def test_corrections_that_do_not_gain_fail_it(gain):
    verdict = judge(evidence(corrections=[pair(f"C{n}", 0.8, 0.8 + gain) for n in range(4)]))
    assert verdict.outcome is GateOutcome.FAILED
    assert reason(verdict, "corrections").ok is False
    assert "no better" in verdict.headline


def test_a_mask_signed_off_as_drawn_does_not_speak_for_who_drew_it():
    drawn = pair("DRAWN", 0.9998, 0.95)
    verdict = judge(evidence(corrections=[*GAIN, drawn]))
    assert verdict.is_passed
    assert verdict.corrections_difference == pytest.approx(0.04)
    assert "DRAWN" in reason(verdict, "corrections as drawn").text

    only = judge(evidence(corrections=[drawn]))
    assert only.outcome is GateOutcome.NOT_ENOUGH
    assert "as the model had drawn them" in reason(only, "corrections").text


def test_a_small_gain_is_written_as_one_and_chance_is_said():
    corrections = [pair("C0", 0.8, 0.8003), pair("C1", 0.8, 0.9), pair("C2", 0.8, 0.7)]
    verdict = judge(evidence(corrections=corrections))
    text = reason(verdict, "corrections").text
    assert reason(verdict, "corrections").ok is True
    assert "(+0.0001, " in text
    assert "may be chance" in text
    assert reason(verdict, "corrections worst").level == "warning"
    assert verdict.is_passed, "a single corrected patient is a warning, not a rule"


def test_a_lesion_that_is_missed_wholly_now():
    missed = PairedPatient(
        patient="MISSED",
        candidate=result("MISSED", 0.0, marked=0, hd95=None),
        current=result("MISSED", 0.02, marked=4),
    )
    verdict = judge(evidence([*SAME, missed, *(pair(f"G{n}", 0.8, 0.81) for n in range(20))]))
    assert verdict.new_empty == ("MISSED",)
    assert reason(verdict, "empty").ok is False
    assert verdict.outcome is GateOutcome.FAILED


def test_an_empty_mask_that_was_empty_before_is_no_new_one():
    both = pair("EMPTY", 0.0, 0.0, marked=0, hd95=None)
    verdict = judge(evidence([*SAME, both]))
    assert verdict.new_empty == ()
    assert verdict.is_passed


def test_lesion_free_patients_count_by_voxels_not_by_dsc():
    verdict = judge(evidence([*SAME, healthy("FREE", 5, 0)]))
    assert verdict.is_passed
    assert verdict.lesion_free_patients == 1
    assert verdict.mean_difference == 0, "a DSC of 0 -> 1 is no gain of a lesion"
    worse = judge(evidence([*SAME, healthy("FREE", 0, 1)]))
    assert worse.outcome is GateOutcome.FAILED
    assert worse.mean_difference == 0
    assert worse.worst.drop == 0, "the DSC of 1 -> 0 is no drop"
    assert "1 locked patient without a lesion 0 -> 1 are marked, 0 -> 1 voxels" in (
        reason(worse, "false positives").text
    )


def test_fewer_marked_patients_with_more_voxels_fail():
    locked = [*SAME, healthy("F1", 5, 0), healthy("F2", 5, 40)]
    verdict = judge(evidence(locked))
    assert reason(verdict, "false positives").ok is False
    assert (verdict.false_positive_vox_current, verdict.false_positive_vox_candidate) == (10, 40)


def test_only_lesion_free_patients_are_not_enough():
    verdict = judge(evidence([healthy(f"F{n}", 0, 0) for n in range(6)]))
    assert verdict.outcome is GateOutcome.NOT_ENOUGH
    assert verdict.mean_difference is None
    assert verdict.worst is None
    assert verdict.headline.startswith("Not enough evidence: 0 of 6 locked patients have a lesion")


def test_corrections_without_lesion_gain_by_voxels():
    assert judge(evidence(corrections=[healthy("F", 50, 3)])).is_passed
    verdict = judge(evidence(corrections=[healthy("F", 3, 3)]))
    assert verdict.outcome is GateOutcome.FAILED
    mixed = judge(evidence(corrections=[*GAIN, healthy("F", 3, 9)]))
    assert mixed.is_passed
    assert [r.kind for r in mixed.warnings] == ["corrections false positives"]


def test_hd95_warns_but_does_not_decide():
    locked = [
        PairedPatient(
            patient=f"L{n}",
            candidate=result(f"L{n}", hd95=12.0 + n, mm=24.0 + n),
            current=result(f"L{n}", hd95=2.0, mm=4.0),
        )
        for n in range(5)
    ]
    verdict = judge(evidence(locked))
    assert verdict.is_passed
    assert verdict.hd95_unit == "mm"
    assert verdict.hd95_difference == pytest.approx(22.0)
    assert [r.kind for r in verdict.warnings] == ["hd95"]
    assert "mm" in reason(verdict, "hd95").text


def test_hd95_that_is_not_known_is_left_out():
    locked = [
        PairedPatient(
            patient=f"L{n}", candidate=result(f"L{n}", hd95=None), current=result(f"L{n}", hd95=2.0)
        )
        for n in range(5)
    ]
    verdict = judge(evidence(locked))
    assert verdict.hd95_difference is None
    assert verdict.hd95_unit is None
    assert verdict.is_passed
    some = judge(evidence([*locked, pair("L9", 0.9, 0.9, hd95=3.0)]))
    assert some.hd95_difference == 0
    assert "5 without a distance left out" in reason(some, "hd95").text
    assert some.hd95_interval is None


@pytest.mark.parametrize(("error", "warned"), [(0.03, False), (0.031, True), (0.001, False)])
def test_calibration_warns_but_does_not_decide(error, warned):
    verdict = judge(
        evidence(calibration_candidate=calibration(error), calibration_current=calibration(0.01))
    )
    assert verdict.is_passed
    assert bool(verdict.warnings) is warned
    assert verdict.calibration_error_candidate == error


def test_figures_against_the_base_and_left_out_patients_are_told():
    flattered = GAIN[0].model_copy(update={"compared_with": "base"})
    verdict = judge(
        evidence(
            corrections=[flattered, *GAIN[1:]],
            left_out=(LeftOut(patient="X", reason="the candidate was trained on it."),),
            warnings=("The candidate does not say whom it was trained on.",),
            notes=("Share of the new weights: 0.5.",),
        )
    )
    assert "1 of 4 corrected patients" in reason(verdict, "corrections base").text
    assert "X was left out: the candidate" in reason(verdict, "left out").text
    assert [r.kind for r in verdict.warnings] == ["left out", "warning"]
    assert verdict.reasons[-1].text == "Share of the new weights: 0.5."


def test_table_has_the_largest_drop_first_and_lesion_free_last():
    rows = paired(
        evidence([healthy("F", 0, 3), pair("A", 0.9, 0.95), pair("B", 0.9, 0.8, hd95=None)])
    )
    assert [(r.patient, r.group) for r in rows[:3]] == [
        ("B", "locked"), ("A", "locked"), ("F", "locked"),
    ]  # fmt: skip
    assert rows[0].hd95_difference is None
    assert {r.group for r in rows[3:]} == {"correction"}
    assert rows[0].difference == pytest.approx(-0.1)


def test_a_pair_must_be_of_one_patient_and_one_mask():
    with pytest.raises(ValueError, match="no pair"):
        PairedPatient(patient="A", candidate=result("A"), current=result("B"))
    with pytest.raises(ValueError, match="same mask"):
        PairedPatient(patient="A", candidate=result("A", truth=5), current=result("A", truth=6))
    with pytest.raises(ValueError, match="DSC of nan"):
        PairedPatient(patient="A", candidate=result("A", float("nan")), current=result("A"))
    with pytest.raises(ValueError, match="stand twice: L0"):
        evidence([*SAME, SAME[0]])
    with pytest.raises(ValueError, match="locked and corrected at once: L0"):
        evidence(corrections=[SAME[0]])


def test_files_round_trip(tmp_path):
    kept = evidence(calibration_current=calibration(0.1), base="base-1")
    save_evidence(tmp_path / "gate.json", kept)
    assert load_evidence(tmp_path / "gate.json") == kept
    assert load_evidence(tmp_path) == kept
    assert judge(load_evidence(tmp_path)) == judge(kept)


def test_files_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no evidence of a gate at .*gate\.json"):
        load_evidence(tmp_path)
    path = tmp_path / "gate.json"
    for text in ("{", "[]", "{}", '"text"', '{"schema_version": 1, "candidate": 3}'):
        path.write_text(text)
        with pytest.raises(DataError, match="is no evidence of a gate"):
            load_evidence(path)
    newer = json.loads(evidence().to_json()) | {"schema_version": 2, "future": True}
    path.write_text(json.dumps(newer))
    with pytest.raises(DataError, match="schema 2; this version of BrainSeg knows 1"):
        load_evidence(path)
    unpaired = json.loads(evidence().to_json())
    unpaired["locked"][0]["candidate"]["volume_truth_vox"] = 7
    path.write_text(json.dumps(unpaired))
    with pytest.raises(DataError, match="L0 was not measured against the same mask"):
        load_evidence(path)


DSC = st.floats(0, 1, allow_nan=False)


@st.composite
def pairs(draw, prefix, *, least=0):
    found = draw(st.lists(st.tuples(DSC, DSC, st.booleans()), min_size=least, max_size=9))
    return [
        healthy(f"{prefix}{n}", int(before * 50), int(after * 50))
        if is_free
        else pair(f"{prefix}{n}", before, after)
        for n, (before, after, is_free) in enumerate(found)
    ]


@given(pairs("L"), pairs("C"), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(locked, corrections, rng: random.Random):
    first = judge(evidence(locked, corrections))
    rng.shuffle(locked)
    rng.shuffle(corrections)
    assert judge(evidence(locked, corrections)) == first


@given(pairs("L"), pairs("C"))
def test_what_is_written_never_contradicts_the_rules(locked, corrections):
    verdict = judge(evidence(locked, corrections))
    if len(locked) < 5:
        assert verdict.outcome is GateOutcome.NOT_ENOUGH
    elif verdict.broken:
        assert verdict.outcome is GateOutcome.FAILED
    else:
        assert verdict.outcome is not GateOutcome.FAILED
    if verdict.is_passed:
        assert verdict.mean_difference > -0.00501
        assert verdict.worst.drop < 0.03001
        assert corrections
    assert verdict.headline
    assert json.loads(verdict.model_dump_json())


@given(
    st.lists(st.floats(0, 0.9), min_size=5, max_size=9),
    st.lists(st.floats(0, 0.9), min_size=1, max_size=5),
    st.floats(1e-6, 0.1),
)
def test_a_candidate_that_is_better_everywhere_passes(locked, corrections, gain):
    verdict = judge(
        evidence(
            [pair(f"L{n}", value, value + gain) for n, value in enumerate(locked)],
            [pair(f"C{n}", value, value + gain) for n, value in enumerate(corrections)],
        )
    )
    assert verdict.is_passed


@given(st.floats(-0.2, 0.2))
def test_a_difference_is_written_on_its_side_of_the_limit(value):
    def holds(difference: float) -> bool:
        return difference >= -0.005 - 1e-9

    assert holds(float(signed(value, holds))) == holds(value)
