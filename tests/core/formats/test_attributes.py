from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_brainseg.core.formats import load_study

Writer = Callable[..., Path]

TABLE = "Patient,gender,age,race\nTCGA_CS_1,2,50,\nTCGA_CS_2, 1 ,,3,surplus\n"


@pytest.mark.parametrize("patient", ["TCGA_CS_1_20010208", "TCGA_CS_1"])
def test_attributes_are_found_without_the_date(
    tmp_path: Path, write_slices: Writer, patient: str
) -> None:
    (tmp_path / "data.csv").write_text(TABLE)

    study = load_study(write_slices(tmp_path / patient, [1]))

    assert study.attributes == {"gender": "2", "age": "50"}
    assert study.warnings == ()


def test_the_row_of_the_very_study_wins(tmp_path: Path, write_slices: Writer) -> None:
    (tmp_path / "data.csv").write_text("Patient,age\nA,1\nA_20010101,2\n", encoding="utf-8-sig")

    assert load_study(write_slices(tmp_path / "A_20010101", [1])).attributes == {"age": "2"}


def test_no_row_and_no_table(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "TCGA_XX_9_20010208", [1])
    assert load_study(folder).attributes == {}

    (tmp_path / "data.csv").write_text(TABLE)
    study = load_study(folder)

    assert study.attributes == {}
    assert study.warnings == ()


def test_an_edited_table_is_read_again(tmp_path: Path, write_slices: Writer) -> None:
    folder = write_slices(tmp_path / "A", [1])
    table = tmp_path / "data.csv"
    table.write_text("Patient,age\nA,1\n")
    assert load_study(folder).attributes == {"age": "1"}

    table.write_text("Patient,age\nA,23\n")

    assert load_study(folder).attributes == {"age": "23"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"Name,age\nA,1\n", "no column 'Patient', only: Name, age"),
        (b"", "only: nothing"),
        (b"Patient,age\nA,1\nA,2\n", "lists the patient 'A' twice (line 3)"),
        (b"Patient,age\nA,\xff\xfe\n", "cannot be read as a table"),
    ],
)
def test_a_faulty_table_is_a_warning_and_the_images_load(
    tmp_path: Path, write_slices: Writer, content: bytes, fault: str
) -> None:
    (tmp_path / "data.csv").write_bytes(content)

    study = load_study(write_slices(tmp_path / "A", [1]))

    (warning,) = study.warnings
    assert fault in warning
    assert str(tmp_path / "data.csv") in warning
    assert study.attributes == {}
