from __future__ import annotations

import io
import math

import torch

from training.early_stopping import EarlyStopping


def test_stops_after_so_many_epochs_without_a_new_best() -> None:
    stopping = EarlyStopping(2)
    scores = [0.1, 0.5, 0.4, 0.6, 0.6, 0.5]
    assert [stopping.update(score) for score in scores] == [False] * 5 + [True]


def test_nan_is_no_progress_and_no_best() -> None:
    stopping = EarlyStopping(3)
    assert [stopping.update(s) for s in (math.nan, math.nan, 0.2)] == [False] * 3
    assert [stopping.update(s) for s in (math.nan, 0.1, math.nan)] == [False, False, True]


def test_goes_on_from_a_checkpoint() -> None:
    stopping = EarlyStopping(3)
    for score in (0.5, 0.4, 0.3):
        stopping.update(score)
    file = io.BytesIO()
    torch.save(stopping.state_dict(), file)
    file.seek(0)
    resumed = EarlyStopping(3)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.update(0.5)
    fresh = EarlyStopping(3)
    file = io.BytesIO()
    torch.save(fresh.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert not resumed.update(-1.0)
