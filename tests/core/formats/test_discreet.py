"""What files that are handed on say of DICOM patients that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brainseg.core.formats import Discovery, Fault, StudyFolder
from napari_brainseg.core.formats.discreet import discreet_fault, discreet_reason
from napari_brainseg.core.imaging import DataError, StudyFormat

HOME = Path("/scans/DOE^JANE 4711/ACC 9981")
FILE = HOME / "S 1" / "DOE_0001.dcm"


def folder(format_: StudyFormat = StudyFormat.DICOM) -> StudyFolder:
    return StudyFolder(HOME, "PT-0123456789_20200101", (FILE,), (None,), (), format=format_)


@pytest.mark.parametrize(
    "message",
    [
        f"{FILE} is cut off.",
        f"{FILE.name} is cut off.",
        f"{HOME} holds nothing.",
        f"{HOME.parent}/other file.dcm is cut off.",
        "ACC 9981 is odd.",
        "'DOE^JANE 4711' cannot be read.",
    ],
)
def test_nothing_of_folders_and_files_of_a_dicom_patient(message: str) -> None:
    said = discreet_reason(folder(), DataError(message, f"Export {FILE} again."))
    assert said
    for part in ("DOE", "JANE", "4711", "9981"):
        assert part not in said


def test_the_reason_itself_stays() -> None:
    error = DataError(f"{FILE} claims 131,072 bytes, but has 12.", "Export it again.")
    assert discreet_reason(folder(), error) == (
        "One of its files claims 131,072 bytes, but has 12. Export it again."
    )
    assert discreet_reason(folder(), error, hint=False).endswith("has 12.")


def test_other_formats_keep_their_paths() -> None:
    said = discreet_reason(folder(StudyFormat.NIFTI), DataError(f"{FILE} is cut off."))
    assert str(FILE) in said


def test_what_a_search_left_out_among_dicom_has_a_number() -> None:
    fault = Fault(FILE, DataError(f"{FILE} is no image."))
    found = Discovery(HOME.parent, (folder(),), (fault,))
    assert discreet_fault(found, fault) == ("unreadable 1", "One of its files is no image.")


def test_what_a_search_left_out_among_tiffs_has_its_name(tmp_path: Path) -> None:
    place = tmp_path / "TCGA_CS_4944_20010208"
    place.mkdir()
    (place / "TCGA_CS_4944_20010208_1.tif").touch()
    fault = Fault(place, DataError(f"{place} has no slices."))
    name, reason = discreet_fault(Discovery(tmp_path, (), (fault,)), fault)
    assert name == place.name
    assert str(place) in reason
