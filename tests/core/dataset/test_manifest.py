from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_brainseg import __version__
from napari_brainseg.core.dataset.file_lock import file_lock
from napari_brainseg.core.dataset.manifest import (
    ManifestEntry,
    append_entry,
    current_entries,
    read_manifest,
)
from napari_brainseg.core.imaging import DataError


def _entry(patient: str = "A_20010101", **changes: object) -> ManifestEntry:
    values: dict[str, object] = {
        "patient": patient,
        "source": Path("/data/A_20010101"),
        "editor": "Dr. Ünal",
        "base_model": "default-1",
        "correction_base": "prediction",
        "image_sha256": "0" * 64,
        "mask_sha256": "1" * 64,
        "original_mask_sha256": None,
        "voxels_added": 12,
        "voxels_removed": 3,
        "strokes": 4,
        "seconds": 61.5,
    }
    return ManifestEntry.model_validate(values | changes)


def _shown(folder: Path) -> list[str]:
    """Names without the lock file, which stays."""
    return [p.name for p in folder.iterdir() if p.name != ".manifest.lock"]


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    training_set = tmp_path / "training_set"
    entries = (_entry("B"), _entry("A"), _entry("B", strokes=9))
    assert read_manifest(training_set) == ()

    for entry in entries:
        append_entry(training_set, entry)

    assert read_manifest(training_set) == entries
    assert _shown(training_set) == ["manifest.jsonl"]
    assert len((training_set / "manifest.jsonl").read_text("utf-8").splitlines()) == 3


def test_the_latest_entry_of_a_patient_counts(tmp_path: Path) -> None:
    for entry in (_entry("B"), _entry("A"), _entry("B", strokes=9)):
        append_entry(tmp_path, entry)

    current = current_entries(tmp_path)

    assert list(current) == ["A", "B"]
    assert current["B"].strokes == 9
    assert current_entries(read_manifest(tmp_path)) == current


def test_time_and_version_are_filled_in() -> None:
    entry = _entry()

    assert entry.software_version == __version__
    assert abs((datetime.now().astimezone() - entry.created).total_seconds()) < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_sha256": "abc"},
        {"editor": ""},
        {"strokes": -1},
        {"correction_base": "guess"},
        {"created": "2026-01-01T10:00:00"},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        _entry(**changes)


def test_earlier_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    line = json.dumps({**json.loads(_entry("A").model_dump_json()), "added_later": [1]})
    path.write_text(line)

    append_entry(tmp_path, _entry("B"))

    assert path.read_text("utf-8").splitlines()[0] == line
    assert list(current_entries(tmp_path)) == ["A", "B"]


def test_a_damaged_line_is_named_and_not_written_over(tmp_path: Path) -> None:
    append_entry(tmp_path, _entry())
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(path.read_bytes() + b'\n{"patient": "B"}\n')
    before = path.read_bytes()

    with pytest.raises(DataError, match=r"Line 3 of the manifest .*editor: Field required"):
        append_entry(tmp_path, _entry())
    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_entry(tmp_path, _entry("A"))

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="No space left"):
        append_entry(tmp_path, _entry("B"))

    assert list(current_entries(tmp_path)) == ["A"]
    assert _shown(tmp_path) == ["manifest.jsonl"]


def test_threads_lose_no_entry(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=append_entry, args=(tmp_path, _entry(f"P{n}"))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(current_entries(tmp_path)) == 8


_APPEND = """
import sys
from pathlib import Path
from napari_brainseg.core.dataset.manifest import ManifestEntry, append_entry

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
line = sys.stdin.readline()
for number in range(count):
    entry = ManifestEntry.model_validate_json(line)
    append_entry(folder, entry.model_copy(update={"patient": f"{name}{number}"}))
"""


def test_programs_lose_no_entry(tmp_path: Path) -> None:
    """Both rewrite the file as fast as they can."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", _APPEND, str(tmp_path), name, "25"],
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in ("A", "B")
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.write(_entry().model_dump_json() + "\n")
        program.stdin.close()
    assert [program.wait(120) for program in programs] == [0, 0]

    assert len(current_entries(tmp_path)) == 50
    assert len(read_manifest(tmp_path)) == 50


def test_who_holds_the_lock_for_long_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    with (
        file_lock(lock),
        pytest.raises(DataError, match=r"Another program.*folder.* for 0 s"),
        file_lock(lock, patience_s=0.05),
    ):
        raise AssertionError("both hold it")
    with file_lock(lock):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write"), file_lock(tmp_path / "file" / "lock"):
        raise AssertionError("it holds nothing")


def test_lines_of_earlier_versions_can_be_read(tmp_path: Path) -> None:
    """A line as version 0.1 wrote it."""
    old = {
        "patient": "A", "source": None, "created": "2026-01-05T10:00:00+01:00", "editor": "Ada",
        "base_model": "default-1", "correction_base": "prediction", "image_sha256": "0" * 64,
        "mask_sha256": "1" * 64, "original_mask_sha256": None, "voxels_added": 1,
        "voxels_removed": 0, "strokes": 1, "seconds": 1.5, "software_version": "0.1",
    }  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text(json.dumps(old) + "\n")
    append_entry(tmp_path, _entry("B", tools={"brush": 3}, second_reader="Grace"))

    first, second = read_manifest(tmp_path)
    assert (first.withdrawn, first.second_reader, first.tools, first.started) == (
        False, None, {}, None,
    )  # fmt: skip
    assert (second.tools, second.second_reader) == ({"brush": 3}, "Grace")


def test_a_withdrawn_patient_does_not_count(tmp_path: Path) -> None:
    for entry in (_entry("A"), _entry("B"), _entry("A", withdrawn=True)):
        append_entry(tmp_path, entry)
    assert list(current_entries(tmp_path)) == ["B"]
    append_entry(tmp_path, _entry("A"))
    assert list(current_entries(tmp_path)) == ["A", "B"]


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").mkdir()

    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path)
