"""Headers as scanners write them: byte orders, character sets, long private elements, breaks."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomSeries, write_dicom_phantom
from napari_brainseg.core.formats.dicom.headers import read_header
from napari_brainseg.core.imaging import DataError, Modality

FACTS = {
    "SeriesDescription": "AX T2 FLAIR",
    "EchoTime": 125.0,
    "RepetitionTime": 9000.0,
    "InversionTime": 2500.0,
    "EchoNumbers": 1,
    "ScanningSequence": ["SE", "IR"],
    "FrameOfReferenceUID": "1.2.3.4",
    "ContrastBolusAgent": "Gadovist",
}


def check(header):
    assert header.series_description == "AX T2 FLAIR"
    assert header.echo_time_ms == 125.0
    assert header.repetition_time_ms == 9000.0
    assert header.inversion_time_ms == 2500.0
    assert header.echo_number == 1
    assert header.scanning_sequence == ("SE", "IR")
    assert header.image_type == ("ORIGINAL", "PRIMARY", "M", "ND")
    assert header.frame_of_reference_uid == "1.2.3.4"
    assert header.contrast_agent == "Gadovist"
    assert (header.rows, header.columns, header.frames) == (8, 8, 1)
    assert header.bits_allocated == 16
    assert header.position == (0.0, 0.0, 0.0)
    assert header.orientation == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert header.pixel_spacing_mm == (0.5, 0.5)
    assert header.patient_id == "0815"
    assert header.is_image
    assert not header.is_mask


def rewritten(path, syntax):
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    options = {
        ImplicitVRLittleEndian: (True, True),
        ExplicitVRBigEndian: (False, False),
        DeflatedExplicitVRLittleEndian: (False, True),
    }[syntax]
    fresh = Dataset()
    fresh.update(dataset)
    fresh.file_meta = dataset.file_meta
    fresh.PixelData = bytes(128)
    pydicom.dcmwrite(
        path, fresh, implicit_vr=options[0], little_endian=options[1], enforce_file_format=True
    )


def test_a_plain_header(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1, **FACTS)
    header = read_header(path)
    check(header)
    assert header.transfer_syntax_uid == "1.2.840.10008.1.2.1"


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_transfer_syntaxes(tmp_path, write_series, syntax):
    (path,) = write_series(tmp_path, 1, **FACTS)
    rewritten(path, syntax)
    header = read_header(path)
    check(header)
    assert header.transfer_syntax_uid == syntax


def test_without_prefix_and_meta_information(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1, **FACTS)
    rewritten(path, ImplicitVRLittleEndian)
    raw = path.read_bytes()
    length = int.from_bytes(raw[140:144], "little")
    path.write_bytes(raw[144 + length :])
    check(read_header(path))


def test_a_header_longer_than_what_is_read_first(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1, **FACTS)
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0019, "BRAINSEG TEST", create=True)
    block.add_new(0x20, "OB", bytes(300_000))
    dataset.save_as(path)
    check(read_header(path))


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Schädel Übersicht"),
        ("ISO_IR 192", "頭部 造影 T1"),
        ("ISO_IR 144", "Голова"),
        (["", "ISO 2022 IR 87"], "造影T1"),
    ],
)
def test_character_sets(tmp_path, write_series, charset, text):
    (path,) = write_series(tmp_path, 1, SpecificCharacterSet=charset, SeriesDescription=text)
    assert read_header(path).series_description == text


def test_an_unknown_character_set_still_gives_a_text(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1, SeriesDescription="FLAIR x")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"FLAIR x ", b"FLAIR \xe4 "))
    assert read_header(path).series_description == "FLAIR ä"


def test_broken_values_are_left_out(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1, EchoTime=12.25, RepetitionTime=500.0)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"12.25 ", b"twelve"))
    header = read_header(path)
    assert header.echo_time_ms is None
    assert header.repetition_time_ms == 500.0


@pytest.mark.parametrize("length", [0, 100, 131, 132])
def test_short_files_are_no_dicom_or_broken(tmp_path, length):
    path = tmp_path / "short"
    path.write_bytes((bytes(128) + b"DICM")[:length])
    if length < 132:
        assert read_header(path) is None
    else:
        with pytest.raises(DataError, match="broken DICOM"):
            read_header(path)


def test_other_files_are_no_dicom(tmp_path):
    path = tmp_path / "README"
    path.write_text("Nothing to see here. " * 50)
    assert read_header(path) is None


def test_a_deflated_bomb_is_not_inflated(tmp_path, write_series):
    (path,) = write_series(tmp_path, 1)
    rewritten(path, DeflatedExplicitVRLittleEndian)
    raw = path.read_bytes()
    start = 144 + int.from_bytes(raw[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A private element of 200 MB in front of everything.
    body = packer.compress(b"\x01\x00\x10\x00OB\x00\x00" + (200 << 20).to_bytes(4, "little"))
    for _ in range(200):
        body += packer.compress(bytes(1 << 20))
    path.write_bytes(raw[:start] + body + packer.flush())
    with pytest.raises(DataError, match="broken DICOM"):
        read_header(path)


def test_permission_and_gone(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_header(tmp_path / "gone")


def test_enhanced_multi_frame(tmp_path):
    study = phantom_study(1, slices=6, size=32)
    root = write_dicom_phantom(
        tmp_path, study, series=[PhantomSeries(Modality.FLAIR, enhanced=True)]
    )
    (path,) = [path for path in Path(root).rglob("*") if path.is_file()]
    header = read_header(path)
    assert header.frames > 1
    assert header.position is not None
    assert header.orientation is not None
    assert header.pixel_spacing_mm is not None
    assert header.is_image


def test_coded_contrast_agents(tmp_path, write_series):
    agent = Dataset()
    agent.CodeMeaning = "Gadobutrol"
    (path,) = write_series(tmp_path, 1, ContrastBolusAgentSequence=[agent])
    assert read_header(path).contrast_agent == "Gadobutrol"
    (path,) = write_series(tmp_path / "b", 1, ContrastBolusAgentSequence=[])
    assert read_header(path).contrast_agent == ""


def test_empty_functional_groups_say_nothing(tmp_path, write_series):
    (path,) = write_series(
        tmp_path, 1, SharedFunctionalGroupsSequence=[], PerFrameFunctionalGroupsSequence=[]
    )
    assert read_header(path).echo_time_ms is None


def test_gone_while_reading_folders(tmp_path, write_series):
    from napari_brainseg.core.formats.dicom.index import index_folder

    write_series(tmp_path / "a", 3)
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = index_folder(tmp_path)
    assert found.records == ()
    assert [path.name for path, _ in found.broken] == ["dangling"]
