"""Series taken apart where they hold more than one volume, and only there."""

from __future__ import annotations

import pytest

from napari_brainseg.core.formats.dicom.index import index_folder
from napari_brainseg.core.formats.dicom.stacks import distance_mm, split_series

SAGITTAL = [0, 1, 0, 0, 0, -1]


def stacks_of(folder):
    return split_series(index_folder(folder).records)


def lengths(folder):
    return [len(stack) for stack in stacks_of(folder)]


def test_a_plain_series_is_one_stack_in_the_order_of_positions(tmp_path, write_series):
    write_series(tmp_path, 12, InstanceNumber=lambda n: 100 - n)
    (stack,) = stacks_of(tmp_path)
    assert [record.position[2] for record in stack] == [5.0 * n for n in range(12)]
    assert distance_mm(stack) == 5.0


def test_planes_of_a_localiser(tmp_path, write_series):
    write_series(tmp_path, 3, series="1.9")
    write_series(tmp_path, 4, series="1.9", first=4, ImageOrientationPatient=SAGITTAL)
    assert lengths(tmp_path) == [3, 4]


def test_a_direction_that_trembles_is_one(tmp_path, write_series):
    write_series(tmp_path, 6, ImageOrientationPatient=lambda n: [1, n / 1e6, 0, -n / 1e6, 1, 0])
    assert lengths(tmp_path) == [6]


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", (12.0, 90.0)),
        ("EchoNumbers", (1, 2)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("DiffusionBValue", (0.0, 1000.0)),
        ("AcquisitionNumber", (1, 2)),
        ("TriggerTime", (10.0, 410.0)),
        ("InversionTime", (400.0, 2500.0)),
    ],
)
def test_volumes_at_the_same_positions(tmp_path, write_series, keyword, values):
    for index, value in enumerate(values):
        write_series(tmp_path, 8, series="1.9", first=1 + 8 * index, **{keyword: value})
    assert lengths(tmp_path) == [8, 8]
    assert [stack[0].instance_number for stack in stacks_of(tmp_path)] == [1, 9]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AcquisitionNumber", lambda n: 1 + n % 2),
        ("TriggerTime", lambda n: 50.0 * n),
        ("EchoTime", lambda n: 90.0 + n / 10),
        ("AcquisitionTime", lambda n: f"1015{n:02d}"),
    ],
)
def test_what_differs_from_slice_to_slice_does_not_tear_a_volume(
    tmp_path, write_series, keyword, value
):
    write_series(tmp_path, 8, **{keyword: value})
    assert lengths(tmp_path) == [8]


def test_one_slice_that_was_taken_twice_does_not_tear_the_volume(tmp_path, write_series):
    write_series(tmp_path, 8, series="1.9", AcquisitionTime=lambda n: f"1015{n:02d}")
    write_series(tmp_path, 1, series="1.9", first=9, AcquisitionTime="101600")
    assert lengths(tmp_path) == [9]


def test_volumes_that_only_their_numbers_tell_apart(tmp_path, write_series):
    write_series(tmp_path, 6, series="1.9", AcquisitionTime=lambda n: f"1015{n:02d}")
    write_series(tmp_path, 6, series="1.9", first=7, AcquisitionTime=lambda n: f"1016{n:02d}")
    assert lengths(tmp_path) == [6, 6]
    assert [stack[0].instance_number for stack in stacks_of(tmp_path)] == [1, 7]


def test_a_second_echo_of_some_slices(tmp_path, write_series):
    write_series(tmp_path, 9, series="1.9", EchoTime=10.0)
    write_series(tmp_path, 3, series="1.9", first=10, EchoTime=90.0)
    assert lengths(tmp_path) == [9, 3]


def test_sizes_and_maps_beside_images(tmp_path, write_series):
    write_series(tmp_path, 5, series="1.9")
    write_series(tmp_path, 5, series="1.9", first=6, Rows=4, Columns=16)
    adc = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
    write_series(tmp_path, 5, series="1.9", first=11, ImageType=adc)
    assert lengths(tmp_path) == [5, 5, 5]


def test_two_echoes_over_two_times(tmp_path, write_series):
    number = 1
    for echo in (1, 2):
        for time in (1, 2):
            write_series(
                tmp_path,
                4,
                series="1.9",
                first=number,
                EchoNumbers=echo,
                TemporalPositionIdentifier=time,
            )
            number += 4
    assert lengths(tmp_path) == [4, 4, 4, 4]


def test_without_positions_slices_follow_their_numbers(tmp_path, write_series):
    write_series(
        tmp_path,
        5,
        ImagePositionPatient=None,
        ImageOrientationPatient=lambda _n: None,
        InstanceNumber=lambda n: 5 - n,
    )
    (stack,) = stacks_of(tmp_path)
    assert [record.instance_number for record in stack] == [1, 2, 3, 4, 5]


def test_blanked_positions_do_not_tear_a_volume(tmp_path, write_series):
    write_series(tmp_path, 6, ImagePositionPatient=[0, 0, 0], SliceLocation=lambda n: 5 * n,
                 AcquisitionTime=lambda n: f"1015{n:02d}")  # fmt: skip
    assert lengths(tmp_path) == [6]


def test_each_multi_frame_file_is_a_stack(tmp_path, write_series):
    write_series(tmp_path, 2, series="1.9", NumberOfFrames=3, PixelData=bytes(2 * 64 * 3))
    assert lengths(tmp_path) == [1, 1]
    assert stacks_of(tmp_path)[0][0].frames == 3
    parts = tmp_path / "parts"
    for first in (1, 2):
        said = {"NumberOfFrames": 3, "ConcatenationUID": "1.2", "PixelData": bytes(2 * 64 * 3)}
        place = [0, 0, 15 * first]
        write_series(parts, 1, series="1.9", first=first, ImagePositionPatient=place, **said)
    assert lengths(parts) == [2]
