from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.editing import Edit
from napari_brainseg.core.editing.growcut import growcut
from napari_brainseg.core.editing.random_walk import random_walk
from napari_brainseg.core.editing.seeds import SeedMethod, grow_from_seeds
from napari_brainseg.core.imaging import CancelledError, DataError

SHAPE = (7, 48, 48)
METHODS: tuple[SeedMethod, ...] = ("growcut", "random walker")


@pytest.fixture
def scene() -> dict[str, np.ndarray]:
    """A bright ball in one of two channels, and scribbles in it and around it."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    lesion = (3 * (z - 3)) ** 2 + (y - 24) ** 2 + (x - 22) ** 2 <= 10**2
    rng = np.random.default_rng(0)
    image = rng.normal(100, 8, (2, *SHAPE)).astype(np.float32)
    image[1][lesion] += 60
    inside, outside = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    inside[3, 22:26, 18:26] = True
    outside[3, 8:10, 8:40] = outside[3, 38:40, 8:40] = True
    outside[3, 8:40, 6:8] = outside[3, 8:40, 38:40] = True
    return {"image": image, "foreground": inside, "background": outside, "lesion": lesion}


def grown(scene: dict[str, np.ndarray], mask: np.ndarray, **how: object) -> np.ndarray:
    edit = grow_from_seeds(scene["image"], scene["foreground"], scene["background"], mask, **how)
    done = mask.copy()
    if edit is not None:
        assert isinstance(edit, Edit)
        edit.write(done)
    return done


@pytest.mark.parametrize("method", METHODS)
def test_scribbles_grow_to_the_lesion(scene: dict[str, np.ndarray], method: SeedMethod) -> None:
    shares: list[float] = []

    done = grown(scene, np.zeros(SHAPE, np.uint8), method=method, progress=shares.append)

    lesion = scene["lesion"]
    least = {"growcut": 0.95, "random walker": 0.8}[method]
    assert 2 * (done & lesion).sum() / (done.sum() + lesion.sum()) > least
    assert (done >= scene["foreground"]).all()
    assert not (done[scene["background"]]).any()
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_islands_without_a_scribble_stay(scene: dict[str, np.ndarray], method: SeedMethod) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, 44:47, 44:47] = 1  # alone
    mask[3, 22:26, 22:37] = 1  # too long, and scribbled on

    done = grown(scene, mask, method=method)

    assert done[3, 44:47, 44:47].all()
    assert not done[3, 22:26, 35:37].any()


@pytest.mark.parametrize("method", METHODS)
def test_growing_can_be_stopped(scene: dict[str, np.ndarray], method: SeedMethod) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6

    with pytest.raises(CancelledError):
        grown(scene, np.zeros(SHAPE, np.uint8), method=method, cancelled=cancelled)
    assert asked == 7


@pytest.mark.parametrize("method", METHODS)
def test_large_crops_are_grown_on_blocks(
    scene: dict[str, np.ndarray], method: SeedMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = dict.fromkeys(METHODS, 4000)
    monkeypatch.setattr("napari_brainseg.core.editing.seeds.MOST_VOXELS", most)

    done = grown(scene, np.zeros(SHAPE, np.uint8), method=method, margin=10)

    lesion = scene["lesion"]
    assert 2 * (done & lesion).sum() / (done.sum() + lesion.sum()) > 0.8


def test_one_slice_and_thick_slices(scene: dict[str, np.ndarray]) -> None:
    flat = {name: part[..., 3:4, :, :] for name, part in scene.items()}

    one = grown(flat, np.zeros((1, 48, 48), np.uint8))
    thick = grown(scene, np.zeros(SHAPE, np.uint8), margin=10, spacing=(9.0, 1.0, 1.0))

    assert 2 * (one & flat["lesion"]).sum() / (one.sum() + flat["lesion"].sum()) > 0.9
    assert np.flatnonzero(thick.any(axis=(1, 2))).tolist() == [2, 3, 4]


def test_what_is_missing_is_said(scene: dict[str, np.ndarray]) -> None:
    nothing, mask = np.zeros(SHAPE, bool), np.zeros(SHAPE, np.uint8)

    with pytest.raises(DataError, match="no scribble in the lesion"):
        grow_from_seeds(scene["image"], nothing, scene["background"], mask)
    with pytest.raises(DataError, match="leave no background"):
        grow_from_seeds(scene["image"], scene["foreground"], nothing, mask, margin=99)
    with pytest.raises(DataError, match="scribble has shape"):
        grow_from_seeds(scene["image"], nothing[1:], nothing, mask)


def test_growcut_is_the_automaton_at_its_end() -> None:
    rng = np.random.default_rng(3)
    image = rng.random((1, 3, 5, 6)).astype(np.float32)
    labels = np.zeros((3, 5, 6), np.int8)
    labels[1, 2, 1], labels[0, 4, 5], labels[2, 0, 5] = 1, 2, 2

    held = growcut(image, labels, tick=lambda _: None)

    assert np.array_equal(held > 0.5, automaton(image[0], labels) == 1)


def automaton(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Vezhnevets and Konouchine, cell by cell."""
    steepest = max(float(np.abs(np.diff(image, axis=axis)).max()) for axis in range(3))
    label, strength = labels.copy(), (labels > 0).astype(float)
    ways = [w for a in range(3) for w in (np.eye(3, dtype=int)[a], -np.eye(3, dtype=int)[a])]
    while True:
        before = strength.copy()
        for cell in np.ndindex(image.shape):
            for way in ways:
                near = tuple(int(i) for i in np.add(cell, way))
                if any(not 0 <= i < n for i, n in zip(near, image.shape, strict=True)):
                    continue
                steep = abs(float(image[cell]) - float(image[near])) / steepest
                attack = max(1 - steep, 1e-3) * before[near]
                if attack > strength[cell]:
                    strength[cell], label[cell] = attack, label[near]
        if np.array_equal(before, strength):
            return label


def test_the_random_walker_is_that_of_scikit_image() -> None:
    from skimage.segmentation import random_walker

    flat = np.zeros((1, 1, 6, 7), np.float32)
    labels = np.zeros((1, 6, 7), np.int8)
    labels[0, 1, 1], labels[0, 4, 6], labels[0, 0, 5] = 1, 2, 2

    ours = random_walk(flat, labels, beta=20, through=1, tick=lambda _: None)
    # Theirs cannot take an image without any difference.
    grain = np.random.default_rng(0).normal(0, 1e-9, labels.shape[1:])
    theirs = random_walker(grain, labels[0].astype(int), mode="bf", return_full_prob=True)

    assert ours[0] == pytest.approx(theirs[0], abs=0.01)
