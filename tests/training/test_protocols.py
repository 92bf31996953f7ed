"""Who trains, validates and tests under each protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, institution_of
from napari_brainseg.core.formats import StudyFolder, discover, undated
from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.core.protocol import parse_config
from training.protocols import Partition, split_patients

OTHERS = [f"TCGA_{site}_{n:04d}_19990101" for site in ("DU", "HT", "FG") for n in range(1, 9)]
EVERYONE = [*REFERENCE_VALIDATION, *OTHERS]


def folders(*names: str) -> dict[str, StudyFolder]:
    return {name: StudyFolder(Path(name), name, (), (), ()) for name in names}


def split(names: list[str], **changes: Any) -> Partition:
    return split_patients(parse_config({"data": ["x"], **changes}), folders(*names))


def test_reference_validates_on_the_ten_by_name_and_trains_on_all_others() -> None:
    parts = split(EVERYONE, protocol="reference")
    assert parts.validation == REFERENCE_VALIDATION
    assert parts.train == tuple(sorted(OTHERS))
    assert parts.test == ()


def test_reference_with_some_of_the_ten_names_the_absent_and_draws_nobody_else() -> None:
    parts = split([*REFERENCE_VALIDATION[:3], *OTHERS], protocol="reference")
    assert parts.validation == REFERENCE_VALIDATION[:3]
    assert not set(parts.train) & set(REFERENCE_VALIDATION)
    assert any("7 of the ten" in n and "TCGA_HT_7692_19960724" in n for n in parts.notes)


def test_reference_without_any_of_the_ten_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"None of the ten .*TCGA_HT_7616_19940813"):
        split(OTHERS, protocol="reference")


def test_another_study_of_a_reference_patient_does_not_train() -> None:
    other = "TCGA_CS_4944_20020101"
    parts = split([*EVERYONE, other], protocol="reference")
    assert other not in parts.train + parts.validation
    assert any(other in note for note in parts.notes)


def test_clean_tests_on_the_ten_and_chooses_nothing_on_them() -> None:
    parts = split(EVERYONE, protocol="clean", test_patients=OTHERS[:1])
    assert set(parts.test) == {*REFERENCE_VALIDATION, OTHERS[0]}
    assert len(parts.validation) == 2  # a tenth of the 23 others
    assert sorted(parts.train + parts.validation) == sorted(OTHERS[1:])


def test_clean_can_do_without_validation_and_says_when_it_has_no_test() -> None:
    parts = split(OTHERS, protocol="clean", validation_share=0)
    assert (parts.validation, parts.test) == ((), ())
    assert len(parts.train) == len(OTHERS)
    assert any("nobody to test with" in note for note in parts.notes)


def test_clean_refuses_a_choice_on_a_test_patient() -> None:
    with pytest.raises(ConfigError, match=f"validate with .*test.*{REFERENCE_VALIDATION[0]}"):
        split(EVERYONE, protocol="clean", validation_patients=REFERENCE_VALIDATION[:1])


@pytest.mark.parametrize("lock", [True, False])
def test_folds_hold_everyone_who_is_not_kept_out_once(lock: bool) -> None:
    common = {
        "protocol": "k-fold", "folds": 4, "lock_reference": lock, "test_patients": OTHERS[:1],
        "locked_patients": OTHERS[1:2],
    }  # fmt: skip
    parts = [split(EVERYONE, **common, fold=fold) for fold in (1, 2, 3, 4)]
    validated = [name for part in parts for name in part.validation]
    expected = OTHERS[2:] if lock else [*OTHERS[2:], *REFERENCE_VALIDATION]
    assert sorted(validated) == sorted(expected)
    for part in parts:
        assert sorted(part.train + part.validation) == sorted(expected)
        assert part.test == (OTHERS[0],)
        assert {institution_of(n) for n in part.validation} >= {"DU", "HT", "FG"}


def test_more_folds_than_persons_are_refused() -> None:
    with pytest.raises(DataError, match="3 persons cannot be dealt to 4 folds"):
        split(OTHERS[:3], protocol="k-fold", folds=4)


def test_hold_out_takes_a_fifth_of_every_institution() -> None:
    names = [f"TCGA_{site}_{n:04d}" for site in ("DU", "HT") for n in range(20)]
    parts = split(names, protocol="hold-out")
    sites = [institution_of(n) for n in parts.validation]
    assert (sites.count("DU"), sites.count("HT")) == (4, 4)
    assert len(parts.train) == 32
    assert split(names[::-1], protocol="hold-out") == parts
    assert split(names, protocol="hold-out", seed=7).validation != parts.validation


def test_unlocked_reference_patients_are_drawn_like_others_by_hold_out() -> None:
    parts = split(EVERYONE, protocol="hold-out", lock_reference=False)
    assert len(parts.validation) == 7  # of 34
    assert set(parts.train) & set(REFERENCE_VALIDATION)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"train_patients": ["A"], "validation_patients": ["A"]}, "train on .*: A"),
        ({"train_patients": ["B_20000101"], "test_patients": ["B_20010101"]}, "B_20000101"),
        ({"validation_patients": ["A"], "test_patients": ["A"]}, "validate with .*test.*: A"),
        ({"validation_patients": ["A"], "locked_patients": ["A"]}, "locked: A"),
        ({"train_patients": ["A"], "locked_patients": ["A_19990101"]}, "train on .*: A"),
        ({"test_patients": ["NOBODY"]}, "not in the data: NOBODY"),
        ({"test_patients": ["A"], "locked_patients": ["B", "C"]}, "No patient is left"),
    ],
)
def test_leaks_and_absent_patients_are_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        split(["A", "B_20000101", "B_20010101", "C"], **changes)


def test_free_keeps_test_patients_and_their_other_studies_out() -> None:
    names = ["A_20000101", "A_20010101", *OTHERS]
    parts = split(names, test_patients=["A_20000101"])
    assert "A_20010101" not in parts.train + parts.validation
    assert any("A_20010101" in note for note in parts.notes)
    assert parts.test == ("A_20000101",)
    assert len(parts.validation) == 2


def test_fewer_patients_than_a_full_training_asks_for_are_said_unless_fine_tuning() -> None:
    many = [f"P{n}" for n in range(100)]
    assert split(many).notes == ()
    assert any("99 patients" in note for note in split(many[1:]).notes)
    assert split(many[1:], base="bundle").notes == ()


@pytest.mark.real_data
def test_protocols_on_real_patients(data_root: Path) -> None:
    found = {folder.patient: folder for folder in discover(data_root).folders}
    config = parse_config({"data": [str(data_root)], "protocol": "reference"})
    parts = split_patients(config, found)
    assert set(parts.validation) == set(found) & set(REFERENCE_VALIDATION)
    assert not {undated(n) for n in parts.train} & {undated(n) for n in REFERENCE_VALIDATION}
    assert len(parts.train) + len(parts.validation) == len(found)
