from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from napari_brainseg.core.dataset.locked import Known, LockedPatient, LockedSet
from napari_brainseg.core.dataset.preflight import (
    CorrectionFacts,
    LockedFacts,
    Needs,
    PreflightFacts,
    PreflightFinding,
    PreflightReport,
    preflight,
)

GB = 10**9


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def correction(name: str, **changes: object) -> CorrectionFacts:
    facts = CorrectionFacts(
        patient=name,
        image_sha256=digest(f"image of {name}"),
        mask_sha256=digest(f"mask of {name}"),
        lesion_vox=1000,
        base_vox=1000,
    )
    return replace(facts, **changes)


def locked_patient(name: str, **changes: object) -> LockedPatient:
    fields = {
        "patient": name,
        "image_sha256": digest(f"image of {name}"),
        "mask_sha256": digest(f"mask of {name}"),
        "mask_source": "ground truth",
        "path": f"/data/{name}",
        "lesion_vox": 500,
    }
    return LockedPatient(**{**fields, **changes})


CORRECTED = tuple(correction(f"C{n}") for n in range(8))
LOCKED = LockedSet(patients=tuple(locked_patient(f"L{n}") for n in range(5)), seed=1)
GOOD = PreflightFacts(CORRECTED, locked=LockedFacts(LOCKED), replayed=("B1", "B2"))


def look(**changes: object) -> PreflightReport:
    return preflight(replace(GOOD, **changes))


def with_locked(*patients: LockedPatient) -> LockedFacts:
    return LockedFacts(LockedSet(patients=(*LOCKED.patients[len(patients) :], *patients), seed=1))


def only(report: PreflightReport) -> PreflightFinding:
    (finding,) = report.findings
    return finding


def test_a_run_without_faults_can_start_and_says_what_it_is_made_of() -> None:
    facts = (replace(CORRECTED[0], is_new=False), *CORRECTED[1:])
    report = look(corrections=facts)
    assert report.findings == ()
    assert report.can_start
    assert not report.needs_expert
    assert len(report.corrections) == 8
    assert report.new_corrections == report.corrections[1:]
    assert report.replayed == ("B1", "B2")
    assert report.locked == LOCKED.names
    assert '"can_start":true' in report.model_dump_json()


def test_no_correction_stops() -> None:
    finding = look(corrections=()).find("no-corrections")
    assert finding is not None
    assert (finding.level, finding.hint) == (
        "stop",
        "Correct a patient and approve the correction first.",
    )


@pytest.mark.parametrize("count", [1, 7])
def test_few_cases_say_how_many_are_sensible_and_let_an_expert_go_on(count: int) -> None:
    report = look(corrections=CORRECTED[:count])
    finding = only(report)
    assert (finding.kind, finding.level) == ("too-few-cases", "warning")
    assert "sensible from 8 on" in finding.message
    assert f"{8 - count} more" in finding.hint
    assert report.can_start
    assert report.needs_expert


def test_a_corrected_locked_patient_is_refused_for_training() -> None:
    report = look(corrections=(*CORRECTED, correction("L0")))
    finding = only(report)
    assert (finding.kind, finding.patients) == ("locked-corrected", ("L0",))
    assert "Refused for training: L0" in finding.message
    assert "L0" not in report.corrections
    assert report.can_start


def test_another_study_of_a_locked_person_is_refused_too() -> None:
    locked = with_locked(locked_patient("TCGA_HT_0001_20010101"))
    report = look(corrections=(*CORRECTED, correction("TCGA_HT_0001_20020202")), locked=locked)
    assert only(report).patients == ("TCGA_HT_0001_20020202",)
    assert report.corrections == tuple(c.patient for c in CORRECTED)


def test_a_correction_that_was_locked_as_one_is_as_it_should_be() -> None:
    given_up = correction("L9")
    locked = with_locked(
        locked_patient("L9", mask_source="correction", mask_sha256=given_up.mask_sha256)
    )
    report = look(corrections=(*CORRECTED, given_up), locked=locked)
    assert report.findings == ()
    assert "L9" not in report.corrections
    again = replace(given_up, mask_sha256=digest("painted since"))
    assert only(look(corrections=(*CORRECTED, again), locked=locked)).kind == "locked-corrected"


def test_only_locked_patients_corrected_stops() -> None:
    report = look(corrections=(correction("L0"),))
    finding = report.find("no-corrections")
    assert finding is not None
    assert "are locked" in finding.message
    assert not report.can_start


