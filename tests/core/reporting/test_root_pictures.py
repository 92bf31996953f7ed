"""Pictures of many patients: folder and archive alike, faults named, stops that leave nothing."""

from __future__ import annotations

import errno
import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.imaging import (
    CancelledError,
    ConfigError,
    DataError,
    LabelVolume,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.reporting.root_pictures import (
    PictureCase,
    PictureProgress,
    write_root_pictures,
)
from napari_brainseg.core.reporting.study_pictures import PictureKind

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (4, 24, 24)
A, B, C = "P_A_20200101", "P_B_20200101", "P_C_20200101"
QUICK = (PictureKind.TRIPTYCH, PictureKind.CHART)


def load(patient: str) -> PictureCase:
    if patient == C:
        raise DataError("C cannot be read.", "Export it again.")
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 6:14, 6:14] = 1
    image = np.full((3, *SHAPE), 90, np.uint8)
    truth = LabelVolume(mask) if patient == A else None
    masks = {} if patient == B else {"prediction": np.roll(mask, 2, 2), "correction": mask}
    return PictureCase(Study(patient, ScalarVolume(image), truth), masks, "v1")


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_folder_and_archive_hold_the_same_and_faults_are_named(tmp_path: Path) -> None:
    seen: list[PictureProgress] = []
    made = write_root_pictures(
        [A, B, C], load, folder=tmp_path / "f", archive=tmp_path / "z" / "all.zip", kinds=QUICK,
        progress=seen.append,
    )  # fmt: skip

    in_folder = files(tmp_path / "f")
    with zipfile.ZipFile(tmp_path / "z" / "all.zip") as packed:
        assert packed.testzip() is None
        in_archive = {name: packed.read(name) for name in packed.namelist()}
    assert in_archive == in_folder
    assert sorted(in_folder) == [
        f"{A}/{A}_triptych.png", f"{B}/{B}_triptych.png", "dsc_correction.png",
        "dsc_prediction.png",
    ]  # fmt: skip
    assert made.files == 4
    assert made.patients == [A, B]
    assert made.unmarked == [B]
    assert [error.message for error in made.faults.values()] == ["C cannot be read."]
    assert made.scores == {"prediction": {A: 0.75}, "correction": {A: 1.0}}
    assert {p.patient for p in seen} == {A, B, C}
    assert {p.total for p in seen} == {3}
    assert [p.name for p in (tmp_path / "z").iterdir()] == ["all.zip"], "nothing is left over"


def test_an_archive_has_the_same_bytes_whenever_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_root_pictures([A, B], load, archive=tmp_path / "one.zip", kinds=QUICK)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    write_root_pictures([A, B], load, archive=tmp_path / "two.zip", kinds=QUICK)

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_stop_leaves_done_patients_in_a_folder_and_nothing_of_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(b"an earlier one")
    begun: list[str] = []

    def slow(patient: str) -> PictureCase:
        begun.append(patient)
        return load(patient)

    with pytest.raises(CancelledError):
        write_root_pictures(
            [A, B], slow, folder=tmp_path / "f", archive=archive, kinds=QUICK,
            cancelled=lambda: len(begun) > 1,
        )  # fmt: skip

    assert list(files(tmp_path / "f")) == [f"{A}/{A}_triptych.png"]
    assert archive.read_bytes() == b"an earlier one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.zip", "f"]


def test_an_archive_of_nothing_is_not_written_and_faults_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = tmp_path / "all.zip"
    archive.write_bytes(b"earlier")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        made = write_root_pictures([A, B], load, archive=archive, kinds=QUICK)
    assert (made.files, made.patients) == (0, [])
    assert all(str(archive) in fault.message for fault in made.faults.values())
    assert not any(".pictures" in fault.message for fault in made.faults.values())
    assert [f.name for f in tmp_path.iterdir()] == ["all.zip"]
    assert archive.read_bytes() == b"earlier"


def test_a_chart_needs_several_patients_or_to_be_asked_for(tmp_path: Path) -> None:
    write_root_pictures([A], load, folder=tmp_path / "one", kinds=QUICK)
    write_root_pictures([A], load, folder=tmp_path / "asked", kinds=[PictureKind.CHART])

    assert list(files(tmp_path / "one")) == [f"{A}/{A}_triptych.png"]
    charts = files(tmp_path / "asked")
    assert sorted(charts) == ["dsc_correction.png", "dsc_prediction.png"]
    assert Image.open(io.BytesIO(charts["dsc_prediction.png"])).size == (1200, 800)


def test_a_place_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place"):
        write_root_pictures([A], load)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot write"):
        write_root_pictures([A], load, archive=tmp_path / "file" / "all.zip")


def test_no_archive_goes_into_a_patients_own_folder(tmp_path: Path) -> None:
    own = tmp_path / A
    own.mkdir()

    def at_home(patient: str) -> PictureCase:
        case = load(patient)
        study = Study(patient, case.study.image, path=own)
        return case._replace(study=study)

    made = write_root_pictures([A], at_home, archive=own / "all.zip", kinds=QUICK)

    assert "its own files" in made.faults[A].message
