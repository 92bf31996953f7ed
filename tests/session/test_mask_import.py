"""A mask from a file is one action of the correction, which undo takes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.mask_import import IMPORT, import_mask, load_mask
from napari_brainseg.session.write_right import TakenOverError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def case(make_study: Callable[..., Study], catalogue: Catalogue) -> Case:
    return Case(make_study(), catalogue)


def drawn(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    mask[1:5, 4:20, 10:12] = 1
    return mask


def saved_mask(folder: Path, case: Case, mask: NDArray[np.uint8] | None = None) -> Path:
    data = drawn(case.shape) if mask is None else mask
    return write_patient(
        folder / "masks", case.patient, None, data, case.study.slice_numbers, overwrite=True
    )


def test_a_correction_begins_with_the_mask(
    case: Case, tmp_path: Path, make_study: Callable[..., Study], catalogue: Catalogue
) -> None:
    stroke = import_mask(case, saved_mask(tmp_path, case), "Ada")

    correction = case.correction
    assert correction is not None
    assert stroke is not None
    assert correction.base == "empty"
    np.testing.assert_array_equal(correction.data, drawn(case.shape))
    (action,) = correction.actions()
    assert (action.tool, action.editor, action.added) == (IMPORT, "Ada", stroke.added)
    assert (action.first_slice, action.last_slice) == (1, 4)
    again = Case(make_study(), catalogue)
    assert again.correction is not None
    np.testing.assert_array_equal(again.correction.data, drawn(case.shape))


def test_undo_and_redo_take_it_back_and_do_it_again(case: Case, tmp_path: Path) -> None:
    correction = case.start_correction("truth", "Ada")
    correction.data[0, :3, :3] = 1
    correction.commit("brush")
    before = correction.saved

    import_mask(case, saved_mask(tmp_path, case), "Ada")
    assert len(correction.actions()) == 2
    correction.undo()
    np.testing.assert_array_equal(correction.data, before)
    correction.redo()
    np.testing.assert_array_equal(correction.data, drawn(case.shape))
    correction.go_to(0)
    np.testing.assert_array_equal(correction.data, case.truth)


def test_paint_that_was_not_committed_is_an_action_before_it(case: Case, tmp_path: Path) -> None:
    correction = case.start_correction("empty", "Ada")
    correction.data[0, 0, :5] = 1

    import_mask(case, saved_mask(tmp_path, case), "Ada")

    assert [action.tool for action in correction.actions()] == ["other", IMPORT]
    np.testing.assert_array_equal(correction.data, drawn(case.shape))


def test_the_same_mask_again_changes_nothing(case: Case, tmp_path: Path) -> None:
    path = saved_mask(tmp_path, case)
    import_mask(case, path, "Ada")

    assert import_mask(case, path, "Ada") is None
    assert len(case.correction.actions()) == 1


def test_the_history_keeps_what_it_was_and_no_names(case: Case, tmp_path: Path) -> None:
    import_mask(case, saved_mask(tmp_path / "Jane Doe", case), "Ada")

    (action,) = case.correction.actions()
    assert action.parameters["format"] == "kaggle_3m TIFF"
    assert action.parameters["voxels"] == drawn(case.shape).sum()
    assert "Doe" not in str(dict(action.parameters))


def test_a_mask_that_does_not_fit_changes_nothing(case: Case, tmp_path: Path) -> None:
    path = write_patient(tmp_path, "X", None, np.ones((2, 5, 5), np.uint8), [1, 2])

    with pytest.raises(DataError, match="another grid"):
        import_mask(case, path, "Ada")

    assert case.correction is None


def test_nobody_is_asked_for(case: Case, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Nobody is named"):
        import_mask(case, saved_mask(tmp_path, case), "")


def test_a_case_of_another_window_is_left_alone(
    make_study: Callable[..., Study], workspace: Workspace, tmp_path: Path
) -> None:
    study, catalogues = make_study(), [Catalogue(workspace.catalogue) for _ in range(2)]
    first = Case(study, catalogues[0], window="first")
    correction = first.start_correction("empty", "Ada")
    second = Case(study, catalogues[1], window="second")

    with pytest.raises(TakenOverError, match="Ada"):
        import_mask(second, saved_mask(tmp_path, first), "Bob")

    assert not correction.data.any()
    for case, catalogue in zip((first, second), catalogues, strict=True):
        case.close()
        catalogue.close()


def test_a_correction_that_was_set_aside_meanwhile_is_not_painted_on(
    case: Case, tmp_path: Path
) -> None:
    loaded = load_mask(case, saved_mask(tmp_path, case), "Ada")
    case.discard_correction()

    with pytest.raises(DataError, match="no longer open"):
        loaded.apply()


def test_the_desk_knows_case_and_editor(
    workspace: Workspace, make_root: Callable[..., Path], tmp_path: Path
) -> None:
    desk = Desk(workspace)
    desk.preferences.set(predict_on_open=False)
    try:
        with pytest.raises(DataError, match="No patient is open"):
            import_mask(desk, tmp_path)
        case = desk.open(make_root("TEST_AB_0001_20200101"))
        desk.editor = "Ada"
        meters: list[object] = []
        desk.corrected.connect(meters.append)

        import_mask(desk, saved_mask(tmp_path, case))

        assert case.status == "corrected"
        assert meters
        assert case.correction.actions()[0].editor == "Ada"
    finally:
        desk.close()
