from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.dataset.splits import (
    REFERENCE_VALIDATION,
    Split,
    check_no_leakage,
    draw_split,
    freeze_split,
    institution_of,
    k_fold,
    load_split,
    same_person,
)
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.lists(
    st.builds("P{}_2001010{}".format, st.integers(0, 30), st.integers(1, 3)), max_size=40
)


@given(NAMES, st.integers(0, 1000), st.floats(0, 0.99), st.randoms())
def test_a_draw_uses_everyone_once_and_splits_no_person(names, seed, share, shuffler) -> None:
    split = draw_split(names, seed=seed, share=share)

    assert sorted(split.train + split.validation) == sorted(set(names))
    assert not {undated(n) for n in split.train} & {undated(n) for n in split.validation}
    persons = len({undated(n) for n in names})
    if share > 0 and persons > 1:
        assert split.train
        assert split.validation
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    assert draw_split(shuffled, seed=seed, share=share) == split


TCGA_NAMES = st.lists(
    st.builds(
        "TCGA_{}_{}_2001010{}".format,
        st.sampled_from(["DU", "HT", "CS", "EZ"]),
        st.integers(0, 12),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=60,
)


def _by_institution(names) -> Counter[str]:
    return Counter(institution_of(person) for person in {undated(name) for name in names})


@given(TCGA_NAMES, st.integers(0, 1000), st.integers(2, 6), st.randoms())
def test_every_person_validates_in_one_fold_and_folds_are_alike(names, seed, k, shuffler) -> None:
    persons = _by_institution(names)
    if persons.total() < k:
        with pytest.raises(DataError, match=f"{persons.total()} persons .* {k} folds"):
            k_fold(names, folds=k, seed=seed, never_train=())
        return

    folds = k_fold(names, folds=k, seed=seed, never_train=())

    assert sorted(name for fold in folds for name in fold.validation) == sorted(set(names))
    for fold in folds:
        assert sorted(fold.train + fold.validation) == sorted(set(names))
    counts = [_by_institution(fold.validation) for fold in folds]
    for numbers in ([c.total() for c in counts], *([c[i] for c in counts] for i in persons)):
        assert max(numbers) - min(numbers) <= 1
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    assert k_fold(shuffled, folds=k, seed=seed, never_train=()) == folds


def test_folds_leave_reference_patients_out_and_follow_the_seed() -> None:
    others = [f"TCGA_XX_{n}_20010101" for n in range(20)]
    names = [*REFERENCE_VALIDATION, "TCGA_CS_4944_20200101", *others]

    folds = k_fold(names, folds=5, seed=1)

    assert sorted(name for fold in folds for name in fold.validation) == sorted(others)
    assert k_fold(names, folds=5, seed=2) != folds
    with pytest.raises(DataError, match="1 folds"):
        k_fold(names, folds=1, seed=1)


@given(TCGA_NAMES, st.integers(0, 1000), st.floats(0, 0.99))
def test_a_stratified_draw_takes_the_same_share_of_every_institution(names, seed, share) -> None:
    split = draw_split(names, seed=seed, share=share, never_train=(), stratified=True)

    plain = draw_split(names, seed=seed, share=share, never_train=())
    persons, drawn = _by_institution(names), _by_institution(split.validation)
    assert sorted(split.train + split.validation) == sorted(set(names))
    assert drawn.total() == _by_institution(plain.validation).total()
    for institution, number in persons.items():
        assert abs(drawn[institution] - number * drawn.total() / persons.total()) < 1 + 1e-9


@pytest.mark.parametrize(
    ("name", "institution"),
    [("TCGA_DU_5851_19950428", "DU"), ("TCGA_FG_A4MT", "FG"), ("PHANTOM_1_2", ""), ("TCGA", "")],
)
def test_the_institution_is_the_second_part_of_a_tcga_name(name, institution) -> None:
    assert institution_of(name) == institution


def test_share_and_seed_decide_the_draw() -> None:
    names = [f"P{n}" for n in range(50)]

    one = draw_split(names, seed=1, share=0.2)

    assert len(one.validation) == 10
    assert draw_split(names, seed=2, share=0.2).validation != one.validation
    assert draw_split(names, seed=1, share=0).validation == ()


def test_reference_patients_never_train_and_count_towards_the_share() -> None:
    others = [f"TCGA_XX_{n}_20010101" for n in range(90)]

    split = draw_split([*REFERENCE_VALIDATION, *others], seed=0, share=0.1)

    assert set(split.validation) == set(REFERENCE_VALIDATION)


def test_never_train_holds_under_another_date_and_even_if_nobody_is_left() -> None:
    split = draw_split(["TCGA_CS_4944_20200101", "TCGA_CS_4944_20010208"], seed=0, share=0.1)

    assert split.train == ()
    assert len(split.validation) == 2


def test_never_train_can_be_lifted() -> None:
    assert draw_split(REFERENCE_VALIDATION, seed=0, share=0.2, never_train=()).train


def test_share_out_of_range() -> None:
    with pytest.raises(DataError, match=r"1\.5"):
        draw_split(["A"], seed=0, share=1.5)


def test_leakage_is_refused_with_names_also_under_another_date() -> None:
    with pytest.raises(DataError, match="2 patients") as caught:
        check_no_leakage(["A", "B_20010101", "C"], ["A", "B_20020202", "D"])
    assert "A, B_20010101 as B_20020202" in caught.value.message
    with pytest.raises(DataError, match="A"):
        Split(("A",), ("A",))
    check_no_leakage(["A"], ["B"])


def test_a_name_twice_on_one_side_is_refused() -> None:
    with pytest.raises(DataError, match="training patients name A twice"):
        Split(("A", "A"), ("B",))


def test_same_person() -> None:
    assert same_person("TCGA_CS_4944", REFERENCE_VALIDATION)
    assert not same_person("TCGA_CS_4943_20000902", REFERENCE_VALIDATION)


def test_the_digest_ignores_order_but_nothing_else() -> None:
    split = Split(("A", "B"), ("C",), 1)

    assert Split(("B", "A"), ("C",), 1).digest == split.digest
    others = [Split(("A",), ("C",), 1), Split(("A", "B"), ("C",), 2), Split(("C",), ("A", "B"), 1)]
    assert split.digest not in {other.digest for other in others}


def test_a_frozen_split_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "set" / "splits.json"
    split = Split(("B", "A"), ("C",), 7)

    freeze_split(path, split)
    freeze_split(path, split)

    assert load_split(path) == split
    assert [p.name for p in path.parent.iterdir()] == ["splits.json"]


def test_another_split_does_not_replace_a_frozen_one(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    freeze_split(path, Split(("A",), ("B",)))

    with pytest.raises(DataError, match=r"Another split is frozen .*1 training and 1 validation"):
        freeze_split(path, Split(("B",), ("A",)))
    assert load_split(path).train == ("A",)


def test_an_edited_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    freeze_split(path, Split(("A", "B"), ("C",)))
    content = json.loads(path.read_text())
    content["train"].append("D")
    path.write_text(json.dumps(content))

    with pytest.raises(DataError, match="does not fit its digest") as caught:
        load_split(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "cannot be read"),
        ("[]", "is no split"),
        ('{"train": "A", "validation": [], "seed": 1, "digest": "x"}', "is no split"),
        ('{"train": [], "validation": [], "seed": 1}', "is no split"),
    ],
)
def test_a_file_that_is_no_split(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(content)

    with pytest.raises(DataError, match=fault):
        load_split(path)
    with pytest.raises(DataError, match="no split"):
        load_split(tmp_path / "nowhere.json")
