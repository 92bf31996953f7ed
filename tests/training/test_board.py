"""What a run writes for TensorBoard can be read back as curves and pictures."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.board import Board

if TYPE_CHECKING:
    from pathlib import Path

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    """A patient as the loop validates it."""
    study = phantom_study(5, 1, slices=6, size=64, lesions=1)
    prepared = get_recipe("native").prepare(study.image.data)
    return SimpleNamespace(patient=study.patient, prepared=prepared, truth=study.truth.data)


def read(folder: Path) -> EventAccumulator:
    from tensorboard.backend.event_processing import event_accumulator

    board = event_accumulator.EventAccumulator(
        str(folder / "tensorboard"), size_guidance={"images": 0, "scalars": 0}
    )
    board.Reload()
    return board


def test_curves_come_back_and_gaps_are_left_out(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        board.scalars(1, {"loss/train": 0.5, "dsc/validation": None})
        board.scalars(2, {"loss/train": 0.25, "dsc/validation": 0.75})

    found = read(tmp_path)
    assert [(p.step, p.value) for p in found.Scalars("loss/train")] == [(1, 0.5), (2, 0.25)]
    assert [(p.step, p.value) for p in found.Scalars("dsc/validation")] == [(2, 0.75)]


def test_patients_are_shown_with_both_outlines(tmp_path: Path, case) -> None:
    mask = np.roll(case.truth, 3, axis=2)
    many = [SimpleNamespace(**{**vars(case), "patient": f"P{n}"}) for n in range(5)]
    with Board(tmp_path) as board:
        board.images(1, [(one, mask) for one in many])

    found = read(tmp_path)
    tags = found.Tags()["images"]
    assert {tag.partition("/")[0] for tag in tags} == {"P0", "P1", "P2"}
    with Image.open(io.BytesIO(found.Images("P0/largest area")[0].encoded_image_string)) as shown:
        assert shown.size == (64, 64)
        pixels = np.asarray(shown.convert("RGB"))
    for colour in ((255, 0, 0), (0, 255, 0)):
        assert (pixels == colour).all(axis=-1).any()
    grey = pixels[(pixels[..., 0] == pixels[..., 1]) & (pixels[..., 1] == pixels[..., 2])]
    assert grey.max() > 200, "the head is seen"
    assert pixels[0, 0].tolist() == [0, 0, 0], "the background is dark"


def test_later_epochs_are_shown_less_often(tmp_path: Path, case) -> None:
    with Board(tmp_path) as board:
        for epoch in range(1, 31):
            board.images(epoch, [(case, case.truth)])

    steps = [p.step for p in read(tmp_path).Images(f"{case.patient}/largest area")]
    assert steps[:10] == list(range(1, 11))
    assert len(steps) < 20


def test_charts_are_shown(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5), (1, 2, 3)).save(buffer, "PNG")
    with Board(tmp_path) as board:
        board.figures(4, {"calibration": buffer.getvalue()})

    (shown,) = read(tmp_path).Images("calibration")
    assert (shown.step, shown.width, shown.height) == (4, 7, 5)


def test_nothing_is_written_by_a_board_that_is_not_used(tmp_path: Path) -> None:
    Board(tmp_path).close()

    assert not (tmp_path / "tensorboard").exists()


def test_a_resumed_run_hides_what_was_beyond_its_start(tmp_path: Path) -> None:
    with Board(tmp_path) as board:
        for epoch in (1, 2, 3):
            board.scalars(epoch, {"loss/train": float(epoch)})
    with Board(tmp_path, first_epoch=3) as board:
        board.scalars(3, {"loss/train": 30.0})

    points = {p.step: p.value for p in read(tmp_path).Scalars("loss/train")}
    assert points == {1: 1.0, 2: 2.0, 3: 30.0}
