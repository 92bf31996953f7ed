"""Checkpoints survive damage, a kill while they are written, and a full disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_brainseg.core.imaging import ConfigError, ModelError
from training.checkpoints import load_checkpoint, save_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def state(step: int) -> dict[str, Any]:
    weights = torch.full((64, 64), float(step))
    return {"step": step, "network": {"weight": weights}, "data_sha256": "d"}


@pytest.fixture
def last(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "last.pt"
    save_atomically(state(1), path)
    save_atomically(state(2), path)
    return path


def test_the_last_one_is_taken_and_the_one_before_is_there(last: Path) -> None:
    assert load_checkpoint(last, "d")["step"] == 2
    assert load_checkpoint(last.with_name("previous.pt"), "d")["step"] == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def flip(path: Path) -> None:
    """One bit of a weight, which torch alone would not notice."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_damaged_one_falls_back_to_the_one_before_which_is_not_lost_then(
    last: Path, damage: Callable[[Path], None]
) -> None:
    damage(last)
    told: list[str] = []
    assert load_checkpoint(last, "d", tell=told.append)["step"] == 1
    assert "damaged" in told[0]
    save_atomically(state(3), last)
    assert load_checkpoint(last, "d")["step"] == 3
    # the damaged file did not take the place of the good one
    damage(last)
    assert load_checkpoint(last, "d")["step"] == 1


def test_both_damaged_is_said_clearly(last: Path) -> None:
    cut(last)
    empty(last.with_name("previous.pt"))
    with pytest.raises(ModelError, match=r"last\.pt .*previous\.pt") as caught:
        load_checkpoint(last, "d")
    assert "start the run anew" in caught.value.hint


def test_changed_data_is_no_damage(last: Path) -> None:
    with pytest.raises(ConfigError, match="data has changed"):
        load_checkpoint(last, "other")
    assert last.is_file()


def test_a_disk_that_is_full_leaves_both(last: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ModelError, match="one before is kept"):
        save_atomically(state(3), last)
    assert load_checkpoint(last, "d")["step"] == 2
    assert load_checkpoint(last.with_name("previous.pt"), "d")["step"] == 1
    assert {p.name for p in last.parent.iterdir()} == {"last.pt", "previous.pt"}


def test_a_disk_without_links_keeps_the_one_before_too(
    last: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    save_atomically(state(3), last)
    assert load_checkpoint(last, "d")["step"] == 3
    assert load_checkpoint(last.with_name("previous.pt"), "d")["step"] == 2
