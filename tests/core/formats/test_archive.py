"""Zip archives: what is in order is unpacked once, what is not leaves nothing behind."""

from __future__ import annotations

import os
import stat
import struct
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.formats import archive, discover, unpacked
from napari_brainseg.core.formats.archive import unpack
from napari_brainseg.core.imaging import CancelledError, DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    monkeypatch.setenv("BRAINSEG_CACHE", str(place))
    return place / "unpacked"


def zipped(path: Path, files: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".brainseg")
    }


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir()] if cache.exists() else []


def test_unpacked_once(tmp_path, cache):
    path = zipped(tmp_path / "Export 7.zip", {"a/1.dcm": b"one", "a/b/2.dcm": b"two"})
    told = []
    folder = unpack(path, progress=told.append)
    assert contents(folder) == {"a/1.dcm": b"one", "a/b/2.dcm": b"two"}
    assert folder.parent == cache
    assert folder.name.startswith("Export_7-")
    assert told == [1, 2]
    stamp = (folder / "a/1.dcm").stat().st_mtime_ns
    assert unpack(path) == folder
    assert (folder / "a/1.dcm").stat().st_mtime_ns == stamp
    assert leftovers(cache) == [folder.name]


def test_a_changed_archive_is_unpacked_anew(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a": b"one"})
    first = unpack(path)
    zipped(path, {"a": b"another"})
    assert unpack(path) != first


def test_half_an_unpacked_folder_is_made_whole(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", {"a": b"one", "b": b"two"})
    folder = unpack(path)
    (folder / "b").unlink()
    assert contents(unpack(path)) == {"a": b"one", "b": b"two"}
    assert leftovers(cache) == [folder.name]


def test_into_a_folder_of_the_users_choice(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", {"a": b"one"})
    folder = unpack(path, into=tmp_path / "mine")
    assert folder.parent == tmp_path / "mine"
    assert not cache.exists()


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "c:evil", "..\\evil", "\\\\host\\evil"],
)
def test_paths_that_lead_out_are_refused(tmp_path, cache, name):
    path = zipped(tmp_path / "x.zip", {"good": b"1", name: b"2"})
    with pytest.raises(DataError, match="was not unpacked") as caught:
        unpack(path)
    assert str(path) in caught.value.message
    assert leftovers(cache) == []
    assert list(tmp_path.rglob("*evil*")) == []


def test_links_and_devices_are_left_out(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, kind in (("link", stat.S_IFLNK), ("pipe", stat.S_IFIFO)):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (kind | 0o777) << 16
            file.writestr(entry, "/etc/passwd")
        file.writestr("good", b"1")
    folder = unpack(path)
    assert contents(folder) == {"good": b"1"}
    assert not any(p.is_symlink() for p in folder.rglob("*"))


def test_what_macos_adds_is_left_out(tmp_path):
    path = zipped(
        tmp_path / "x.zip", {"__MACOSX/a/._1.dcm": b"x", "a/.DS_Store": b"x", "a/1.dcm": b"1"}
    )
    assert contents(unpack(path)) == {"a/1.dcm": b"1"}


def test_archives_inside_stay_as_they_are(tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"a": b"1"}).read_bytes()
    path = zipped(tmp_path / "x.zip", {"inner.zip": inner, "b": b"2"})
    assert contents(unpack(path)) == {"inner.zip": inner, "b": b"2"}


def test_encrypted(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", {"a": b"1"})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="password"):
        unpack(path)
    assert leftovers(cache) == []


def test_names_of_all_kinds(tmp_path):
    long = "x" * 240 + ".nii.gz"
    names = {
        "Müller/頭.dcm": b"1",
        "Muller/a:b?.dcm": b"2",
        "CON/nul.txt": b"3",
        long: b"4",
        "y" * 240 + ".dcm": b"5",
        "trailing. /f": b"6",
    }
    folder = unpack(zipped(tmp_path / "x.zip", names))
    found = contents(folder)
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert all(len(part.encode()) <= 200 for name in found for part in name.split("/"))
    assert found["Müller/頭.dcm"] == b"1"
    assert found["Muller/a_b_.dcm"] == b"2"
    assert any(name.endswith(".nii.gz") for name in found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_differ_in_case_or_not_at_all(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (
            ("P/1.dcm", b"1"),
            ("p/1.dcm", b"2"),
            ("p/2.dcm", b"3"),
            ("p/2.dcm", b"4"),
            ("P/1.DCM", b"5"),
            ("P/1.dcm/inside", b"6"),
        ):
            file.writestr(name, content)
    folder = unpack(path)
    found = contents(folder)
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert len({name.casefold() for name in found}) == 6
    # Files of one folder stay together.
    where = {content: name.split("/")[0] for name, content in found.items()}
    assert where[b"2"] == where[b"3"] != where[b"1"]


def test_bombs_are_refused_before_a_byte_is_written(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(archive, "_RATIO_FROM", 1 << 20)
    path = zipped(tmp_path / "x.zip", {"a": bytes(8 << 20)})
    with pytest.raises(DataError, match="as no images do"):
        unpack(path)
    monkeypatch.setattr(archive, "_MOST_BYTES", 4 << 20)
    with pytest.raises(DataError, match=r"unpacks to 8\.0 MB"):
        unpack(path)
    monkeypatch.setattr(archive, "_MOST_FILES", 2)
    with pytest.raises(DataError, match="holds 3 files"):
        unpack(zipped(tmp_path / "y.zip", dict.fromkeys("abc", b"1")))
    assert leftovers(cache) == []


def test_a_directory_that_lies_about_sizes(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", {"a": bytes(1 << 20)})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02") + 24
    raw[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(raw)
    with pytest.raises(DataError):
        unpack(path)
    assert leftovers(cache) == []


def test_a_list_of_files_that_would_not_fit_in_memory(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a": b"1"})
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x05\x06") + 12
    raw[at : at + 4] = struct.pack("<I", 900 << 20)
    path.write_bytes(raw)
    with pytest.raises(DataError, match="list of its files"):
        unpack(path)


def test_room_on_the_disk(tmp_path, cache, monkeypatch):
    path = zipped(tmp_path / "x.zip", {"a": b"1"})
    usage = type(archive.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _path: usage(100, 99, 1))
    with pytest.raises(DataError, match="are free"):
        unpack(path)
    assert leftovers(cache) == []


def test_damaged_and_cut_archives(tmp_path, cache):
    whole = zipped(tmp_path / "x.zip", {"a": os.urandom(5000), "b": b"2"}).read_bytes()
    for raw in (whole[:-30], whole[:2000], b"PK\x03\x04", whole[:200] + b"?" * 50 + whole[250:]):
        path = tmp_path / "bad.zip"
        path.write_bytes(raw)
        with pytest.raises(DataError, match="damaged"):
            unpack(path)
    with pytest.raises(DataError, match="empty"):
        unpack(zipped(tmp_path / "empty.zip", {}))
    with pytest.raises(DataError):
        unpack(tmp_path / "gone.zip")
    assert leftovers(cache) == []


def test_cancel_leaves_nothing(tmp_path, cache):
    path = zipped(tmp_path / "x.zip", {str(n): os.urandom(1000) for n in range(20)})
    asked = []
    with pytest.raises(CancelledError):
        unpack(path, cancelled=lambda: asked.append(1) or len(asked) > 5)
    assert leftovers(cache) == []


def aged(folder: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(folder / ".brainseg-unpacked.json", (then, then))


def test_old_ones_are_removed_and_nothing_else(tmp_path, cache, monkeypatch):
    old = unpack(zipped(tmp_path / "old.zip", {"a": b"1"}))
    recent = unpack(zipped(tmp_path / "recent.zip", {"a": b"1"}))
    (cache / "somebody-0123456789ab").mkdir()
    (cache / ".unpacking-now").mkdir()
    aged(old, 20)
    aged(recent, 3)
    unpack(zipped(tmp_path / "new.zip", {"a": b"1"}))
    assert not old.exists()
    assert recent.exists()
    assert (cache / "somebody-0123456789ab").exists()
    assert (cache / ".unpacking-now").exists()
    monkeypatch.setattr(unpacked, "_MOST_BYTES", 1)
    unpack(zipped(tmp_path / "newer.zip", {"a": b"1"}))
    assert not recent.exists()
    assert len(leftovers(cache)) == 4


@pytest.mark.parametrize("name", [".brainseg-unpacked.json", ".brainseg-unpacked.json. ", "./."])
def test_an_archive_that_brings_our_mark_is_unpacked_once(tmp_path, name):
    path = zipped(tmp_path / "a.zip", {name: b'{"made_by": "BrainSeg"}', "b.dcm": b"1"})
    folder = unpack(path)
    before = (folder / "b.dcm").stat()
    assert unpack(path) == folder
    assert (folder / "b.dcm").stat().st_ino == before.st_ino


def test_an_archive_without_images_is_named_and_not_its_place_in_the_cache(tmp_path, cache):
    path = zipped(tmp_path / "mail.zip", {"note.txt": b"hello"})
    with pytest.raises(DataError, match=f"The archive {path} holds no images") as caught:
        discover(path)
    assert str(cache) not in str(caught.value)


def test_an_archive_opens_like_a_folder(tmp_path, write_slices):
    folder = write_slices(tmp_path / "TCGA_CS_0001_20000101")
    files = {f"kaggle_3m/{folder.name}/{p.name}": p.read_bytes() for p in folder.iterdir()}
    path = zipped(tmp_path / "study.zip", files)
    found = discover(path)
    assert found.patients == ("TCGA_CS_0001_20000101",)
    assert found.folders[0].path.is_relative_to(unpack(path))
