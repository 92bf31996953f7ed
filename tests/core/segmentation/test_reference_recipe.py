"""The published recipe: golden values on original bytes, scikit-image on a phantom, way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.reference import reference_grid

SHARED = Path(__file__).parents[4] / "shared"

# 99th percentile after resizing and mask voxels on the grid, from the published program.
REFERENCE_TABLE = {
    "TCGA_HT_7616_19940813": (0.6125, 33076),
    "TCGA_CS_6668_20011025": (0.4686, 7938),
    "TCGA_CS_4944_20010208": (0.6713, 31988),
    "TCGA_HT_7879_19981009": (0.5046, 13141),
    "TCGA_DU_7014_19860618": (0.3608, 68295),
    "TCGA_DU_6408_19860521": (0.5758, 90022),
    "TCGA_DU_6404_19850629": (0.4837, 20245),
    "TCGA_DU_5851_19950428": (0.5492, 16847),
    "TCGA_CS_6667_20011105": (0.6150, 8752),
    "TCGA_HT_7692_19960724": (0.6643, 3567),
}


@pytest.fixture(scope="module")
def study():
    return phantom_study(3, 1, lesions=1, skull_stripped=False, slices=8, size=128)


@pytest.fixture(scope="module")
def prepared(study):
    return get_recipe("reference").prepare(study.image.data)


def test_agrees_with_scikit_image_over_the_four_dimensional_volume(study, prepared):
    transform = pytest.importorskip("skimage.transform")
    volume = study.image.data[:, 1:-1].copy()
    volume[volume < 0.1 * volume.max()] = 0
    z, y, x = (np.flatnonzero(volume.any(axis=a)) for a in ((0, 2, 3), (0, 1, 3), (0, 1, 2)))
    volume = volume[:, z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    extra = np.ptp(y) - np.ptp(x)
    pads = [(0, 0)] * 2 + [((m := max(e, 0)) // 2, m - m // 2) for e in (-extra, extra)]
    square = np.pad(volume, pads).transpose(1, 2, 3, 0)
    resized = transform.resize(
        square, (len(z), 256, 256, 3), order=2, mode="constant", cval=0, anti_aliasing=False
    )
    low, high = np.percentile(resized, [10, 99])
    scaled = (np.clip(resized, low, high) - low) / (high - low)
    expected = (scaled - scaled.mean((0, 1, 2))) / scaled.std((0, 1, 2))
    assert prepared.limits == pytest.approx((low, high), abs=1e-5)
    assert np.abs(prepared.data - expected.transpose(0, 3, 1, 2)).max() < 1e-4
    mask = np.pad(study.truth.data[1:-1][z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1],
                  pads[1:])  # fmt: skip
    expected_mask = transform.resize(
        mask, (len(z), 256, 256), order=0, mode="constant", anti_aliasing=False,
        preserve_range=True,
    )  # fmt: skip
    assert np.array_equal(prepared.prepare_mask(study.truth.data), expected_mask)


def test_channels_have_mean_zero_and_unit_spread(prepared):
    assert prepared.data.dtype == np.float32
    assert np.allclose(prepared.data.mean((0, 2, 3)), 0, atol=1e-4)
    assert np.allclose(prepared.data.std((0, 2, 3)), 1, atol=1e-4)


def test_mask_survives_the_way_there_and_back_inside_the_crop(study, prepared):
    on_grid = prepared.prepare_mask(study.truth.data)
    assert set(np.unique(on_grid)) == {0, 1}
    back = prepared.restore(on_grid.astype(np.float32))
    expected = study.truth.data.copy()
    expected[[0, -1]] = 0
    assert np.array_equal(back, expected)


def test_the_way_back_is_empty_outside_the_crop_and_full_inside(prepared):
    back = prepared.restore(np.ones((prepared.data.shape[0], 256, 256), np.float32))
    assert np.all(back[prepared.grid.box] == 1)
    assert back.sum() == back[prepared.grid.box].size
    assert not back[[0, -1]].any()


def test_crop_is_the_box_of_what_reaches_a_tenth_of_the_maximum():
    image = np.zeros((1, 5, 30, 40), np.uint8)
    image[0, 2, 8:18, 10:13] = 200
    image[0, 3, 10, 20] = 20
    image[0, 3, 25, 35] = 19
    image[0, 0, 0, 0] = 255
    grid = reference_grid(image)
    assert grid.box == (slice(2, 4), slice(8, 18), slice(10, 21))
    assert grid.inner == (slice(0, 10), slice(0, 11))


def test_blank_channel_gives_finite_values(study):
    image = study.image.data.copy()
    image[0] = 0
    assert np.isfinite(get_recipe("reference").prepare(image).data).all()


def test_too_few_slices_and_empty_volumes_are_refused():
    recipe = get_recipe("reference")
    with pytest.raises(DataError, match="2 are too few"):
        recipe.prepare(np.ones((3, 2, 16, 16), np.uint8))
    with pytest.raises(DataError, match="empty"):
        recipe.prepare(np.zeros((3, 4, 16, 16), np.uint8))


@pytest.fixture(scope="module")
def lossless(tmp_path_factory) -> Path:
    """Give a folder with the ten reference patients, original bytes."""
    source = Path(os.environ.get("BRAINSEG_DATA") or SHARED / "data")
    script = source / "unpack_lgg.py"
    if script.is_file():
        root = tmp_path_factory.mktemp("lossless")
        done = subprocess.run(
            [sys.executable, str(script), str(root), *REFERENCE_TABLE], capture_output=True
        )
        if done.returncode == 0:
            return root
    for root in (source / "kaggle_3m", source):
        if all((root / patient).is_dir() for patient in REFERENCE_TABLE):
            return root
    pytest.skip(f"the ten reference patients are not in {source}: set BRAINSEG_DATA")


@pytest.mark.real_data
def test_golden_slices_of_the_published_program(lossless):
    from napari_brainseg.core.formats import load_study

    golden_file = SHARED / "golden" / "preprocess_CS_4944.npz"
    if not golden_file.is_file():
        pytest.skip(f"{golden_file} is not there: it holds real image data and stays outside")
    facts = json.loads((golden_file.parent / "golden.json").read_text(encoding="utf-8"))
    study = load_study(lossless / "TCGA_CS_4944_20010208")
    prepared = get_recipe("reference").prepare(study.image.data)
    (z0, z1), (y0, y1), (x0, x1) = facts["crop_zyx"]
    # The golden box counts slices after the first one was dropped.
    assert prepared.grid.box == (slice(z0 + 1, z1 + 1), slice(y0, y1), slice(x0, x1))
    mask = prepared.prepare_mask(study.truth.data)
    assert int(mask.sum()) == facts["mask_voxels"]
    with np.load(golden_file) as golden:
        for i, z in enumerate(golden["slices"]):
            ours = prepared.data[z].transpose(1, 2, 0)
            assert np.abs(ours - golden["image"][i]).mean() < 2e-3
            assert np.array_equal(mask[z], golden["mask"][i])


@pytest.mark.real_data
@pytest.mark.parametrize("patient", sorted(REFERENCE_TABLE))
def test_percentile_and_mask_voxels_of_the_ten_reference_patients(lossless, patient):
    from napari_brainseg.core.formats import load_study

    study = load_study(lossless / patient)
    prepared = get_recipe("reference").prepare(study.image.data)
    high, voxels = REFERENCE_TABLE[patient]
    assert prepared.limits[1] == pytest.approx(high, abs=6e-5)
    assert int(prepared.prepare_mask(study.truth.data).sum()) == voxels
