"""Series on their own grids as one study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brainseg.core.formats.assembly import Loaded, assemble
from napari_brainseg.core.formats.kaggle3m import StudyFolder
from napari_brainseg.core.imaging import (
    AS_STORED,
    DataError,
    Modality,
    SeriesInfo,
    SourceGrid,
    StudyFormat,
)

PRE, FLAIR, POST = Modality.PRE, Modality.FLAIR, Modality.POST


def _folder() -> StudyFolder:
    series = tuple(SeriesInfo(key, key, ()) for key in "abc")
    return StudyFolder(
        path=Path("/somewhere/P1"),
        patient="P1",
        images=(),
        masks=(),
        slice_numbers=(),
        warnings=("A word from discovery.",),
        format=StudyFormat.NIFTI,
        series=series,
        roles=((FLAIR, "b"), (POST, "c"), (PRE, "a")),
    )


def _affine(spacing=(5.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    z, y, x = spacing
    return ((0, 0, x, origin[2]), (0, y, 0, origin[1]), (z, 0, 0, origin[0]), (0, 0, 0, 1.0))


def _loaded(data, affine=None, frame="", warnings=()):
    grid = SourceGrid(data.shape, affine, AS_STORED)
    return Loaded(data, affine, grid, frame, warnings)


def _noise(seed=0, shape=(4, 16, 16), dtype=np.int16):
    return np.random.default_rng(seed).integers(-500, 1500, shape).astype(dtype)


def test_same_grid_is_taken_as_it_is() -> None:
    data = {m: _noise(k) for k, m in enumerate((PRE, FLAIR, POST))}
    study = assemble(
        _folder(),
        {m: _loaded(d, _affine(), "1.2") for m, d in data.items()},
        truth=_loaded((data[FLAIR] > 1000) * np.int16(4), _affine()),
        attributes={"age": "40"},
        identity={"Name": "X"},
    )
    for modality, volume in data.items():
        assert np.shares_memory(study.native[modality], volume)
        assert not study.native[modality].flags.writeable
        assert study.native[modality].dtype == np.int16
    assert study.image.data.dtype == np.uint8
    assert study.image.channel(FLAIR).max() == 255
    assert np.array_equal(study.truth.data, data[FLAIR] > 1000)
    assert study.image.geometry.spacing_mm == (5, 1, 1)
    assert study.truth.geometry == study.image.geometry
    assert study.missing_modalities == ()
    assert study.warnings == ("A word from discovery.",)
    assert study.roles == {PRE: "a", FLAIR: "b", POST: "c"}
    assert study.attributes == {"age": "40"}
    assert study.identity == {"Name": "X"}
    assert study.format is StudyFormat.NIFTI
    assert study.patient == "P1"


def test_other_grids_come_onto_flair() -> None:
    flair, pre = _noise(1, (6, 20, 20)), _noise(2, (30, 10, 10))
    labels = np.zeros((6, 40, 40), np.uint8)
    labels[2, 10:20, 10:20] = 1
    study = assemble(
        _folder(),
        {PRE: _loaded(pre, _affine((1, 2, 2))), FLAIR: _loaded(flair, _affine())},
        truth=_loaded(labels, _affine((5, 0.5, 0.5))),
    )
    assert study.native[PRE].shape == flair.shape
    assert study.native[PRE].dtype == np.int16
    assert (study.native[PRE][1:, ::2, ::2] == pre[5::5]).all()
    assert study.missing_modalities == (POST,)
    assert POST not in study.native
    assert POST not in study.roles
    assert np.array_equal(study.image.channel(POST), study.image.channel(FLAIR))
    assert study.truth.data[2, 5:10, 5:10].all()
    assert study.truth.voxels == 25
    assert any("2 x 2 x 1 mm" in warning for warning in study.warnings)


def test_without_flair_another_stands_in() -> None:
    post = _noise(3)
    study = assemble(_folder(), {POST: _loaded(post, _affine())})
    assert study.missing_modalities == (PRE, FLAIR)
    assert np.array_equal(study.image.channel(FLAIR), study.image.channel(POST))
    assert set(study.native) == {POST}


def test_words_of_warning() -> None:
    study = assemble(
        _folder(),
        {
            FLAIR: _loaded(_noise(0, (10, 8, 8)), _affine(), "1.2"),
            PRE: _loaded(_noise(1, (5, 8, 8)), _affine(), "1.3", ("Slices lacked.",)),
            POST: _loaded(_noise(2), _affine(origin=(900, 0, 0))),
        },
        warnings=("From the reader.",),
    )
    text = "\n".join(study.warnings)
    assert "pre-contrast covers 50 % of FLAIR" in text.replace("50%", "50 %")
    assert "another frame of reference" in text
    assert "pre-contrast: Slices lacked." in text
    assert "From the reader." in text
    assert "post-contrast does not lie where FLAIR lies" in text
    assert study.missing_modalities == (POST,)


def test_without_geometry_shapes_must_match() -> None:
    study = assemble(_folder(), {FLAIR: _loaded(_noise()), PRE: _loaded(_noise(1))})
    assert study.image.geometry.affine_lps is None
    assert study.image.geometry.spacing_mm is None
    with pytest.raises(DataError, match=r"\(3, 16, 16\)"):
        assemble(_folder(), {FLAIR: _loaded(_noise()), PRE: _loaded(_noise(1, (3, 16, 16)))})
    half = assemble(_folder(), {FLAIR: _loaded(_noise(), _affine()), PRE: _loaded(_noise(1))})
    assert any("only one of the two" in warning for warning in half.warnings)


def test_spacing_alone_is_kept() -> None:
    data = _noise()
    grid = SourceGrid(data.shape, None, AS_STORED)
    study = assemble(_folder(), {FLAIR: Loaded(data, None, grid, spacing_mm=(5, 1, 1))})
    assert study.image.geometry.spacing_mm == (5, 1, 1)
    assert study.image.geometry.affine_lps is None


def test_no_numbers_are_replaced_and_said() -> None:
    data = _noise(dtype=np.float32)
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    held = data.copy()
    study = assemble(_folder(), {FLAIR: _loaded(data, _affine())})
    rest = data[np.isfinite(data)]
    assert study.native[FLAIR][0, 0, :3].tolist() == [rest.min(), rest.max(), rest.min()]
    assert any("3 voxels" in warning for warning in study.warnings)
    np.testing.assert_array_equal(data, held)
    nothing = assemble(_folder(), {FLAIR: _loaded(np.full((2, 3, 3), np.nan), _affine())})
    assert not nothing.native[FLAIR].any()


def test_a_blank_series_is_missing() -> None:
    blank = np.zeros((4, 16, 16), np.int16)
    study = assemble(
        _folder(), {FLAIR: _loaded(_noise(), _affine()), PRE: _loaded(blank, _affine())}
    )
    assert PRE in study.missing_modalities
    assert PRE not in study.native


@pytest.mark.parametrize(
    "data", [np.zeros((2, 3, 3), complex), np.zeros((0, 3, 3)), np.zeros((2, 3, 3, 3))]
)
def test_what_is_no_volume_is_refused(data) -> None:
    with pytest.raises(DataError, match="no volume of real numbers"):
        assemble(_folder(), {FLAIR: _loaded(data)})
    with pytest.raises(DataError, match="no series"):
        assemble(_folder(), {})
