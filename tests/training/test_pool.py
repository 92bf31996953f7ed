from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.preprocessing.context import with_context
from training import canvases
from training.cache_entry import read_entry, write_entry
from training.pool import SlicePool
from training.preparation import PreparedPatient

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def patient(name: str, depth: int, height: int, width: int, seed: int) -> PreparedPatient:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(depth, 3, height, width)).astype(np.float16)
    mask = np.zeros((depth, height, width), np.uint8)
    mask[1:3, 4:8, 5 : 9 + seed] = 1
    floor = images.min(axis=(0, 2, 3)).astype(np.float32)
    return PreparedPatient(name, f"sha-{name}", images, mask, None, floor, {})


@pytest.fixture
def patients() -> list[PreparedPatient]:
    return [patient("A", 4, 32, 16, 0), patient("B", 5, 16, 48, 1), patient("C", 3, 17, 21, 2)]


def test_slices_lie_in_the_middle_of_their_own_background(patients: list[PreparedPatient]) -> None:
    pool = SlicePool(patients, CPU)
    images, masks, extents = pool.batch(torch.tensor([4, 11]))  # first of B, last of C
    assert images.shape == (2, 3, 32, 48)
    assert images.dtype == torch.float16
    assert masks.shape == (2, 32, 48)
    assert masks.dtype == torch.uint8
    assert extents.tolist() == [[16, 48], [17, 21]]
    np.testing.assert_array_equal(images[0, :, 8:24], patients[1].images[0])
    floor = torch.from_numpy(patients[1].floor).half()
    assert (images[0, :, :8] == floor[:, None, None]).all()
    np.testing.assert_array_equal(images[1, :, 7:24, 13:34], patients[2].images[2])
    np.testing.assert_array_equal(masks[1, 7:24, 13:34], patients[2].mask[2])
    assert masks[1].sum() == patients[2].mask[2].sum()


@pytest.mark.parametrize("context", [3, 5])
def test_neighbours_are_stacked_as_inference_stacks_them(
    context: int, patients: list[PreparedPatient]
) -> None:
    pool = SlicePool(patients, CPU, context=context)
    images, masks, _ = pool.batch(torch.arange(4, 9))  # all of B
    expected = with_context(patients[1].images.astype(np.float32), 0, 5, context)
    np.testing.assert_array_equal(images[:, :, 8:24].float(), expected)
    np.testing.assert_array_equal(masks[:, 8:24], patients[1].mask)


def test_slices_mapped_from_disk_equal_those_in_memory(
    patients: list[PreparedPatient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = []
    for own in patients:
        (tmp_path / own.patient).mkdir()
        write_entry(tmp_path / own.patient, own)
        mapped.append(read_entry(tmp_path / own.patient))
    in_memory = SlicePool(mapped, CPU, context=3)
    assert in_memory.where == "in memory"
    monkeypatch.setattr(canvases, "RAM_SHARE", 0.0)
    on_disk = SlicePool(mapped, CPU, context=3)
    assert on_disk.where == "mapped from the cache"
    index = torch.tensor([11, 0, 4, 4, 8, 3])
    for one, other in zip(in_memory.batch(index), on_disk.batch(index), strict=True):
        assert torch.equal(one, other)
    # what is not on disk has to stay in memory, however short that is
    assert SlicePool(patients, CPU).where == "in memory"


def test_lesions_only_draws_nothing_else_and_counts_nothing_else(
    patients: list[PreparedPatient],
) -> None:
    for sampling in ("uniform", "reference", "lesion-balanced"):
        pool = SlicePool(patients, CPU, lesions_only=True, sampling=sampling, context=3)
        assert len(pool) == 6
        drawn = pool.draw(200, torch.Generator().manual_seed(0))
        assert set(drawn.tolist()) == {1, 2, 5, 6, 10, 11}
        _, masks, _ = pool.batch(drawn)
        assert masks.flatten(1).any(dim=1).all()


def test_without_a_single_lesion_lesions_only_is_refused(
    patients: list[PreparedPatient],
) -> None:
    for own in patients:
        own.mask[:] = 0
    with pytest.raises(ConfigError, match="drop_empty_slices"):
        SlicePool(patients, CPU, lesions_only=True)


def test_a_pool_without_patients_draws_the_others_from_the_same_memory(
    patients: list[PreparedPatient],
) -> None:
    pool = SlicePool(patients, CPU, replayed={"A"}, replay_share=0.5)
    others = pool.without({"B"})
    generator = torch.Generator().manual_seed(0)

    assert len(others) == 7
    drawn = others.draw(400, generator)
    assert set(drawn.tolist()) == {0, 1, 2, 3, 9, 10, 11}
    assert int((drawn < 4).sum()) == 200  # A, the replayed one
    for one, other in zip(pool.batch(drawn), others.batch(drawn), strict=True):
        assert torch.equal(one, other)
    assert len(pool) == 12
    # without anybody to replay all are drawn alike
    assert set(pool.without({"A"}).draw(400, generator).tolist()) == set(range(4, 12))
    with pytest.raises(ConfigError):
        pool.without({"A", "B", "C"})


def test_slices_are_named_for_messages(patients: list[PreparedPatient]) -> None:
    assert SlicePool(patients, CPU).describe(torch.tensor([0, 4, 11])) == "A[0], B[0], C[2]"


def test_batches_copied_to_another_device_equal_those_taken_where_they_lie(
    patients: list[PreparedPatient],
) -> None:
    rows = torch.tensor([[0, 0, 1], [7, 8, 8], [10, 11, 11]])
    here = canvases.CanvasesInMemory(patients, CPU, CPU)
    # a second name of the same processor: as far as Torch tells, another device
    copied = canvases.CanvasesInMemory(patients, CPU, torch.device("cpu", 0))
    for one, other in zip(here.take(rows), copied.take(rows), strict=True):
        assert torch.equal(one, other)
