from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.dataset.locked import (
    Known,
    LockedPatient,
    LockedSet,
    choose_locked,
    draw_locked,
    eligible,
    extend_locked,
    freeze_locked,
    load_generations,
    load_locked,
    wanted_number,
)
from napari_brainseg.core.dataset.splits import same_person
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def candidate(
    patient: str,
    *,
    image: str | None = None,
    mask: str | None = None,
    corrected: bool = False,
    vox: int = 100,
) -> LockedPatient:
    return LockedPatient(
        patient=patient,
        image_sha256=digest(image or f"image of {patient}"),
        mask_sha256=digest(mask or f"mask of {patient}"),
        mask_source="correction" if corrected else "ground truth",
        path=f"/data/{patient}",
        lesion_vox=vox,
    )


def names(institution: str, count: int, *, first: int = 0) -> list[str]:
    return [f"TCGA_{institution}_{n:04}_20010101" for n in range(first, first + count)]


def test_the_draw_gives_each_institution_and_each_size_its_share() -> None:
    patients = [
        candidate(name, vox=0 if n % 5 == 0 else 100 * n)
        for institution in ("DU", "HT")
        for n, name in enumerate(names(institution, 20))
    ]
    locked = draw_locked(patients, seed=3)
    assert len(locked.patients) == 8  # a fifth of forty
    assert Counter(p.institution for p in locked.patients) == {"DU": 4, "HT": 4}
    for institution in ("DU", "HT"):
        sizes = sorted(p.lesion_vox for p in locked.patients if p.institution == institution)
        assert sizes[0] <= 400
        assert sizes[-1] >= 1400


def test_the_same_seed_draws_the_same_set_in_whatever_order_patients_come() -> None:
    patients = [candidate(name) for name in names("DU", 30)]
    first = draw_locked(patients, seed=3)
    assert draw_locked(reversed(patients), seed=3).digest == first.digest
    assert draw_locked(patients, seed=4).digest != first.digest


@pytest.mark.parametrize(
    ("at_hand", "wanted"), [(0, 5), (8, 5), (25, 5), (35, 7), (50, 10), (900, 10)]
)
def test_a_fifth_is_wanted_between_five_and_ten(at_hand: int, wanted: int) -> None:
    assert wanted_number(at_hand) == wanted


def test_ground_truth_comes_first_and_at_most_a_third_of_the_corrections_is_given_up() -> None:
    truths = [candidate(name) for name in names("DU", 2)]
    corrections = [candidate(name, corrected=True) for name in names("HT", 7)]
    locked = draw_locked([*truths, *corrections], seed=1)
    sources = Counter(p.mask_source for p in locked.patients)
    assert sources == {"ground truth": 2, "correction": 2}
    assert not locked.is_enough

    plenty = [candidate(name) for name in names("DU", 9)]
    locked = draw_locked([*plenty, *corrections], seed=1)
    assert {p.mask_source for p in locked.patients} == {"ground truth"}
    assert locked.is_enough


def test_one_or_two_corrections_are_never_given_up() -> None:
    locked = draw_locked([candidate(n, corrected=True) for n in names("HT", 2)], seed=1)
    assert locked.patients == ()


def test_known_by_name_image_or_mask_is_not_eligible() -> None:
    base = names("DU", 1)[0]
    patients = [
        candidate("TCGA_DU_0000_20020202"),  # another study of the same person
        candidate("A", image="known"),
        candidate("B", mask="known"),
        candidate("C", mask="empty", vox=0),  # empty masks are all alike
        candidate("D"),
    ]
    known = Known.of([base], {base: digest("known")}, [digest("known"), digest("empty")])
    assert [p.patient for p in eligible(patients, known)] == ["C", "D"]
    assert [known.why(p) for p in patients] == ["name", "image", "mask", "", ""]


def test_one_name_an_image_one_study_a_person_and_no_truth_of_a_corrected_one() -> None:
    patients = [
        candidate("TCGA_HT_0001_20010101", corrected=True, image="x"),
        candidate("TCGA_HT_0001_20020202"),
        candidate("ALIAS", image="x"),
        candidate("TCGA_HT_0002_20010101", image="y"),
        candidate("TWIN", image="y"),
    ]
    assert [p.patient for p in eligible(patients)] == [
        "TCGA_HT_0001_20010101",
        "TCGA_HT_0002_20010101",
    ]


def test_who_shows_a_trained_image_by_now_is_not_taken_over() -> None:
    earlier = choose_locked([candidate("A"), candidate("B")], ["A", "B"])
    at_hand = [candidate("A", image="learnt"), candidate("B"), candidate("C")]
    known = Known.of((), [digest("learnt")])
    assert extend_locked(earlier, at_hand, seed=1, wanted=2, known=known).names == ("B", "C")


