"""Every status of a case has its word, its sign and its place in the list."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor, QImage, QPainter

from napari_brainseg.session.case_log import CaseStatus
from napari_brainseg.session.worklist import Worklist
from napari_brainseg.session.worklist_row import WorklistRow
from napari_brainseg.widgets.worklist_columns import columns
from napari_brainseg.widgets.worklist_filter import (
    STATUSES,
    is_kind,
    kind_title,
    status_word,
    tally,
)
from napari_brainseg.widgets.worklist_marks import draw_sign
from napari_brainseg.widgets.worklist_names import Names
from napari_brainseg.widgets.worklist_words import spoken


def row(status, **fields):
    return WorklistRow("P", Path("P"), status=status, **fields)


def test_lists_name_the_same_statuses():
    assert [str(s) for s in STATUSES] == [s.value for s in CaseStatus]
    worklist = Worklist(lambda: None)
    assert list(worklist.counts) == [s.value for s in CaseStatus]
    worklist.close()


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_found_by_its_kind_and_counted(status):
    rows = [row(s.value) for s in CaseStatus]
    assert [r.status for r in rows if is_kind(r, status)] == [status]
    assert tally(rows)[status] == 1
    assert status_word(status) == status.value
    assert kind_title(status)[0].isupper()


def test_statuses_sort_as_the_work_goes():
    (column,) = [c for c in columns() if c.key == "status"]
    ranks = [column.value(row(s.value)) for s in CaseStatus]
    assert ranks == sorted(set(ranks))


def test_no_two_signs_look_alike(qapp):
    pictures = set()
    for status in (*STATUSES, "faults", "vanished"):
        image = QImage(32, 32, QImage.Format.Format_ARGB32)
        image.fill(0)
        painter = QPainter(image)
        draw_sign(painter, status, QRectF(0, 0, 32, 32), QColor("white"))
        painter.end()
        bits = image.constBits()
        bits.setsize(image.sizeInBytes())
        pictures.add(bytes(bits))
    assert len(pictures) == len(STATUSES) + 2


def test_who_asks_is_said():
    words = spoken(row("second reader", asked_by="Ada"), Names(["P"]), is_open=False)
    assert "Ada asks for a second reader" in words


def test_a_prediction_by_another_model_than_the_one_in_use_is_said():
    stale = row("new", volume_vox=9, model_version="v1", is_stale=True)
    assert "Predicted by v1; another model is in use now" in spoken(
        stale, Names(["P"]), is_open=False
    )
    column = next(c for c in columns() if c.key == "model")
    assert column.text(stale) == "v1 (not in use)"
    assert column.text(row("new", model_version="v1")) == "v1"