def test_a_locked_image_under_another_name_stops() -> None:
    alias = correction("ALIAS", image_sha256=LOCKED.patients[0].image_sha256)
    report = look(corrections=(*CORRECTED, alias))
    finding = only(report)
    assert (finding.kind, finding.level, finding.patients) == ("locked-image", "stop", ("ALIAS",))
    assert "ALIAS is L0" in finding.message
    assert not report.can_start
    assert "ALIAS" not in report.corrections


def test_a_locked_mask_under_another_name_needs_an_expert_unless_empty() -> None:
    alias = correction("ALIAS", mask_sha256=LOCKED.patients[0].mask_sha256)
    report = look(corrections=(*CORRECTED, alias))
    assert only(report).kind == "locked-mask"
    assert report.needs_expert
    empty = replace(alias, lesion_vox=0)
    assert look(corrections=(*CORRECTED, empty)).find("locked-mask") is None


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"fault": "It was replaced.", "fault_hint": "Restore it."}, "locked-file", "replaced"),
        ({"absent": ("L1",)}, "locked-absent", "not at hand: L1"),
        ({"changed": ("L1", "L2")}, "locked-changed", "L1, L2"),
    ],
)
def test_a_locked_set_that_is_not_sound_stops(
    changes: dict[str, object], kind: str, said: str
) -> None:
    finding = only(look(locked=LockedFacts(LOCKED, **changes)))
    assert (finding.kind, finding.level) == (kind, "stop")
    assert said in finding.message
    assert finding.hint


@pytest.mark.parametrize(
    ("known", "how"),
    [
        (Known.of(["L3"]), "name"),
        (Known.of([], [LOCKED.patients[3].image_sha256]), "image"),
        (Known.of([], [], [LOCKED.patients[3].mask_sha256]), "mask"),
    ],
)
def test_a_locked_patient_of_the_base_stops(known: Known, how: str) -> None:
    finding = only(look(known=known))
    assert (finding.kind, finding.level, finding.patients) == ("locked-known", "stop", ("L3",))
    assert f"L3 ({how})" in finding.message


@pytest.mark.parametrize(("count", "kind"), [(0, "no-locked"), (4, "few-locked")])
def test_few_locked_patients_are_not_enough_evidence(count: int, kind: str) -> None:
    locked = LockedSet(patients=LOCKED.patients[:count], seed=1) if count else None
    report = look(locked=LockedFacts(locked))
    finding = only(report)
    assert (finding.kind, finding.level) == (kind, "warning")
    assert "not enough evidence" in finding.message
    assert report.can_start


def test_one_image_with_different_masks_stops() -> None:
    twin = correction("TWIN", image_sha256=CORRECTED[0].image_sha256)
    finding = only(look(corrections=(*CORRECTED, twin)))
    assert (finding.kind, finding.level) == ("contradictory-masks", "stop")
    assert finding.patients == ("C0", "TWIN")


def test_one_image_with_one_mask_counts_twice() -> None:
    twin = replace(CORRECTED[0], patient="TWIN")
    finding = only(look(corrections=(*CORRECTED, twin)))
    assert (finding.kind, finding.level) == ("same-image", "warning")
    assert "count 2 times" in finding.message


def test_one_mask_on_two_images_is_a_mix_up_unless_empty() -> None:
    twin = correction("TWIN", mask_sha256=CORRECTED[0].mask_sha256)
    finding = only(look(corrections=(*CORRECTED, twin)))
    assert (finding.kind, finding.patients) == ("same-mask", ("C0", "TWIN"))
    empty = tuple(
        correction(f"E{n}", lesion_vox=0, mask_sha256=digest("nothing")) for n in range(2)
    )
    assert look(corrections=(*CORRECTED, *empty)).find("same-mask") is None


@pytest.mark.parametrize("what", ["image", "mask"])
def test_what_the_base_knows_under_another_name_is_said(what: str) -> None:
    found = getattr(CORRECTED[0], f"{what}_sha256")
    finding = only(look(**{f"base_{what}s": {"B7": found}}))
    assert (finding.kind, finding.level, finding.patients) == (f"base-{what}", "warning", ("C0",))
    assert "C0 is B7" in finding.message
    assert look(**{f"base_{what}s": {"C0": found}}).findings == ()


def test_corrected_patients_of_the_base_are_noted() -> None:
    finding = only(look(known=Known.of(["C0", "C1", "B1"])))
    assert (finding.kind, finding.level, finding.patients) == ("base-patient", "note", ("C0", "C1"))


