from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.sampling import (
    SAMPLERS,
    Replay,
    SliceTable,
    build_sampler,
    reference_weights,
)

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden" / "golden.json"
# three patients: a large and a small lesion, and none
TABLE = SliceTable(
    owners=torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]),
    areas=torch.tensor([0, 900, 100, 10, 0, 0, 0, 0, 0]),
)
DRAWS = 40_000


def shares(name: str, **options: float) -> np.ndarray:
    sampler = build_sampler(name, TABLE, **options)
    drawn = sampler.draw(DRAWS, torch.Generator().manual_seed(1))
    return np.bincount(drawn.numpy(), minlength=len(TABLE)) / DRAWS


def test_uniform_draws_every_slice_alike() -> None:
    np.testing.assert_allclose(shares("uniform"), 1 / 9, atol=0.01)


def test_lesion_balanced_draws_a_share_from_lesions_whatever_their_size() -> None:
    share = shares("lesion-balanced", lesion_share=0.5)
    rest = 0.5 / 9
    expected = [rest] * 9
    expected[1] = expected[2] = rest + 0.5 / 2 / 2
    expected[3] = rest + 0.5 / 2
    np.testing.assert_allclose(share, expected, atol=0.01)


def test_reference_draws_the_patient_first_and_then_by_area() -> None:
    share = shares("reference")
    by_patient = [share[:3].sum(), share[3:5].sum(), share[5:].sum()]
    np.testing.assert_allclose(by_patient, 1 / 3, atol=0.01)
    of_first = (np.array([0, 900, 100]) + 0.1 * 1000 / 3) / 1100
    np.testing.assert_allclose(share[:3], of_first / 3, atol=0.01)
    np.testing.assert_allclose(share[5:], 1 / 12, atol=0.01)


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_follow_from_the_generator_alone(name: str) -> None:
    sampler = build_sampler(name, TABLE)
    generator = torch.Generator().manual_seed(4)
    state = generator.get_state()
    first, second = sampler.draw(16, generator), sampler.draw(16, generator)
    assert not torch.equal(first, second)
    generator.set_state(state)
    assert torch.equal(sampler.draw(16, generator), first)
    assert torch.equal(build_sampler(name, TABLE).draw(16, generator), second)


def test_only_slices_without_a_lesion_are_drawn_all_the_same() -> None:
    table = SliceTable(torch.tensor([0, 0]), torch.tensor([0, 0]))
    for name in SAMPLERS:
        drawn = build_sampler(name, table).draw(50, torch.Generator().manual_seed(0))
        assert set(drawn.tolist()) == {0, 1}


def test_an_unknown_sampling_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="lesion-balanced, uniform, reference"):
        build_sampler("fair", TABLE)


@pytest.mark.parametrize(
    ("share", "batch", "replayed"), [(0.5, 16, 8), (0.75, 16, 12), (0.01, 4, 1), (0.99, 4, 3)]
)
def test_replay_draws_the_same_share_in_every_batch(
    share: float, batch: int, replayed: int
) -> None:
    old = torch.tensor([True, True, True, False, False, True, True, True, True])
    sampler = Replay(TABLE, old, share, lambda table: build_sampler("lesion-balanced", table))
    generator = torch.Generator().manual_seed(3)
    draws = torch.stack([sampler.draw(batch, generator) for _ in range(200)])

    assert (old[draws].sum(dim=1) == replayed).all()
    # within either side every slice can come
    assert set(draws.flatten().tolist()) == set(range(9))


@pytest.mark.real_data
def test_weights_of_a_real_patient_are_those_of_the_published_program(data_root: Path) -> None:
    if not GOLDEN.is_file():
        pytest.skip(f"no golden values in {GOLDEN.parent}")
    golden = json.loads(GOLDEN.read_text())
    study = load_study(discover(data_root).find(golden["patient"]))
    assert study.truth is not None
    grid = get_recipe("reference").prepare(study.image.data)
    areas = np.count_nonzero(grid.prepare_mask(study.truth.data), axis=(1, 2))
    weights = reference_weights(torch.from_numpy(areas))
    np.testing.assert_allclose(weights, golden["slice_sampling_weights"], atol=1e-8)
