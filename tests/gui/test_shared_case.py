"""A case that another window corrects, in a real window."""

from __future__ import annotations

from typing import Any

import pytest

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue


def test_a_window_looks_on_takes_over_and_loses_the_case_again(window: Any) -> None:
    window.open()
    window.desk.editor = "A. Tester"
    mine = window.desk.case
    catalogue = Catalogue(window.desk.workspace.catalogue)
    theirs = Case(mine.study, catalogue, image_sha256=mine.image_sha256, window="theirs")
    theirs.start_correction("truth", "Bob")

    # It shows, stroke by stroke, and cannot be painted on.
    window.wait(lambda: window.view.layers.correction is not None)
    layer = window.view.layers.correction
    assert mine.read_only.startswith("Bob is correcting")
    assert not layer.editable
    theirs.correction.data[3, 2:6, 2:6] = 1
    theirs.correction.commit()
    window.wait(lambda: layer.data[3, 2:6, 2:6].all())
    assert not layer.editable
    layer.mode = "paint"
    window.drag((50, 50), (54, 50))
    assert window.view.editor.undo() is None
    assert len(theirs.correction.actions()) == 1

    mine.take_over("A. Tester")
    window.wait(lambda: layer.editable)
    window.view.make_active(layer)
    layer.mode = "paint"
    z = window.view.slice_index
    window.drag((50, 50), (54, 50))
    assert mine.correction.data[z, 50, 50] == 1
    assert mine.correction.unsaved == 0
    theirs.correction.data[0, 0, 0] = 1
    with pytest.raises(DataError, match=r"A\. Tester is correcting"):
        theirs.correction.commit()

    # The other one takes it back: the next stroke here is kept, and laid on top later.
    theirs.follow()
    theirs.take_over("Bob")
    assert theirs.correction.data[0, 0, 0] == 1
    window.drag((10, 50), (14, 50))
    window.wait(lambda: not layer.editable)
    assert mine.kept_strokes == 1
    assert layer.data[0, 0, 0] == 1
    assert layer.data[z, 10, 50] == 0
    theirs.close()
    mine.take_over("A. Tester")
    window.wait(lambda: layer.editable)
    assert layer.data[z, 10, 50] == 1
    assert layer.data[0, 0, 0] == 1
    assert mine.correction.unsaved == 0
    catalogue.close()
