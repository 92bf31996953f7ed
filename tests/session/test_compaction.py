from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from napari_brainseg.core.imaging import DataError, Study
from napari_brainseg.session import compaction, tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.compaction import compact
from napari_brainseg.session.stroke_archive import StrokeArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import Correction


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def case(study: Study, catalogue: Catalogue) -> Iterator[Case]:
    opened = Case(study, catalogue)
    opened.start_correction("truth", "Ada")
    yield opened
    opened.close()


@pytest.fixture
def correction(case: Case) -> Correction:
    assert case.correction is not None
    return case.correction


def paint(correction: Correction, seed: int, count: int) -> list[np.ndarray]:
    """Paint noise, which packs badly; returns the mask before it and after each stroke."""
    rng = np.random.default_rng(seed)
    masks = [correction.data.copy()]
    for _ in range(count):
        correction.data.flat[rng.integers(0, correction.data.size, 300)] ^= 1
        correction.commit("brush")
        masks.append(correction.data.copy())
    return masks


def stored(catalogue: Catalogue) -> tuple[int, int]:
    """Bytes of voxels in the rows of strokes, and number of archives."""
    strokes, archives = tables.strokes.c, tables.stroke_archives.c
    with catalogue.read() as connection:
        size = connection.execute(
            select(func.sum(func.length(strokes.voxels) + func.length(strokes.after)))
        ).scalar_one()
        return int(size), int(connection.execute(select(func.count(archives.id))).scalar_one())


def test_undo_redo_and_painting_go_on_after_packing(
    case: Case, correction: Correction, study: Study, catalogue: Catalogue
) -> None:
    masks = paint(correction, 1, 6)
    correction.go_to(4)
    compact(catalogue, correction.id)
    assert stored(catalogue) == (0, 1)
    correction.redo()
    np.testing.assert_array_equal(correction.data, masks[5])
    correction.go_to(2)
    masks = masks[:3] + paint(correction, 2, 3)[1:]
    compact(catalogue, correction.id)
    compact(catalogue, correction.id)
    assert stored(catalogue) == (0, 2)
    case.close()
    reopened = Case(study, catalogue)
    again = reopened.correction
    assert again is not None
    np.testing.assert_array_equal(again.data, masks[-1])
    for mask in reversed(masks[:-1]):
        assert again.undo() is not None
        np.testing.assert_array_equal(again.data, mask)
    assert again.undo() is None
    again.go_to(9)
    np.testing.assert_array_equal(again.data, masks[-1])
    reopened.close()


def test_nothing_to_pack_makes_no_archive(correction: Correction, catalogue: Catalogue) -> None:
    compact(catalogue, correction.id)
    with catalogue.read() as connection:
        assert connection.execute(select(tables.stroke_archives)).all() == []


def test_the_file_gets_shorter(correction: Correction, catalogue: Catalogue) -> None:
    paint(correction, 1, 200)
    files = [Path(catalogue.location), Path(f"{catalogue.location}-wal")]
    before = sum(path.stat().st_size for path in files)
    compact(catalogue, correction.id)
    assert sum(path.stat().st_size for path in files) < before
    assert files[1].stat().st_size == 0


def test_a_catalogue_in_use_is_packed_but_not_shortened(
    correction: Correction, catalogue: Catalogue
) -> None:
    paint(correction, 1, 5)
    other = sqlite3.connect(catalogue.location, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM strokes").fetchone()
    compact(catalogue, correction.id)
    assert stored(catalogue) == (0, 1)
    assert other.execute("SELECT sum(length(voxels)) FROM strokes").fetchone()[0] > 0
    other.close()
    correction.undo()
    assert correction.meter.strokes == 4


def test_an_archive_that_does_not_read_back_changes_nothing(
    correction: Correction, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = paint(correction, 1, 4)

    class Forgetful(StrokeArchive):
        def voxels(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            indices, before, after = super().voxels(number)
            return indices[1:], before[1:], after[1:]

    before = stored(catalogue)
    monkeypatch.setattr(compaction, "StrokeArchive", Forgetful)
    with pytest.raises(DataError, match="was not packed as it is"):
        compact(catalogue, correction.id)
    assert stored(catalogue) == before
    correction.undo()
    np.testing.assert_array_equal(correction.data, masks[3])


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"BSA1nonsense"])
def test_a_damaged_archive_is_said_to_be_so(
    correction: Correction, catalogue: Catalogue, damage: bytes
) -> None:
    paint(correction, 1, 2)
    compact(catalogue, correction.id)
    with catalogue.write() as connection:
        connection.execute(update(tables.stroke_archives).values(payload=damage))
    with pytest.raises(DataError, match=r"Stroke 2 .* cannot be read"):
        correction.undo()


stroke = st.sets(st.integers(0, 2**31), min_size=1, max_size=60)


@given(st.lists(stroke, min_size=1, max_size=8), st.integers(0, 2**32))
def test_strokes_come_back_from_an_archive(strokes: list[set[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    packed = []
    for number, voxels in enumerate(strokes):
        indices = np.array(sorted(voxels), np.int64)
        bits = rng.integers(0, 2, (2, indices.size)).astype(np.uint8)
        packed.append((number - 3, (indices, bits[0], bits[1])))
    archive = StrokeArchive(StrokeArchive.pack(packed))
    for number, voxels in packed:
        for wanted, found in zip(voxels, archive.voxels(number), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert len(strokes) not in archive
