"""Names that stand for patients."""

from __future__ import annotations

import hmac
import os
import re
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs
import pytest

from napari_brainseg.core.formats import undated
from napari_brainseg.core.formats.dicom.naming import StudyIdentity, name_studies
from napari_brainseg.core.formats.pseudonym import KEY_VARIABLE, pseudonym
from napari_brainseg.core.imaging import DataError


def data_folder() -> Path:
    return Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False))


def study(uid="1.1", *, date="20200131", time="10", person="4711"):
    return StudyIdentity(person, "", uid, date, time)


def test_the_same_person_has_the_same_name_and_another_another():
    assert pseudonym("4711") == pseudonym("4711")
    assert re.fullmatch(r"PT-[0-9a-f]{10}", pseudonym("4711"))
    assert pseudonym("4711") != pseudonym("4712")
    assert pseudonym("4711") != pseudonym("4711", "Hospital")


def test_another_user_has_other_names(monkeypatch, tmp_path):
    first = pseudonym("4711")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_a, **_k: str(tmp_path / "other"))
    assert pseudonym("4711") != first


def test_a_key_of_the_department_makes_names_the_same(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "our secret")
    assert (
        pseudonym("4711", "H")
        == "PT-" + hmac.new(b"our secret", b"H|4711", "sha256").hexdigest()[:10]
    )
    assert not (data_folder() / "pseudonym.key").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_key_is_for_its_user_alone():
    pseudonym("4711")
    key = data_folder() / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert [path.name for path in data_folder().iterdir()] == ["pseudonym.key"]


def test_many_at_once_make_one_key():
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(pseudonym, ["4711"] * 32))) == 1


def test_a_damaged_key_is_an_error_and_not_another_name():
    data_folder().mkdir(parents=True)
    (data_folder() / "pseudonym.key").write_bytes(b"short")
    with pytest.raises(DataError, match="damaged"):
        pseudonym("4711")


def test_names_of_studies():
    names = name_studies([study(), study("1.2", date="20200201"), study("1.3", date="")])
    person = pseudonym("4711")
    assert names == [f"{person}_20200131", f"{person}_20200201", person]
    assert undated(names[0]) == person


def test_letters_of_one_day_by_time_and_for_good():
    late, early = study("1.1", time="17"), study("1.2", time="08")
    names = name_studies([late, early])
    assert names[0] == f"{names[1]}b"
    assert undated(names[0]) == undated(names[1])
    assert name_studies([late]) == [names[0]]
    assert name_studies([study("1.0", time="01"), early, late])[1:] == [names[1], names[0]]


def test_more_studies_than_letters():
    names = name_studies([study(f"1.{n}") for n in range(40)])
    assert len(set(names)) == 40


def test_nothing_of_the_source_is_kept():
    name_studies([study("1.2.840.99", person="Müller^Anna")])
    kept = (data_folder() / "dicom_names.txt").read_text()
    assert "1.2.840.99" not in kept
    assert "ller" not in kept


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_where_nothing_can_be_kept(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_a, **_k: str(tmp_path / "x"))
    with pytest.raises(DataError, match="cannot be kept"):
        pseudonym("4711")


def test_names_need_no_file_with_a_key_of_the_department(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "our secret")
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_a, **_k: str(blocked / "x"))
    names = name_studies([study("1.1", time="17"), study("1.2", time="08")])
    assert names[0] == f"{names[1]}b"


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_key_of_the_department_is_none(monkeypatch, blank):
    own = pseudonym("4711")
    monkeypatch.setenv(KEY_VARIABLE, blank)
    assert pseudonym("4711") == own