def test_empty_masks_are_noted_and_stop_where_there_is_nothing_else() -> None:
    empty = correction("EMPTY", lesion_vox=0)
    finding = only(look(corrections=(*CORRECTED, empty)))
    assert (finding.kind, finding.level, finding.patients) == ("empty-mask", "note", ("EMPTY",))
    nothing = tuple(replace(c, lesion_vox=0, base_vox=0) for c in CORRECTED)
    assert only(look(corrections=nothing)).kind == "all-empty"
    assert not look(corrections=nothing).can_start


def test_unchanged_corrections_are_noted() -> None:
    same = replace(CORRECTED[0], changed_vox=0)
    finding = only(look(corrections=(same, *CORRECTED[1:])))
    assert (finding.kind, finding.level) == ("unchanged", "note")


def test_a_correction_far_from_the_truth_is_noted_with_its_dsc() -> None:
    far, near = replace(CORRECTED[0], truth_dsc=0.31), replace(CORRECTED[1], truth_dsc=0.9)
    finding = only(look(corrections=(far, near, *CORRECTED[2:])))
    assert (finding.kind, finding.level, finding.patients) == ("contradicts-truth", "note", ("C0",))
    assert "DSC 0.31" in finding.message


def test_an_export_that_cannot_be_read_or_was_changed_stops() -> None:
    broken = replace(CORRECTED[0], fault="The slice x has shape (4, 4).", fault_hint="Export it.")
    finding = only(look(corrections=(broken, *CORRECTED[1:])))
    assert (finding.kind, finding.level) == ("unreadable", "stop")
    assert (finding.message, finding.hint) == (broken.fault, broken.fault_hint)
    changed = replace(CORRECTED[0], changed=("images", "masks"))
    finding = only(look(corrections=(changed, *CORRECTED[1:])))
    assert (finding.kind, finding.level) == ("changed-export", "stop")
    assert "C0 (images and masks)" in finding.message


def test_missing_slices_are_a_warning() -> None:
    gap = replace(CORRECTED[0], warnings=("Slice 4 is missing between 1 and 6.",))
    finding = only(look(corrections=(gap, *CORRECTED[1:])))
    assert (finding.kind, finding.level) == ("slices", "warning")
    assert finding.message == "C0: Slice 4 is missing between 1 and 6."


def test_label_drift_is_a_warning_with_figures() -> None:
    larger = tuple(replace(c, lesion_vox=1200 + n) for n, c in enumerate(CORRECTED))
    report = look(corrections=larger)
    finding = only(report)
    assert (finding.kind, finding.level) == ("label-drift", "warning")
    assert "20% larger" in finding.message
    assert report.can_start
    # What did not start from a prediction says nothing of the model.
    assert look(corrections=tuple(replace(c, base_vox=None) for c in larger)).findings == ()


def test_no_replay_is_said_plainly() -> None:
    finding = only(look(replayed=()))
    assert (finding.kind, finding.level) == ("no-replay", "warning")
    assert "No base data at hand: replay impossible, forgetting is more likely." in finding.message


@pytest.mark.parametrize(("free", "level"), [(1.5, "stop"), (3.0, "warning"), (5.0, None)])
def test_disk_is_compared_with_the_need(free: float, level: str | None) -> None:
    needs = Needs(disk=2 * GB, free_disk=int(free * GB), place="/work")
    finding = look(needs=needs).find("disk")
    assert (None if finding is None else finding.level) == level
    if finding is not None:
        assert f"{free:.1f} GB are free on the disk of /work" in finding.message
        assert "about 2.0 GB" in finding.message


def test_memory_is_compared_with_the_need() -> None:
    finding = only(look(needs=Needs(memory=2 * GB, free_memory=GB)))
    assert (finding.kind, finding.level) == ("memory", "warning")
    assert look(needs=Needs(memory=GB, free_memory=2 * GB)).findings == ()


@pytest.mark.parametrize(
    ("seconds", "said"), [(31, "40 s"), (100, "2 min"), (700, "12 min"), (7200, "2.0 h")]
)
def test_the_expected_time_is_a_note(seconds: float, said: str) -> None:
    report = look(expected_s=seconds, memory_mb=900.0)
    finding = only(report)
    assert (finding.kind, finding.level) == ("expected-time", "note")
    assert said in finding.message
    assert (report.expected_s, report.memory_mb) == (seconds, 900.0)


def test_what_stops_stands_first() -> None:
    report = look(
        corrections=(replace(CORRECTED[0], changed_vox=0, changed=("masks",)),), replayed=()
    )
    levels = [finding.level for finding in report.findings]
    assert levels == sorted(levels, key=["stop", "warning", "note"].index)
    assert not report.needs_expert  # it cannot start anyway
