from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256, sha256_of_arrays
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import LabelVolume

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)


def test_memory_and_byte_order_do_not_matter() -> None:
    data = RNG.integers(0, 1000, (4, 5, 6)).astype(np.int32)

    expected = sha256_of_arrays(data)

    assert sha256_of_arrays(np.asfortranarray(data)) == expected
    assert sha256_of_arrays(data.astype(">i4")) == expected
    assert sha256_of_arrays(data[::-1][::-1]) == expected


def test_values_shape_dtype_and_order_of_arrays_matter() -> None:
    a, b = np.arange(6, dtype=np.uint8), np.zeros(3, np.uint8)
    digests = {
        sha256_of_arrays(a, b),
        sha256_of_arrays(b, a),
        sha256_of_arrays(np.concatenate([a, b])),
        sha256_of_arrays(a.reshape(2, 3), b),
        sha256_of_arrays(a.astype(np.uint16), b),
        sha256_of_arrays(a, b + np.uint8(1)),
        sha256_of_arrays(np.empty((0, 3), np.uint8)),
        sha256_of_arrays(),
    }
    assert len(digests) == 8


def test_a_study_hashes_the_same_from_another_encoding(tmp_path: Path) -> None:
    image = RNG.integers(0, 255, (3, 4, 8, 8), np.uint8)
    folder = write_patient(tmp_path, "A", image, None, range(4), durable=False)
    before = image_sha256(load_study(folder))
    for path in folder.iterdir():
        data = tifffile.imread(path)
        tifffile.imwrite(path, data, photometric="rgb", compression="zlib")

    assert image_sha256(load_study(folder)) == before


def test_a_mask_changes_its_hash_with_one_voxel() -> None:
    data = np.zeros((2, 3, 4), np.uint8)
    before = mask_sha256(LabelVolume(data.copy()))
    data[1, 2, 3] = 1

    assert mask_sha256(LabelVolume(data)) != before
