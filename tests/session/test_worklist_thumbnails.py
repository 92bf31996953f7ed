from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)
from napari_brainseg.session.thumbnails import (
    THUMBNAIL_SIZE,
    make_thumbnail,
    pack_thumbnail,
    unpack_thumbnail,
)

FLAIR = KAGGLE_ORDER.index(Modality.FLAIR)


def head(*, lesion_at: int | None = None, shape: tuple[int, int, int] = (7, 200, 160)) -> Study:
    """A bright ellipse in the dark, with a brighter spot in every slice but the middle one."""
    z, y, x = np.indices(shape)
    image = np.zeros((3, *shape), np.uint8)
    inside = ((y - 90) / 60) ** 2 + ((x - 80) / 40) ** 2 < 1
    image[FLAIR][inside] = 100
    spot = (abs(y - 70) < 12) & (abs(x - 70) < 12) & (z != shape[0] // 2)
    image[FLAIR][spot] = 255
    truth = None
    if lesion_at is not None:
        mask = np.zeros(shape, np.uint8)
        mask[1, 60:64, 60:64] = 1
        mask[lesion_at, 60:80, 60:80] = 1
        truth = LabelVolume(mask)
    return Study("TEST_AB_0001_20200101", ScalarVolume(image), truth)


def test_a_thumbnail_is_cropped_to_the_head() -> None:
    picture = make_thumbnail(head())
    assert picture.dtype == np.uint8
    assert picture.shape[0] == THUMBNAIL_SIZE  # the head is higher than wide
    assert 28 <= picture.shape[1] <= 36
    centre = picture[20:28, 12:20]
    assert (centre > 200).all()
    assert picture[0, 0] == 0


def test_the_slice_with_the_largest_lesion_is_shown() -> None:
    with_lesion, middle = make_thumbnail(head(lesion_at=5)), make_thumbnail(head())
    # Only beside the middle slice there is a spot brighter than the rest of the head.
    assert len(np.unique(with_lesion[18:30, 5:28])) > len(np.unique(middle[18:30, 5:28]))


def test_pixels_that_are_not_square_leave_a_head_its_shape() -> None:
    square = head()
    image = square.image.data[..., ::4]  # columns four times as far apart
    flat = Study("A", ScalarVolume(image, geometry=Geometry((5.0, 0.5, 2.0))))
    high, wide = make_thumbnail(flat).shape
    assert (high, wide) == pytest.approx(make_thumbnail(square).shape, abs=3)


def test_ct_is_seen_under_the_window_of_the_brain() -> None:
    _, y, x = np.indices((3, 64, 64))
    radius = np.hypot(y - 32, x - 32)
    hounsfield = np.full((3, 64, 64), -1000, np.int16)
    hounsfield[radius < 26] = 1200
    hounsfield[radius < 24] = 30
    hounsfield[(radius < 24) & (x > 32)] = 45
    image = np.zeros((3, 3, 64, 64), np.uint8)
    image[0] = (hounsfield + 1000) / 2200 * 255
    lacking = (Modality.FLAIR, Modality.POST)
    study = Study(
        "A", ScalarVolume(image), missing_modalities=lacking, native={Modality.PRE: hounsfield}
    )
    picture = make_thumbnail(study).astype(int)
    row = picture[picture.shape[0] // 2]
    assert row.max() == 255, "bone"
    assert row[30] - row[14] > 30, "both halves of the brain differ"


@pytest.mark.parametrize("value", [0, 9])
def test_a_blank_volume_has_a_thumbnail_too(value: int) -> None:
    image = np.full((3, 4, 20, 30), value, np.uint8)
    picture = make_thumbnail(Study("TEST_AB_0001_20200101", ScalarVolume(image)))
    assert picture.shape == (20, 30)  # small as it is, it is not enlarged
    assert not picture.any()


def test_thumbnails_survive_the_catalogue() -> None:
    picture = make_thumbnail(head(lesion_at=3))
    np.testing.assert_array_equal(unpack_thumbnail(pack_thumbnail(picture)), picture)


def test_bytes_that_are_no_picture_are_refused() -> None:
    packed = pack_thumbnail(np.zeros((2, 3), np.uint8))
    for blob in (b"", packed[:4] + b"nonsense", b"\x09" + packed[1:]):
        with pytest.raises(ValueError, match="no thumbnail"):
            unpack_thumbnail(blob)
