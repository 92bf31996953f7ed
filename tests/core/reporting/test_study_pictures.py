"""Pictures of one patient: what they show, what they do not tell, how they are written."""

from __future__ import annotations

import io
import itertools
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.imaging import (
    CancelledError,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.reporting.contact_sheet import contact_sheet
from napari_brainseg.core.reporting.lettering import font_for
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH
from napari_brainseg.core.reporting.slice_drawing import (
    CORRECTION,
    SliceDrawing,
    annotate,
    marks_of,
)
from napari_brainseg.core.reporting.study_film import study_film
from napari_brainseg.core.reporting.study_pictures import (
    PictureKind,
    slice_picture,
    write_pictures,
)
from napari_brainseg.core.reporting.study_triptych import key_slices, study_triptych

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHAPE = (6, 32, 40)
PATIENT = "PT-0123456789_20200101"
UPRIGHT = Geometry.from_affine(
    ((0.0, 0.0, 1.0, -20.0), (0.0, 2.0, 0.0, -32.0), (5.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
)
"""Rows twice as far apart as columns."""
MODEL = "default-20261121-e1eadde4"


def make_study(geometry: Geometry | None = None, truth: bool = True, **fields: object) -> Study:
    rng = np.random.default_rng(0)
    image = np.zeros((3, *SHAPE), np.uint8)
    image[:, :, 4:28, 4:36] = rng.integers(60, 200, (3, SHAPE[0], 24, 32), dtype=np.uint8)
    place = Geometry() if geometry is None else geometry
    return Study(
        PATIENT,
        ScalarVolume(image, geometry=place),
        LabelVolume(mask(8), place) if truth else None,
        **fields,  # type: ignore[arg-type]
    )


def mask(left: int, slices: slice = slice(2, 4)) -> np.ndarray:
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[slices, 10:20, left : left + 10] = 1
    return lesion


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == np.array(colour)).all(axis=-1).sum())


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return count(picture, colour) > 0


def test_a_folder_of_the_patient_gets_all_pictures(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    paths = write_pictures(
        make_study(), {"prediction": mask(10)}, tmp_path, model=MODEL,
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip

    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert names == [
        *(f"{PATIENT}/overlays/{PATIENT}_{n:02d}.png" for n in range(1, 7)),
        f"{PATIENT}/{PATIENT}_triptych.png",
        f"{PATIENT}/{PATIENT}.gif",
        f"{PATIENT}/{PATIENT}_sheet.png",
    ]
    assert [p.name for p in tmp_path.iterdir()] == [PATIENT], "nothing is left over"
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1]
    assert sorted(steps) == steps


def test_slices_are_named_by_their_numbers(tmp_path: Path) -> None:
    study = make_study(slice_numbers=(7, 8, 9, 100, 101, 102))
    paths = write_pictures(study, {}, tmp_path, kinds=[PictureKind.OVERLAY], slices=[0, 3])

    assert [p.name for p in paths] == [f"{PATIENT}_007.png", f"{PATIENT}_100.png"]


def test_nothing_of_the_identity_or_of_metadata_is_in_the_files(tmp_path: Path) -> None:
    study = make_study(
        identity={"Name": "Doe^Jane", "Patient ID": "4711", "Birth date": "19700101"},
        attributes={"study description": "MR head of Jane Doe", "age": "50"},
    )
    for path in write_pictures(study, {"prediction": mask(10)}, tmp_path):
        content = path.read_bytes()
        assert all(word not in content for word in (b"Doe", b"Jane", b"4711", b"1970"))
        if path.suffix == ".png":
            assert chunks(content) <= {b"IHDR", b"IDAT", b"IEND"}
            assert Image.open(io.BytesIO(content)).info == {}
        else:
            assert "comment" not in Image.open(io.BytesIO(content)).info


def chunks(png: bytes) -> set[bytes]:
    found, place = set(), 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        found.add(png[place + 4 : place + 8])
        place += 12 + length
    return found


NAMES = ("prediction", "correction", "truth")


@pytest.mark.parametrize(
    "there", [c for n in range(4) for c in itertools.combinations(NAMES, n)], ids="-".join
)
def test_pictures_adapt_to_the_masks_there_are(there: tuple[str, ...]) -> None:
    study = make_study(truth=False)
    colours = {"prediction": PREDICTION, "correction": CORRECTION, "truth": TRUTH}
    masks = {
        name: mask(8 + 4 * place) if name in there else None for place, name in enumerate(NAMES)
    }
    overlay = slice_picture(study, masks, 2, model=MODEL)
    three = study_triptych(study, masks, model=MODEL)
    sheet = contact_sheet(study, masks, model=MODEL)
    film = Image.open(io.BytesIO(study_film(study, masks, model=MODEL)))
    plain = study_triptych(study, {})

    body = SliceDrawing(study, marks_of(study, masks)).outlines(2)
    for picture in (body, overlay, three, sheet, np.asarray(film.convert("RGB"))):
        assert {name for name in NAMES if has(picture, colours[name])} == set(there)
    panel = plain.shape[1]
    assert three.shape[1] == pytest.approx(panel + len(there) * (panel - 12 + 6), abs=6)


def test_the_truth_of_the_study_is_drawn_unless_it_is_left_out() -> None:
    study = make_study()

    assert [m.name for m in marks_of(study, {})] == ["truth"]
    assert marks_of(study, {"truth": None}) == ()
    assert [m.name for m in marks_of(study, {"prediction": mask(10)})] == ["prediction", "truth"]


def test_ct_is_not_called_a_sequence() -> None:
    study = make_study()
    head = np.full(SHAPE, -1000, np.int16)
    head[:, 4:28, 4:36] = 900
    head[:, 6:26, 6:34] = 35
    ct = Study(PATIENT, ScalarVolume(study.image.data), native={Modality.FLAIR: head})
    assert SliceDrawing(ct).name == "CT"
    assert SliceDrawing(study).name == "FLAIR"


def test_lines_that_coincide_are_all_seen() -> None:
    study = make_study()
    same = {name: mask(8) for name in NAMES}
    body = SliceDrawing(study, marks_of(study, same)).outlines(2)

    assert all(has(body, colour) for colour in (PREDICTION, CORRECTION, TRUTH))


@pytest.mark.parametrize(
    ("masks", "fragment"),
    [
        ({"prediction": np.zeros((6, 32, 32), np.uint8)}, "(6, 32, 32)"),
        ({"guess": mask(8)}, "guess"),
    ],
)
def test_masks_of_something_else_are_refused(
    masks: Mapping[str, np.ndarray], fragment: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        write_pictures(make_study(), masks, tmp_path)

    assert fragment in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_missing_modality_is_refused_and_what_is_there_stands_in() -> None:
    study = make_study(missing_modalities=(Modality.FLAIR, Modality.POST))

    assert SliceDrawing(study).modality is Modality.PRE
    with pytest.raises(DataError, match="has no post-contrast"):
        SliceDrawing(study, modality=Modality.POST)


# geometry -------------------------------------------------------------------------------------


def test_pixels_that_are_not_square_are_drawn_at_their_true_aspect() -> None:
    square, tall = SliceDrawing(make_study()), SliceDrawing(make_study(UPRIGHT))

    assert square.size[0] / square.size[1] == pytest.approx(40 / 32)
    assert tall.size[0] / tall.size[1] == pytest.approx(40 / 64, rel=0.01)
    assert tall.grey(0).shape == tall.size[::-1]
    assert tall.lesion(2, marks_of(make_study(), {})[0]).shape == tall.size[::-1]


def test_voxels_keep_their_corners_and_are_enlarged_by_a_whole_factor() -> None:
    study = make_study()
    mark = marks_of(study, {})[0]
    drawing = SliceDrawing(study, [mark])
    lesion = drawing.lesion(2, mark)
    factor = drawing.size[0] // SHAPE[2]

    assert drawing.size == (SHAPE[2] * factor, SHAPE[1] * factor)
    assert np.array_equal(lesion, mask(8)[2].repeat(factor, 0).repeat(factor, 1) != 0)


def test_a_lesion_of_one_voxel_is_seen_in_a_small_picture() -> None:
    study = make_study(truth=False)
    tiny = np.zeros(SHAPE, np.uint8)
    tiny[1, 17, 23] = 1
    marks = marks_of(study, {"prediction": tiny})
    drawing = SliceDrawing(study, marks, side_px=15, fit=True)

    assert max(drawing.size) == 15
    assert has(drawing.outlines(1), PREDICTION)


def test_letters_and_scale_bar_stand_only_where_they_are_known() -> None:
    unknown, known = SliceDrawing(make_study()), SliceDrawing(make_study(UPRIGHT))
    spacing_only = SliceDrawing(make_study(Geometry((5.0, 2.0, 1.0))))
    blank = Image.new("RGB", unknown.size)
    annotate(blank, unknown, 16)

    assert unknown.letters is None
    assert unknown.mm_per_px is None
    assert blank.getbbox() is None, "nothing is made up"
    assert known.letters == ("A", "P", "R", "L")
    assert spacing_only.letters is None
    assert spacing_only.mm_per_px == known.mm_per_px == pytest.approx(64 / known.size[1])


def test_the_scale_bar_has_its_length() -> None:
    drawing = SliceDrawing(make_study(Geometry((5.0, 2.0, 1.0))))
    picture = Image.new("RGB", drawing.size)
    annotate(picture, drawing, 16)
    bright = np.asarray(picture)[..., 0] == 240
    assert drawing.mm_per_px is not None
    runs = bright.sum(axis=1)

    # 40 mm wide: the longest round length up to a third of that
    assert runs.max() * drawing.mm_per_px == pytest.approx(10, abs=2 * drawing.mm_per_px)


def test_native_intensities_are_windowed_whatever_their_range() -> None:
    eight = make_study()
    flair = eight.image.channel(Modality.FLAIR).astype(np.float32)
    for native in ((flair / 255 - 0.5), (flair * 100).astype(np.uint16)):
        study = make_study(native={Modality.FLAIR: native})
        grey = SliceDrawing(study).grey(2)
        expected = SliceDrawing(eight).grey(2)
        assert np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.99
        assert grey.max() - grey.min() > 180, "tissue uses the greys there are"


# what is chosen and animated ------------------------------------------------------------------


def test_key_slices_follow_whatever_masks_there_are() -> None:
    study = make_study(truth=False)
    here, there = mask(8, slice(1, 2)), mask(8, slice(3, 4))

    assert key_slices(marks_of(study, {}), 6) == {3: "the middle one"}
    assert "no lesion" in key_slices(marks_of(study, {"prediction": here * 0}), 6)[3]
    assert list(key_slices(marks_of(study, {"prediction": here}), 6)) == [1]
    two = key_slices(marks_of(study, {"prediction": here, "correction": there}), 6)
    assert next(iter(two)) == 3, "the correction counts more than what it corrects"


def test_the_film_shows_the_lesion_and_all_slices_where_there_is_none() -> None:
    study = make_study(truth=False)
    lesion = Image.open(io.BytesIO(study_film(study, {"prediction": mask(8, slice(3, 4))})))
    bare = Image.open(io.BytesIO(study_film(study, {})))

    assert lesion.n_frames == 5, "two slices around"
    assert lesion.info["loop"] == 0
    assert bare.n_frames == 6


def test_a_film_that_is_too_large_has_fewer_greys() -> None:
    study = make_study()
    fine, coarse = study_film(study, {}), study_film(study, {}, limit_bytes=1)

    assert len(coarse) < len(fine)
    film = Image.open(io.BytesIO(coarse))
    counts = []
    for frame in (0, 2):
        film.seek(frame)
        counts.append(count(np.asarray(film.convert("RGB")), TRUTH))
    assert counts[1] > counts[0] > 0, "outlines keep the exact colour that the legend has"


def test_long_names_are_wrapped_and_not_cut_off() -> None:
    short = slice_picture(make_study(), {}, 2)
    study = Study("A" * 150, make_study().image)
    long = slice_picture(study, {}, 2)

    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0]
    assert long[:, -4:].max() < 60, "no letter reaches the edge"


# writing --------------------------------------------------------------------------------------


def test_pictures_never_go_among_the_patients_own_files(tmp_path: Path) -> None:
    own = tmp_path / PATIENT
    own.mkdir()
    study = make_study(path=own)

    for dest in (tmp_path, own, own / "deeper"):
        with pytest.raises(DataError, match="its own files"):
            write_pictures(study, {}, dest)
    assert list(own.iterdir()) == []


def test_a_stop_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (earlier,) = write_pictures(make_study(), {}, tmp_path, kinds=[PictureKind.SHEET])
    before = earlier.read_bytes()
    asked = iter([False] * 9)

    with pytest.raises(CancelledError):
        write_pictures(
            make_study(), {"prediction": mask(20)}, tmp_path,
            cancelled=lambda: next(asked, True),
        )  # fmt: skip

    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [earlier]
    assert earlier.read_bytes() == before


def test_pictures_are_replaced_and_other_files_stay(tmp_path: Path) -> None:
    (first,) = write_pictures(make_study(), {}, tmp_path, kinds=[PictureKind.TRIPTYCH])
    note = first.with_name("note.txt")
    note.write_text("mine")
    before = first.read_bytes()
    write_pictures(make_study(), {"prediction": mask(20)}, tmp_path, kinds=[PictureKind.TRIPTYCH])

    assert first.read_bytes() != before
    assert note.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match="Cannot write pictures"):
        write_pictures(make_study(), {}, blocked, kinds=[PictureKind.TRIPTYCH])


def test_the_same_pictures_have_the_same_bytes(tmp_path: Path) -> None:
    runs = [
        [p.read_bytes() for p in write_pictures(make_study(UPRIGHT), {}, tmp_path / name)]
        for name in ("a", "b")
    ]

    assert runs[0] == runs[1]


def test_the_prediction_is_told_apart_without_colours() -> None:
    """Its outline has gaps beside others, none alone, and the legend shows which one it is."""
    study = make_study()
    square = np.zeros(SHAPE, np.uint8)
    square[2, 6:26, 8:30] = 1
    alone = SliceDrawing(study, marks_of(study, {"truth": None, "prediction": square}))
    beside = SliceDrawing(study, marks_of(study, {"prediction": square, "truth": mask(4)}))

    whole = (alone.outlines(2) == PREDICTION).all(axis=-1)
    dashed = (beside.outlines(2) == PREDICTION).all(axis=-1)
    assert not alone.legend()[0].dashed
    assert [key.dashed for key in beside.legend()] == [False, True]
    assert not any(key.dashed for key in beside.legend(filled=True))
    rim = dashed[np.flatnonzero(whole.any(axis=1))[0]]
    runs = [len(list(run)) for on, run in itertools.groupby(rim.tolist()) if on]
    assert len(runs) > 5
    small = SliceDrawing(study, marks_of(study, {"prediction": square}), side_px=100, fit=True)
    assert not any(key.dashed for key in small.legend()), "thumbnails have whole lines"


@pytest.mark.parametrize("name", ["Jürgen Weiß", "Ковалёв", "Ελένη"])
def test_names_have_their_letters_in_pictures(name: str) -> None:
    font = font_for(name, 20)
    missing = bytes(font.getmask("\ue000"))
    assert all(bytes(font.getmask(letter)) != missing for letter in name if letter != " ")
