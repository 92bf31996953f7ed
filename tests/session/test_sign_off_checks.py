from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.session.sign_off_checks import FindingKind, SignOffFacts, sign_off_checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (10, 40, 40)
SEEN = np.ones(SHAPE[0], np.bool_)


def block(*slices: int, size: int = 10, at: int = 5) -> NDArray[np.uint8]:
    mask = np.zeros(SHAPE, np.uint8)
    for z in slices:
        mask[z, at : at + size, at : at + size] = 1
    return mask


EMPTY = block()


def findings(mask: NDArray[np.uint8], **facts: object) -> list[tuple[str, int | None, str]]:
    given = {"mask": mask, "base": mask, "seen": SEEN, "least_island_vox": 50} | facts
    found = sign_off_checks(SignOffFacts(**given))  # type: ignore[arg-type]
    return [(f.kind.value, f.slice_index, f.message) for f in found]


def test_a_sound_correction_has_no_findings() -> None:
    mask = block(3, 4, 5)
    assert findings(mask, base=EMPTY, prediction=mask, truth=mask) == []
    assert findings(EMPTY, base=EMPTY, prediction=EMPTY, truth=None) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"truth": block(4, 5)}, "the ground truth is not"),
        ({"prediction": block(4, 5)}, "the prediction is not"),
        ({"base": block(4, 5)}, "started from a mask that was not"),
    ],
)
def test_a_mask_that_is_empty_by_accident(facts: dict[str, NDArray[np.uint8]], words: str) -> None:
    ((kind, where, message),) = findings(EMPTY, **({"base": EMPTY} | facts))
    assert (kind, where) == ("empty", 4)
    assert message.startswith("The mask is empty, but")
    assert words in message


def test_slices_with_or_beside_a_lesion_must_have_been_seen() -> None:
    seen = SEEN.copy()
    seen[[0, 2, 6, 9]] = False
    told = findings(block(3, 4), base=block(3, 4), prediction=block(5), seen=seen)
    assert told == [
        ("unseen", 2, "2 slices with or beside a lesion not looked at: 3, 7."),
    ]
    seen[:] = False
    ((_, where, message),) = findings(block(3, 4), seen=seen)
    assert (where, message) == (2, "4 slices with or beside a lesion not looked at: 3\u20136.")
    # What is not known is not held against anybody.
    assert findings(block(3, 4), seen=None) == []


def test_small_islands_beside_a_lesion_are_named_with_their_slice() -> None:
    mask = block(3, 4)
    mask[7, 30:35, 30:35] = 1
    mask[8, 0, 0] = 1
    assert findings(mask) == [
        ("island", 8, "Island of 1 voxel in slice 9."),
        ("island", 7, "Island of 25 voxels in slice 8."),
    ]
    assert findings(mask, least_island_vox=0) == []
    assert findings(mask, least_island_vox=20) == [("island", 8, "Island of 1 voxel in slice 9.")]


def test_a_lesion_that_is_small_as_a_whole_is_no_island() -> None:
    assert findings(block(3, 4, size=2)) == []


def test_many_islands_are_counted() -> None:
    mask = block(5, 6)
    mask[1, 0, ::2] = 1
    told = findings(mask)
    assert [where for _, where, _ in told] == [1] * 9
    assert told[-1][2] == "12 more small islands."


def test_an_edited_outline_that_stands_alone() -> None:
    base = block(4, 5)
    mask = base | block(1, at=25)
    assert findings(mask, base=base) == [
        ("isolated", 1, "The outline you edited in slice 2 has no lesion above or below."),
    ]
    # It was there before: nobody's slip.
    assert findings(mask, base=mask) == []
    touching = base | block(0, 1, 2, at=25)
    assert findings(touching, base=base) == []


def test_a_hole_between_slices() -> None:
    mask = block(2, 3, 5, 6)
    told = findings(mask, base=block(2, 3, 4, 5, 6))
    assert told == [
        ("gap", 4, "The lesion stops and goes on: nothing in slice 5 between its parts."),
    ]
    assert findings(mask, base=mask) == []
    # Another lesion further down is none.
    assert findings(block(0, 1, 7, 8), base=EMPTY) == []
    # Nor is one that lies elsewhere in the plane.
    assert findings(block(2, 3) | block(5, 6, at=25), base=EMPTY) == []


def test_a_gap_in_one_of_two_lesions_is_found() -> None:
    mask = block(1, 2, 3, 4, 5, 6) | block(2, 3, 6, 7, at=25)
    told = findings(mask, base=block(1, 2, 3, 4, 5, 6))
    assert told == [
        ("gap", 4, "The lesion stops and goes on: nothing in slices 5\u20136 between its parts."),
    ]


def test_what_is_not_saved_and_what_changed_on_disk() -> None:
    mask = block(3, 4)
    names = [f"P_{n}.tif" for n in range(5)]
    assert findings(mask, unsaved=1, changed_sources=names) == [
        ("unsaved", None, "1 stroke is not saved on disk yet."),
        (
            "source changed",
            None,
            "5 files of this patient changed on disk since it was opened: "
            "P_0.tif, P_1.tif, P_2.tif and 2 more.",
        ),
    ]


def test_every_kind_must_be_acknowledged() -> None:
    found = sign_off_checks(
        SignOffFacts(
            mask=block(2, 3, 5, 6) | block(0, at=25) | block(8, size=2, at=35),
            base=EMPTY,
            seen=~SEEN,
            least_island_vox=50,
            unsaved=2,
            changed_sources=("x",),
        )
    )
    assert {f.kind for f in found} == set(FindingKind) - {FindingKind.EMPTY}
    assert all(f.must_acknowledge for f in found)