PATIENTS = st.builds(
    lambda number, date, image, mask, corrected, vox: candidate(
        f"TCGA_DU_{number:04}_{date}",
        image=f"i{image}",
        mask=f"m{mask}",
        corrected=corrected,
        vox=vox,
    ),
    st.integers(0, 30),
    st.sampled_from(["20010101", "20020202"]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.booleans(),
    st.integers(0, 3),
)


@settings(deadline=None)
@given(
    candidates=st.lists(PATIENTS, max_size=30),
    base=st.lists(PATIENTS, max_size=15),
    seed=st.integers(0, 99),
    wanted=st.none() | st.integers(0, 12),
)
def test_a_drawn_set_never_holds_a_person_an_image_or_a_mask_of_the_base(
    candidates: list[LockedPatient], base: list[LockedPatient], seed: int, wanted: int | None
) -> None:
    known = Known.of(
        (p.patient for p in base),
        (p.image_sha256 for p in base),
        (p.mask_sha256 for p in base if p.lesion_vox),
    )
    drawn = [draw_locked(candidates, seed=seed, wanted=wanted, known=known)]
    try:
        drawn.append(extend_locked(drawn[0], candidates, seed=seed, wanted=12, known=known))
    except DataError:
        assert len(drawn[0].patients) <= 12
    for locked in drawn:
        for patient in locked.patients:
            assert not same_person(patient.patient, [p.patient for p in base])
            assert patient.image_sha256 not in known.images
            assert not (patient.lesion_vox and patient.mask_sha256 in known.masks)
        persons = [undated(name) for name in locked.names]
        assert len(set(persons)) == len(persons)
        given_up = sum(p.mask_source == "correction" for p in locked.patients)
        assert given_up <= sum(c.mask_source == "correction" for c in candidates) / 3


def test_named_patients_are_locked_or_refused_with_the_reason() -> None:
    patients = [candidate(n) for n in ("A", "B", "P_1_20010101", "P_1_20020202")]
    locked = choose_locked(patients, ["B", "A"])
    assert (locked.names, locked.seed, locked.generation) == (("A", "B"), None, 1)
    with pytest.raises(DataError, match="not at hand with a mask: Z"):
        choose_locked(patients, ["A", "Z"])
    with pytest.raises(DataError, match=r"trained on patients to be locked: B \(name\)"):
        choose_locked(patients, ["A", "B"], known=Known.of(["B"]))


def test_two_studies_of_one_person_are_not_locked_together() -> None:
    studies = ["TCGA_DU_0001_20010101", "TCGA_DU_0001_20020202"]
    with pytest.raises(DataError, match="more than once"):
        choose_locked([candidate(name) for name in studies], studies)


def test_a_frozen_set_reads_back_and_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "set" / "locked.json"
    assert load_locked(path) is None
    locked = draw_locked([candidate(n) for n in names("DU", 12)], seed=3)
    freeze_locked(path, locked)
    freeze_locked(path, draw_locked([candidate(n) for n in names("DU", 12)], seed=3))
    assert load_locked(path) == locked
    with pytest.raises(DataError, match="Another locked set is frozen"):
        freeze_locked(path, draw_locked([candidate(n) for n in names("HT", 12)], seed=3))


def test_an_extended_set_is_a_new_generation_and_the_earlier_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "locked.json"
    few = [candidate(n) for n in names("DU", 3)]
    first = draw_locked(few, seed=3)
    freeze_locked(path, first)
    more = [*few, *(candidate(n) for n in names("HT", 30))]
    second = extend_locked(first, more, seed=3)
    freeze_locked(path, second)
    assert load_generations(path) == (first, second)
    assert second.generation == 2
    assert set(first.names) < set(second.names)
    assert len(second.patients) == 7
    assert second.digest != first.digest
    named = extend_locked(second, more, seed=3, names=["TCGA_HT_0000_20010101", *second.names])
    assert set(named.names) == {*second.names, "TCGA_HT_0000_20010101"}
    with pytest.raises(DataError, match="Nobody can be added"):
        extend_locked(first, few, seed=3)
    with pytest.raises(DataError, match="does not follow"):
        freeze_locked(path, LockedSet(patients=(), generation=9))


def test_a_patient_that_a_new_base_knows_leaves_with_the_next_generation() -> None:
    few = [candidate(n) for n in names("DU", 6)]
    first = draw_locked(few, seed=3, wanted=3)
    known = Known.of([first.names[0]])
    second = extend_locked(first, few, seed=3, wanted=5, known=known)
    assert first.names[0] not in second.names
    assert len(second.patients) == 5


def test_a_locked_patient_that_was_corrected_keeps_its_ground_truth() -> None:
    first = draw_locked([candidate("A"), candidate("B")], seed=3, wanted=1)
    (name,) = first.names
    later = [candidate(n, corrected=n == name, mask=f"new {n}") for n in ("A", "B")]
    second = extend_locked(first, later, seed=3, wanted=2)
    assert next(p for p in second.patients if p.patient == name) == first.patients[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["generations"][0]["patients"].pop(), "digest"),
        (lambda c: c["generations"][0].update(seed=99), "digest"),
        (lambda c: c["generations"][0]["patients"][0].update(mask_sha256="0" * 64), "digest"),
        (lambda c: c["generations"].clear(), "generations"),
        (lambda c: c["generations"][0]["patients"][0].update(more=1), "Extra inputs"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "locked.json"
    freeze_locked(path, draw_locked([candidate(n) for n in names("DU", 12)], seed=3))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=said) as caught:
        load_locked(path)
    assert str(path) in caught.value.message
    assert "backup" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 1, "generations": 3}'])
def test_what_is_no_locked_set_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "locked.json"
    path.write_text(content)
    with pytest.raises(DataError, match="locked set"):
        load_locked(path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.json"
    path.write_text('{"schema_version": 9, "generations": []}')
    with pytest.raises(DataError, match="format 9"):
        load_locked(path)


def test_a_folder_that_moved_holds_the_same_set() -> None:
    locked = draw_locked([candidate("A")], seed=3, wanted=1)
    moved = [p.model_copy(update={"path": "/elsewhere/A"}) for p in locked.patients]
    assert LockedSet(patients=tuple(moved), seed=3).digest == locked.digest
