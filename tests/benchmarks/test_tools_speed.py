"""How long each tool takes on a volume of 60 slices.

    python -m pytest tests/benchmarks/test_tools_speed.py -s

The real patient with 60 slices (or the nearest to it) where ``BRAINSEG_DATA`` or ../shared/data
is there, with its true mask; else a phantom. Best of `ROUNDS`, so that other work on the machine
counts as little as it can.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from scipy import ndimage

from napari_brainseg.core.dataset.phantom import write_phantoms
from napari_brainseg.core.editing.between import gaps, interpolate
from napari_brainseg.core.editing.brush import adaptive, capsule, within
from napari_brainseg.core.editing.flood import flood_fill
from napari_brainseg.core.editing.holes import fill_holes
from napari_brainseg.core.editing.islands import keep_largest, remove_island, remove_smaller
from napari_brainseg.core.editing.regions import polygon
from napari_brainseg.core.editing.seeds import grow_from_seeds
from napari_brainseg.core.editing.shape import dilate, erode, smooth
from napari_brainseg.core.editing.slices import clear_slice, copy_slice
from napari_brainseg.core.editing.taking import snap, take
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

ROUNDS = 5
USUAL_S, INTERPOLATE_S, SEEDS_S, BRUSH_S = 0.3, 0.5, 3.0, 0.01
SPACING = (2.5, 1.0, 1.0)


class Timed(NamedTuple):
    call: Callable[[], object]
    limit_s: float = USUAL_S


@pytest.fixture(scope="module")
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    try:
        root: Path = request.getfixturevalue("data_root")
    except pytest.skip.Exception:
        root = tmp_path_factory.mktemp("phantoms")
        write_phantoms(root, patients=3, seed=3)
    return load_study(
        min(discover(root).folders, key=lambda f: (abs(len(f.images) - 60), f.patient))
    )


def tools(study: Study) -> dict[str, Timed]:
    truth = study.truth
    assert truth is not None
    mask = (truth.data != 0).astype(np.uint8)
    image = study.image.data
    flair = study.image.channel(Modality.FLAIR)
    soft = ndimage.gaussian_filter(mask.astype(np.float32), (0, 2, 2))
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    z = int(planes[len(planes) // 2])
    point = (z, *(int(i) for i in np.argwhere(mask[z]).mean(axis=0).round()))
    rough = mask.copy()
    rough[np.random.default_rng(0).random(mask.shape) < 0.002] ^= 1
    holed = mask.copy()
    holed[planes[1] : planes[-1]] = 0
    specks = np.zeros_like(mask)
    specks[[0, -1], 32::64, 32::64] = specks[0, 36::64, 36::64] = 1
    specks = ndimage.binary_dilation(specks, np.ones((1, 3, 3)), 8).astype(np.uint8)
    everywhere = np.ones(mask.shape[1:], bool)
    y, x = point[1:]
    press, there = (float(y), float(x)), (float(y) + 6, float(x) + 8)
    disc = capsule(mask.shape[1:], press, there, 15)
    assert disc is not None
    corners = [(y + 60 * np.sin(a), x + 60 * np.cos(a)) for a in np.linspace(0, 6, 200)]
    inside, outside = scribbles(mask, planes.tolist())
    return {
        "brush, one move": Timed(lambda: capsule(mask.shape[1:], press, there, 40), BRUSH_S),
        "threshold brush, one move": Timed(lambda: within(flair[z], disc, 50, 200), BRUSH_S),
        "adaptive brush, one move": Timed(lambda: adaptive(flair[z], disc)),
        "polygon, 200 corners": Timed(lambda: polygon(mask.shape[1:], corners)),
        "fill holes, slice": Timed(lambda: fill_holes(rough, z)),
        "fill holes, volume": Timed(lambda: fill_holes(rough)),
        "flood fill, slice": Timed(lambda: flood_fill(mask, flair, point)),
        "flood fill, volume": Timed(lambda: flood_fill(mask, flair, point, volume=True)),
        "grow from seeds, growcut": Timed(
            lambda: grow_from_seeds(image, inside, outside, mask, method="growcut"), SEEDS_S
        ),
        "grow from seeds, random walker": Timed(
            lambda: grow_from_seeds(image, inside, outside, mask, method="random walker"), SEEDS_S
        ),
        "growcut on the whole head": Timed(
            lambda: grow_from_seeds(image, inside, outside, mask, method="growcut", margin=200),
            SEEDS_S,
        ),
        "random walker on the whole head": Timed(
            lambda: grow_from_seeds(
                image, inside, outside, mask, method="random walker", margin=200
            ),
            SEEDS_S,
        ),
        "gaps": Timed(lambda: gaps(holed)),
        "interpolate, longest gap": Timed(
            lambda: interpolate(holed, int(planes[0]), int(planes[-1])), INTERPOLATE_S
        ),
        "interpolate, 16 islands over the head": Timed(
            lambda: interpolate(specks, 0, len(specks) - 1), INTERPOLATE_S
        ),
        "copy slice": Timed(lambda: copy_slice(mask, z, z + 1)),
        "clear slice": Timed(lambda: clear_slice(mask, z)),
        "keep largest": Timed(lambda: keep_largest(rough)),
        "remove small": Timed(lambda: remove_smaller(rough, 20)),
        "remove island": Timed(lambda: remove_island(rough, point)),
        "smooth, volume": Timed(lambda: smooth(rough, 2)),
        "smooth, slice": Timed(lambda: smooth(rough, 2, slice_index=z)),
        "dilate, volume, 3 voxels": Timed(lambda: dilate(mask, 3)),
        "dilate, volume, 5 mm": Timed(lambda: dilate(mask, 5, unit="mm", spacing=SPACING)),
        "erode, volume, 3 voxels": Timed(lambda: erode(mask, 3)),
        "dilate, speckled volume": Timed(lambda: dilate(rough, 2)),
        "snap to probability, volume": Timed(
            lambda: snap(mask, soft, 0.3, everywhere, range(len(mask)))
        ),
        "take, volume": Timed(lambda: take(rough, mask)),
        "take, island": Timed(lambda: take(rough, mask, point=point)),
    }


def scribbles(mask: np.ndarray, planes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Deep inside and well around, on three slices of the lesion."""
    inside, outside = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    for z in (planes[len(planes) // 5], planes[len(planes) // 2], planes[-1 - len(planes) // 5]):
        depth = ndimage.distance_transform_edt(mask[z])
        away = ndimage.distance_transform_edt(mask[z] == 0)
        inside[z] = depth >= 0.7 * depth.max()
        outside[z] = (away >= 8) & (away < 10)
    return inside, outside


def test_every_tool_answers_in_time(study: Study) -> None:
    shape = study.image.grid_shape
    lines = [f"\n{study.patient}, {shape} (z, y, x), best of {ROUNDS}, ms"]
    late = []
    for name, (call, limit_s) in tools(study).items():
        best = min(seconds(call) for _ in range(ROUNDS))
        lines.append(f"{name:36s} {1000 * best:8.1f}   limit {1000 * limit_s:5.0f}")
        if best >= limit_s:
            late.append(name)
    print("\n".join(lines))
    assert late == []


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
