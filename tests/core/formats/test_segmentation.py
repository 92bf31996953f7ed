"""Masks as DICOM segmentations, and back."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian

from napari_brainseg.core.formats.dicom.segmentation import encode_segmentation
from napari_brainseg.core.formats.masks import MaskMaker, describe_mask, read_mask
from napari_brainseg.core.imaging import DataError, Geometry, ScalarVolume, Study

if TYPE_CHECKING:
    from numpy.typing import NDArray

_spec = importlib.util.spec_from_file_location(
    "seg_sources", Path(__file__).with_name("seg_sources.py")
)
assert _spec is not None
assert _spec.loader is not None
sources = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sources)

BY_MODEL = MaskMaker("AUTOMATIC", "default-3 (a1b2c3)", software_version="1.2.3")
BY_HAND = MaskMaker("MANUAL", editor="Ada King Lovelace", software_version="1.2.3")


def some_mask(study: Study, seed: int = 0, share: float = 0.2) -> NDArray[np.uint8]:
    """Random lesion on all slices but the first stored one."""
    stored = np.random.default_rng(seed).random(study.grid.shape) < share
    stored[0] = False
    return np.ascontiguousarray(study.grid.reorientation.apply(stored)).astype(np.uint8)


def written(study: Study, data: NDArray[Any], folder: Path, maker: MaskMaker = BY_MODEL,
            **options: Any) -> Path:  # fmt: skip
    path = folder / "mask.dcm"
    path.write_bytes(encode_segmentation(study, data, maker, **options))
    return path


def drawn_on(group: pydicom.Dataset, study: Study) -> int:
    """Index of the stored slice that a frame refers to."""
    (image,) = group.DerivationImageSequence[0].SourceImageSequence
    referred = (image.ReferencedSOPInstanceUID, image.get("ReferencedFrameNumber", 1) - 1)
    (k,) = [
        k
        for k, frame in enumerate(study.grid.frames)
        if frame is not None and (frame.sop_instance_uid, frame.frame) == referred
    ]
    return k


@pytest.mark.parametrize("enhanced", [False, True])
def test_frames_refer_to_the_slices_that_they_were_drawn_on(tmp_path: Path, enhanced: bool) -> None:
    study = sources.dicom_study(tmp_path / "s", enhanced=enhanced, missing=[3])
    mask = np.array(some_mask(study))
    study.grid.reorientation.undo(mask)[3] = 0

    dataset = pydicom.dcmread(written(study, mask, tmp_path))

    stored = study.grid.reorientation.undo(mask)
    frames = dataset.pixel_array
    assert frames.shape == (3, 7, 6)
    for group, plane in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        k = drawn_on(group, study)
        np.testing.assert_array_equal(plane, stored[k])
        position = (np.array(study.grid.affine_lps) @ (k, 0, 0, 1))[:3]
        np.testing.assert_allclose(
            group.PlanePositionSequence[0].ImagePositionPatient, position, atol=1e-4
        )
    (series,) = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == study.grid.series_uid
    assert len(series.ReferencedInstanceSequence) == (1 if enhanced else 4)


def test_the_header_says_what_made_the_mask(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)

    dataset = pydicom.dcmread(written(study, mask, tmp_path))

    (segment,) = dataset.SegmentSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
        "BrainSeg",
        "default-3 (a1b2c3)",
    )
    (category,) = segment.SegmentedPropertyCategoryCodeSequence
    (kind,) = segment.SegmentedPropertyTypeCodeSequence
    (modifier,) = kind.SegmentedPropertyTypeModifierCodeSequence
    (region,) = segment.AnatomicRegionSequence
    assert [c.CodeValue for c in (category, kind, modifier, region)] == [
        "49755003",
        "108369006",
        "79654002",
        "12738006",
    ]
    assert dataset.get("ContentCreatorName", "") == ""
    assert (dataset.PatientID, dataset.StudyInstanceUID) != ("", "")
    assert dataset.SoftwareVersions == "1.2.3"
    assert dataset.SeriesDescription == "BrainSeg prediction"


def test_a_mask_by_hand_names_its_editor_and_no_algorithm(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")

    dataset = pydicom.dcmread(written(study, some_mask(study), tmp_path, BY_HAND))

    (segment,) = dataset.SegmentSequence
    assert segment.SegmentAlgorithmType == "MANUAL"
    assert "SegmentationAlgorithmIdentificationSequence" not in segment
    assert dataset.ContentCreatorName == "Lovelace^Ada King"


def test_only_uids_and_times_differ_between_two_exports(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)
    first = pydicom.dcmread(written(study, mask, tmp_path))
    second = pydicom.dcmread(written(study, mask, tmp_path))

    differing = {
        keyword
        for keyword in first.dir()
        if keyword != "PerFrameFunctionalGroupsSequence" and first[keyword] != second[keyword]
    }

    assert differing <= {
        "SOPInstanceUID", "SeriesInstanceUID", "InstanceCreationDate", "InstanceCreationTime",
        "ContentDate", "ContentTime", "DimensionIndexSequence", "DimensionOrganizationSequence",
        "ContributingEquipmentSequence",
    }  # fmt: skip
    assert first.SegmentSequence[0].TrackingUID == second.SegmentSequence[0].TrackingUID


def test_lesion_on_a_slice_that_the_series_lacks_is_refused(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s", missing=[1, 3])
    mask = np.ones(study.image.grid_shape, np.uint8)

    with pytest.raises(DataError, match=r"slices 2, 4, which the series lacks"):
        encode_segmentation(study, mask, BY_MODEL)


def test_a_missing_slice_is_numbered_as_the_window_counts(tmp_path: Path) -> None:
    study = sources.dicom_study(
        tmp_path / "s", missing=[1], affine=sources.affine_of(downwards=True)
    )
    mask = np.zeros(study.image.grid_shape, np.uint8)
    study.grid.reorientation.undo(mask)[1, 2, 2] = 1

    assert mask[3].any()
    with pytest.raises(DataError, match=r"slice 4, which"):
        encode_segmentation(study, mask, BY_MODEL)


@pytest.mark.parametrize("fractional", [False, True])
def test_a_mask_without_lesion_is_written_and_read(tmp_path: Path, fractional: bool) -> None:
    study = sources.dicom_study(tmp_path / "s", missing=[2])
    mask = np.zeros(study.image.grid_shape, np.uint8)

    path = written(study, mask, tmp_path, fractional=fractional)

    assert pydicom.dcmread(path).NumberOfFrames == 4
    assert read_mask(path, study).voxels == 0


def test_probabilities_keep_their_steps_and_the_half(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    shape = study.image.grid_shape
    probability = np.random.default_rng(1).random(shape).astype(np.float32)
    probability[1, :2, :3] = [[0.5, 0.4999, 0.499], [0.5001, 0.0, 1.0]]

    path = written(study, probability, tmp_path, fractional=True)

    dataset = pydicom.dcmread(path)
    assert dataset.SegmentationFractionalType == "PROBABILITY"
    assert dataset.MaximumFractionalValue == 255
    stored = dataset.pixel_array / 255
    order = [drawn_on(group, study) for group in dataset.PerFrameFunctionalGroupsSequence]
    expected = study.grid.reorientation.undo(probability)[order]
    assert np.abs(stored - expected).max() <= 0.5 / 255 + 1e-6
    np.testing.assert_array_equal(read_mask(path, study).data, probability >= 0.5)


def test_probabilities_beyond_one_are_refused(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")

    with pytest.raises(DataError, match="between 0 and 1"):
        encode_segmentation(study, np.full(study.image.grid_shape, 1.5), BY_MODEL, fractional=True)


def test_a_study_that_is_not_dicom_is_refused() -> None:
    study = Study("A_20200101", ScalarVolume(np.zeros((3, 2, 4, 4), np.uint8)))

    with pytest.raises(DataError, match="kaggle_3m study"):
        encode_segmentation(study, np.zeros((2, 4, 4), np.uint8), BY_MODEL)


def test_a_source_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    other = sources.dicom_study(tmp_path / "other")
    shutil.copy(other.grid.frames[2].path, study.grid.frames[2].path)

    with pytest.raises(DataError, match="IM002 holds another image"):
        encode_segmentation(study, some_mask(study), BY_MODEL)

    study.grid.frames[2].path.unlink()
    with pytest.raises(DataError, match="IM002 is gone"):
        encode_segmentation(study, some_mask(study), BY_MODEL)


def test_slices_that_share_a_uid_are_told_apart_by_their_positions(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)
    path = written(study, mask, tmp_path)
    one = [replace(frame, sop_instance_uid="1.2.3") for frame in study.grid.frames if frame]
    broken = replace(study, grid=replace(study.grid, frames=tuple(one)))
    dataset = pydicom.dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        (image,) = group.DerivationImageSequence[0].SourceImageSequence
        image.ReferencedSOPInstanceUID = "1.2.3"
    dataset.save_as(path)
    np.testing.assert_array_equal(read_mask(path, broken).data, mask)
    with pytest.raises(DataError, match="one SOP Instance UID"):
        encode_segmentation(broken, mask, BY_MODEL)


@pytest.mark.parametrize("degrees", [0.0, 0.3, 2.0])
def test_slices_of_a_stack_that_are_hardly_parallel_come_back(
    tmp_path: Path, degrees: float
) -> None:
    """Localisers lean by fractions of a degree against each other; the stack has their mean."""
    study = sources.dicom_study(tmp_path / "s", (3, 200, 220))
    mask = some_mask(study)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    for frame in study.grid.frames:
        header = pydicom.dcmread(frame.path)
        cosines = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        turned = cosines @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        header.ImageOrientationPatient = [f"{v:.9f}" for v in turned.ravel()]
        header.save_as(frame.path)
    path = written(study, mask, tmp_path)
    if degrees < 1:
        np.testing.assert_array_equal(read_mask(path, study).data, mask)
    else:
        with pytest.raises(DataError, match="another grid"):
            read_mask(path, study)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_patient_module_without_some_elements_will_do(tmp_path: Path) -> None:
    study = sources.dicom_study(
        tmp_path / "s", AccessionNumber=None, PatientBirthDate=None, StudyTime="99", PatientSex="X"
    )

    dataset = pydicom.dcmread(written(study, some_mask(study), tmp_path))

    assert dataset.AccessionNumber == ""
    assert dataset.PatientBirthDate == ""
    assert dataset.PatientSex == "O"


def test_names_in_other_letters_survive(tmp_path: Path) -> None:
    study = sources.dicom_study(
        tmp_path / "s", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg"
    )
    maker = MaskMaker("SEMIAUTOMATIC", "v1", "Łukasz Żak")

    dataset = pydicom.dcmread(written(study, some_mask(study), tmp_path, maker))

    assert str(dataset.PatientName) == "Müller^Jörg"
    assert str(dataset.ContentCreatorName) == "Żak^Łukasz"


@settings(max_examples=15)
@given(
    plane=st.sampled_from(sorted(sources.PLANES)),
    tilt=st.floats(-30, 30),
    downwards=st.booleans(),
    enhanced=st.booleans(),
    fractional=st.booleans(),
    # highdicom 0.28 packs frames of fewer than eight pixels wrongly.
    shape=st.tuples(st.integers(1, 6), st.integers(3, 6), st.integers(3, 6)),
    seed=st.integers(0, 2**32 - 1),
)
def test_masks_come_back_voxel_by_voxel(
    tmp_path_factory: pytest.TempPathFactory,
    plane: str,
    tilt: float,
    downwards: bool,
    enhanced: bool,
    fractional: bool,
    shape: tuple[int, int, int],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("seg")
    affine = sources.affine_of(plane, tilt_deg=tilt, downwards=downwards)
    study = sources.dicom_study(folder / "s", shape, affine, enhanced=enhanced)
    mask = (np.random.default_rng(seed).random(study.image.grid_shape) < 0.3).astype(np.uint8)

    back = read_mask(written(study, mask, folder, fractional=fractional), study)

    np.testing.assert_array_equal(back.data, mask)
    assert back.geometry == study.image.geometry


# files of other programs --------------------------------------------------------------------


def edited(path: Path, change: Any) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_frames_in_another_order_are_placed(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    probability = some_mask(study).astype(float)

    def shuffle(dataset: pydicom.Dataset) -> None:
        order = [2, 0, 3, 1]
        dataset.PixelData = dataset.pixel_array[order].tobytes()
        groups = dataset.PerFrameFunctionalGroupsSequence
        dataset.PerFrameFunctionalGroupsSequence = [groups[i] for i in order]

    path = edited(written(study, probability, tmp_path, fractional=True), shuffle)

    np.testing.assert_array_equal(read_mask(path, study).data, probability)


def strip(*macros: str) -> Any:
    def change(dataset: pydicom.Dataset) -> None:
        for group in (
            *dataset.PerFrameFunctionalGroupsSequence,
            dataset.SharedFunctionalGroupsSequence[0],
        ):
            for macro in macros:
                if macro in group:
                    delattr(group, macro)

    return change


@pytest.mark.parametrize(
    "macro", ["PlanePositionSequence", "DerivationImageSequence", "PlaneOrientationSequence"]
)
def test_a_frame_is_placed_by_its_position_or_by_its_image(tmp_path: Path, macro: str) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)

    path = edited(written(study, mask, tmp_path), strip(macro))

    np.testing.assert_array_equal(read_mask(path, study).data, mask)


def test_a_mask_without_position_and_image_is_refused(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    path = written(study, some_mask(study), tmp_path)
    edited(path, strip("PlanePositionSequence", "DerivationImageSequence"))

    with pytest.raises(DataError, match="another grid than PT-0123456789_20200131"):
        read_mask(path, study)


def test_unevenly_spaced_slices_are_found_by_the_images(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)

    def move(dataset: pydicom.Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            position = group.PlanePositionSequence[0]
            x, y, z = position.ImagePositionPatient
            position.ImagePositionPatient = [x, y, f"{float(z) + 1.1:.4f}"]

    path = edited(written(study, mask, tmp_path), move)

    np.testing.assert_array_equal(read_mask(path, study).data, mask)
    edited(path, strip("DerivationImageSequence"))
    with pytest.raises(DataError, match="another grid"):
        read_mask(path, study)


def two_segments(study: Study, path: Path, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    first = study.grid.reorientation.undo(some_mask(study, 1)) > 0
    second = (study.grid.reorientation.undo(some_mask(study, 2)) > 0) & ~first
    headers = [pydicom.dcmread(frame.path) for frame in study.grid.frames]
    described = [
        hd.seg.SegmentDescription(
            number, label, codes.SCT.MorphologicallyAbnormalStructure, what, "MANUAL"
        )
        for number, label, what in (
            (1, "Core", codes.SCT.Neoplasm),
            (2, "Edema", codes.SCT.Edema),
        )
    ]
    hd.seg.Segmentation(
        headers,
        np.where(first, 1, np.where(second, 2, 0)).astype(np.uint8),
        kind,
        described,
        hd.UID(), 1, hd.UID(), 1, "Other", "Other", "1", "1",
    ).save_as(path)  # fmt: skip
    up = study.grid.reorientation.apply
    return up(first), up(second)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_of_another_program_together_or_one_by_one(tmp_path: Path, kind: str) -> None:
    study = sources.dicom_study(tmp_path / "s")
    path = tmp_path / "two.dcm"
    first, second = two_segments(study, path, kind)

    np.testing.assert_array_equal(read_mask(path, study).data, first | second)
    np.testing.assert_array_equal(read_mask(path, study, segment=1).data, first)
    np.testing.assert_array_equal(read_mask(path, study, segment="Edema").data, second)
    with pytest.raises(DataError, match=r"no segment 3, only: 1 \(Core\), 2 \(Edema\)"):
        read_mask(path, study, segment=3)
    info = describe_mask(path)
    assert [s.label for s in info.segments] == ["Core", "Edema"]
    assert info.lesion_voxels == np.count_nonzero(first | second)


def test_a_mask_of_another_examination_is_refused(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    other = sources.dicom_study(tmp_path / "other")
    mask = some_mask(other)
    path = written(other, mask, tmp_path)

    with pytest.raises(DataError, match="another frame of reference"):
        read_mask(path, study)
    np.testing.assert_array_equal(read_mask(path, study, resample=True).data, mask)


def test_another_grid_is_named_and_resampled_only_if_asked_for(tmp_path: Path) -> None:
    fine = sources.dicom_study(tmp_path / "fine", (8, 8, 8), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]])
    coarse_affine = np.diag([2.0, 2, 2, 1])[[2, 1, 0, 3]]
    coarse_affine[:3, 3] = 0.5
    coarse = sources.dicom_study(
        tmp_path / "coarse", (4, 4, 4), coarse_affine,
        FrameOfReferenceUID=pydicom.dcmread(fine.grid.frames[0].path).FrameOfReferenceUID,
    )  # fmt: skip
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[1:3, 2, 1] = 1
    path = written(coarse, mask, tmp_path)

    with pytest.raises(DataError, match=r"2 frames of 4 x 4.*the study has 8 x 8 x 8"):
        read_mask(path, fine)

    expected = mask.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(read_mask(path, fine, resample=True).data, expected)


@pytest.mark.parametrize("slices", [(1, 6), (0, 2, 5), (2, 3, 7), (4,)])
@pytest.mark.parametrize("told", ["SpacingBetweenSlices", "SliceThickness"])
def test_frames_that_were_left_out_do_not_swell_their_neighbours(
    tmp_path: Path, slices: tuple[int, ...], told: str
) -> None:
    affine = sources.affine_of("axial", spacing=(4.0, 1.0, 1.0))
    source = sources.dicom_study(tmp_path / "in", (8, 6, 5), affine)
    fine_affine = affine.copy()
    fine_affine[:3, 0] /= 4
    fine_affine[:3, 3] -= affine[:3, 0] * 3 / 8
    uid = pydicom.dcmread(source.grid.frames[0].path).FrameOfReferenceUID
    fine = sources.dicom_study(tmp_path / "fine", (32, 6, 5), fine_affine, FrameOfReferenceUID=uid)
    mask = np.zeros((8, 6, 5), np.uint8)
    mask[list(slices), 2:4, 1:3] = 1
    path = written(source, mask, tmp_path)
    dataset = pydicom.dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures["SliceThickness" if told == "SpacingBetweenSlices" else "SpacingBetweenSlices"]
    setattr(measures, told, "4.0")
    dataset.save_as(path)
    np.testing.assert_array_equal(read_mask(path, fine, resample=True).data, mask.repeat(4, axis=0))


def test_thin_slices_at_even_distances_are_neighbours(tmp_path: Path) -> None:
    affine = sources.affine_of("axial", spacing=(4.0, 1.0, 1.0))
    source = sources.dicom_study(tmp_path / "in", (4, 6, 5), affine)
    fine_affine = affine.copy()
    fine_affine[:3, 0] /= 2
    fine_affine[:3, 3] -= affine[:3, 0] / 4
    uid = pydicom.dcmread(source.grid.frames[0].path).FrameOfReferenceUID
    fine = sources.dicom_study(tmp_path / "fine", (8, 6, 5), fine_affine, FrameOfReferenceUID=uid)
    mask = np.zeros((4, 6, 5), np.uint8)
    mask[:3, 2:4, 1:3] = 1
    path = written(source, mask, tmp_path)
    dataset = pydicom.dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    measures.SliceThickness = "1.0"
    dataset.save_as(path)
    np.testing.assert_array_equal(read_mask(path, fine, resample=True).data, mask.repeat(2, axis=0))


def test_a_mask_fits_the_same_grid_in_another_format(tmp_path: Path) -> None:
    source = sources.dicom_study(tmp_path / "s", affine=sources.affine_of("sagittal"))
    mask = some_mask(source)
    path = written(source, mask, tmp_path)
    affine = source.image.geometry.affine_lps
    image = ScalarVolume(source.image.data, geometry=Geometry.from_affine(affine))

    np.testing.assert_array_equal(read_mask(path, Study("A_20200101", image)).data, mask)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    path = written(study, some_mask(study), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(DataError, match=r"mask\.dcm"):
        read_mask(path, study)
    with pytest.raises(DataError, match="no segmentation"):
        read_mask(study.grid.frames[0].path, study)


def test_any_damage_is_a_message_that_names_the_file(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    sound = written(study, some_mask(study), tmp_path).read_bytes()
    path = tmp_path / "broken.dcm"
    said = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        content = bytearray(sound[: rng.integers(200, len(sound))] if seed % 4 == 0 else sound)
        for _ in range(rng.integers(1, 12)):
            content[rng.integers(132, len(content))] = rng.choice([0, 1, 0x7F, 0xFF])
        path.write_bytes(content)
        try:
            read_mask(path, study)
        except DataError as error:
            said.append(str(error))
    assert said
    assert all("broken.dcm" in text for text in said)


def test_a_deflated_file_is_read_and_a_bomb_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sources.dicom_study(tmp_path / "s")
    mask = some_mask(study)
    path = written(study, mask, tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)

    np.testing.assert_array_equal(read_mask(path, study).data, mask)

    monkeypatch.setattr(
        "napari_brainseg.core.formats.dicom.segmentation_reading._MOST_BYTES", 2**10
    )
    with pytest.raises(DataError, match=r"mask\.dcm is deflated and grows"):
        read_mask(path, study)


# what other programs make of ours -----------------------------------------------------------


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("fractional", [False, True])
def test_dciodvfy_finds_no_error(tmp_path: Path, enhanced: bool, fractional: bool) -> None:
    study = sources.dicom_study(tmp_path / "s", enhanced=enhanced)
    maker = MaskMaker("SEMIAUTOMATIC", "v1", "Ada Lovelace")
    for name, mask in (("some", some_mask(study)), ("none", 0 * some_mask(study))):
        path = written(study, mask, tmp_path, maker, fractional=fractional)

        run = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)

        assert "Error" not in run.stdout + run.stderr, f"{name}: {run.stderr}"
        assert run.returncode == 0


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmtk is not installed")
def test_dcmdump_reads_it(tmp_path: Path) -> None:
    study = sources.dicom_study(tmp_path / "s")
    path = written(study, some_mask(study), tmp_path)

    run = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=True)

    assert run.stderr == ""
    assert "SegmentationStorage" in run.stdout


def test_highdicom_reads_the_same_voxels(tmp_path: Path) -> None:
    import highdicom as hd

    study = sources.dicom_study(tmp_path / "s", affine=sources.affine_of("coronal", tilt_deg=9))
    mask = some_mask(study)
    path = written(study, mask, tmp_path)

    uids = [frame.sop_instance_uid for frame in study.grid.frames]
    pixels = hd.seg.segread(path).get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )

    np.testing.assert_array_equal(pixels, study.grid.reorientation.undo(mask))
