"""A bundle from elsewhere is judged before anything of it is taken, and refused with a reason."""

from __future__ import annotations

import json
import shutil
import stat
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation import bundle_check
from napari_brainseg.core.segmentation.bundle import Bundle, file_sha256, save_bundle
from napari_brainseg.core.segmentation.bundle_archive import export_bundle, take_in
from napari_brainseg.core.segmentation.bundle_check import check_bundle, count_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {"MODEL_CARD.md", "SHA256SUMS", "model.json", "weights.safetensors"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of our own, without OpenVINO's representation."""
    weights = {"a.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "a.count": np.int64([7])}
    return save_bundle(
        tmp_path_factory.mktemp("made") / "sound",
        weights,
        name="sound",
        card="# {version}",
        training={"train_patients": ["A"], "mask_sha256": {"A": "0" * 64}},
    )


@pytest.fixture
def copy(sound: Bundle, tmp_path: Path) -> Path:
    """Files of the bundle, to be tampered with."""
    return shutil.copytree(sound.path, tmp_path / "copy")


def take(source: Path, tmp_path: Path) -> Bundle:
    into = tmp_path / "into"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    take_in(source, into)
    return check_bundle(into)


def edit(folder: Path, **changes: Any) -> None:
    """Change the description; the hash of the weights is made to fit."""
    path = folder / "model.json"
    content = json.loads(path.read_text())
    content["files"]["weights.safetensors"] = file_sha256(folder / "weights.safetensors")
    content.update(changes)
    path.write_text(json.dumps(content))


def packed(folder: Path, path: Path, *more: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """Zip a folder, with entries of any name and kind besides."""
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own, of names given twice
        for file in sorted(folder.iterdir()):
            archive.write(file, f"m/{file.name}")
        for name, content in more:
            archive.writestr(name, content)
    return path


# what goes out comes in ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.zip", "out"])
def test_an_export_comes_in_as_it_went_out(sound: Bundle, tmp_path: Path, name: str) -> None:
    made = export_bundle(sound, tmp_path / "deep" / name)
    again = take(made, tmp_path)
    assert again.manifest == sound.manifest
    assert {p.name for p in again.path.iterdir()} == FILES
    for name in FILES - {"SHA256SUMS"}:
        assert (again.path / name).read_bytes() == (sound.path / name).read_bytes()
    assert [p.name for p in made.parent.iterdir()] == [made.name]


def test_the_same_bundle_gives_the_same_zip(sound: Bundle, tmp_path: Path) -> None:
    one = export_bundle(sound, tmp_path / "one.zip").read_bytes()
    assert export_bundle(sound, tmp_path / "two.zip").read_bytes() == one


@pytest.mark.parametrize("name", ["there.zip", "there"])
def test_nothing_is_overwritten(sound: Bundle, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ModelError, match="exists already"):
        export_bundle(sound, tmp_path / name)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"mine"]


def test_a_damaged_bundle_is_not_exported(copy: Path, sound: Bundle, tmp_path: Path) -> None:
    (copy / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="hash differs"):
        export_bundle(Bundle(copy, sound.manifest), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_files_that_no_bundle_has_stay_outside(copy: Path, tmp_path: Path) -> None:
    (copy / "README.txt").write_text("hello")
    (copy / ".DS_Store").write_bytes(b"x")
    assert "README.txt" not in {p.name for p in take(copy, tmp_path).path.iterdir()}
    source = packed(copy, tmp_path / "mac.zip", ("__MACOSX/m/._model.json", b"x"), ("m/n/", b""))
    assert {p.name for p in take(source, tmp_path).path.iterdir()} == FILES - {"SHA256SUMS"}


def test_a_card_that_was_rewritten_on_the_way_is_noticed(sound: Bundle, tmp_path: Path) -> None:
    made = export_bundle(sound, tmp_path / "out")
    (made / "MODEL_CARD.md").write_text("The best model ever.")
    with pytest.raises(ModelError, match=r"MODEL_CARD\.md was changed"):
        take(made, tmp_path)
    (made / "MODEL_CARD.md").unlink()
    with pytest.raises(ModelError, match=r"do not agree about MODEL_CARD\.md"):
        take(made, tmp_path)


# what is refused in any wrapping ------------------------------------------------------------------


def pickle_beside(folder: Path) -> None:
    (folder / "weights.pt").write_bytes(b"x")


def pickle_as_weights(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"\x80\x02}q\x00." + b"\0" * 64)
    digest = file_sha256(folder / "weights.safetensors")
    edit(folder, version=f"sound-20260101-{digest[:8]}")


def torch_zip_as_weights(folder: Path) -> None:
    with zipfile.ZipFile(folder / "weights.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    digest = file_sha256(folder / "weights.safetensors")
    edit(folder, version=f"sound-20260101-{digest[:8]}")


def changed_weights(folder: Path) -> None:
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)


def no_description(folder: Path) -> None:
    (folder / "model.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def newer(folder: Path) -> None:
    edit(folder, schema_version=2, what_nobody_knows_yet=1)


def path_among_the_files(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    edit(folder, files=content["files"] | {"../../secret": "0" * 64})


def path_as_version(folder: Path) -> None:
    digest = file_sha256(folder / "weights.safetensors")
    edit(folder, version=f"../../evil-{digest[:8]}")


def device_as_version(folder: Path) -> None:
    digest = file_sha256(folder / "weights.safetensors")
    edit(folder, version=f"nul.x-{digest[:8]}")


def version_of_others(folder: Path) -> None:
    edit(folder, version="sound-20260101-12345678")


def name_of_others(folder: Path) -> None:
    edit(folder, name="<b>default</b>")


def path_as_parent(folder: Path) -> None:
    edit(folder, parent="../elsewhere")


def unhashed_representation(folder: Path) -> None:
    (folder / "model.xml").write_text("<net/>")


def no_hash_of_the_weights(folder: Path) -> None:
    edit(folder, files={})


def huge_network(folder: Path) -> None:
    edit(folder, network={"name": "unet", "features": 10**9})


def huge_slices(folder: Path) -> None:
    edit(folder, preprocessing={"recipe": "native", "parameters": {"nominal_mm": 1e-6}})


def no_number(folder: Path) -> None:
    edit(folder, temperature=float("inf"))


def no_list(folder: Path) -> None:
    edit(folder, training={"train_patients": "TCGA"})


def unknown_field(folder: Path) -> None:
    edit(folder, on_load="run me")


def deep_description(folder: Path) -> None:
    (folder / "model.json").write_text("[" * 100_000)


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (pickle_beside, r"pickle.*run any program"),
    (pickle_as_weights, r"pickle under another name"),
    (torch_zip_as_weights, r"pickle under another name"),
    (changed_weights, r"hash differs"),
    (no_description, r"no model\.json"),
    (no_weights, r"lacks weights\.safetensors"),
    (newer, r"has format 2"),
    (path_among_the_files, r"\.\./\.\./secret"),
    (path_as_version, r"cannot be the name of a folder"),
    (device_as_version, r"cannot be the name of a folder"),
    (version_of_others, r"does not belong to these weights"),
    (name_of_others, r"does not begin with the name"),
    (path_as_parent, r"'\.\./elsewhere' cannot be the name of a folder"),
    (unhashed_representation, r"no hash of model\.xml"),
    (no_hash_of_the_weights, r"no hash of weights"),
    (huge_network, r"features=1000000000"),
    (huge_slices, r"nominal_mm=1e-06"),
    (no_number, r"no finite number"),
    (no_list, r"no list of names"),
    (unknown_field, r"on_load"),
    (deep_description, r"cannot be read"),
]


@pytest.mark.parametrize("is_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("tamper", "why"), REFUSED, ids=[t.__name__ for t, _ in REFUSED])
def test_it_is_refused_with_the_reason(
    tamper: Callable[[Path], None], why: str, is_zip: bool, copy: Path, tmp_path: Path
) -> None:
    tamper(copy)
    source = packed(copy, tmp_path / "m.zip") if is_zip else copy
    with pytest.raises(ModelError, match=why) as caught:
        take(source, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["best_model.pth", "model.PT", "pytorch_model.bin", "x.pkl"])
def test_a_bare_pickle_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x02.")
    with pytest.raises(ModelError, match="pickle"):
        take(tmp_path / name, tmp_path)


def test_a_link_in_a_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "MODEL_CARD.md").unlink()
    try:
        (copy / "MODEL_CARD.md").symlink_to(tmp_path)
    except OSError:
        pytest.skip("links need a right here")
    with pytest.raises(ModelError, match="is a link"):
        take(copy, tmp_path)


# what is refused in a zip -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../model.json", "m/../../model.json", "/etc/model.json", "C:/model.json", "..\\model.json",
     "m\\model.json", "m//model.json", "./model.json", "m/mo\ndel.json"],
)  # fmt: skip
def test_paths_outside_the_folder_are_refused(name: str, copy: Path, tmp_path: Path) -> None:
    source = packed(copy, tmp_path / "m.zip", (name, b"x"))
    with pytest.raises(ModelError, match="outside its folder"):
        take(source, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "into", "m.zip"]
    assert list((tmp_path / "into").iterdir()) == []


def test_a_link_in_a_zip_is_refused(copy: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("m/model.bin")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ModelError, match="is a link"):
        take(packed(copy, tmp_path / "m.zip", (link, b"/etc/passwd")), tmp_path)


@pytest.mark.parametrize("name", ["m/model.json", "m/MODEL.JSON"])
def test_a_name_given_twice_is_refused(name: str, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="twice"):
        take(packed(copy, tmp_path / "m.zip", (name, b"{}")), tmp_path)


def test_two_bundles_are_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="more than one bundle"):
        take(packed(copy, tmp_path / "m.zip", ("other/model.json", b"{}")), tmp_path)


def test_a_bomb_is_refused_before_it_grows(copy: Path, tmp_path: Path) -> None:
    path = packed(copy, tmp_path / "m.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/model.bin", bytes(2**23))
    with pytest.raises(ModelError, match="zip bomb"):
        take(path, tmp_path)
    assert list((tmp_path / "into").iterdir()) == []


def test_files_longer_than_any_bundles_are_refused(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bundle_check.FILE_LIMITS, "weights.safetensors", 10)
    for source in (copy, packed(copy, tmp_path / "m.zip")):
        with pytest.raises(ModelError, match="at most 10"):
            take(source, tmp_path)


def test_more_entries_than_any_bundle_has_are_refused(copy: Path, tmp_path: Path) -> None:
    many = [(f"m/{number}.txt", b"") for number in range(300)]
    with pytest.raises(ModelError, match="303 entries"):
        take(packed(copy, tmp_path / "m.zip", *many), tmp_path)


def test_an_encrypted_or_strangely_packed_zip_says_what_to_do(copy: Path, tmp_path: Path) -> None:
    path = packed(copy, tmp_path / "m.zip")
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(sign) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is encrypted") as caught:
        take(path, tmp_path)
    assert "Unpack" in caught.value.hint
    with zipfile.ZipFile(tmp_path / "lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("model.json", b"{}")
    with pytest.raises(ModelError, match="packed in a way"):
        take(tmp_path / "lzma.zip", tmp_path)


def test_something_else_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"no zip at all")
    with pytest.raises(ModelError, match="no sound zip"):
        take(tmp_path / "m.zip", tmp_path)
    with pytest.raises(ModelError, match="no folder or file"):
        take(tmp_path / "nowhere.zip", tmp_path)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_zip_is_refused_or_the_same_model(
    data: st.DataObject, sound: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "whole.zip"
    if not path.exists():
        export_bundle(sound, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) // 2]))]
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(content)
    try:
        found = take(damaged, tmp_path)
    except ModelError:
        return
    assert found.manifest == sound.manifest
    assert {p.name for p in found.path.iterdir()} <= FILES


# the header of the weights ------------------------------------------------------------------------


def tensor(begin: int, end: int, *shape: int, dtype: str = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def weights(path: Path, header: Any, data: int, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(
        struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)
    )
    return path


def test_values_are_counted(tmp_path: Path, sound: Bundle) -> None:
    header = {"a": tensor(0, 12, 2, 3), "b": tensor(12, 20, 1, dtype="I64"), "__metadata__": {}}
    assert count_values(weights(tmp_path / "w", header, 20)) == 7
    assert count_values(sound.weights_path) == 13


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": tensor(0, 12, 2, 3)}, 13),
        ({"a": tensor(0, 12, 2, 3), "b": tensor(6, 18, 6)}, 18),
        ({"a": tensor(0, 12, 2, 3), "b": tensor(14, 26, 6)}, 26),
        ({"a": tensor(0, 12, 2, 4)}, 12),
        ({"a": tensor(0, 2**41, 2**40)}, 12),
        ({"a": tensor(0, 12, -2, -3)}, 12),
        ({"a": tensor(0, 12, 2, 3, dtype="OBJECT")}, 12),
        ({"a": tensor(0, 12, *[1] * 9, 6)}, 12),
        ({"a": {"dtype": "F16"}}, 12),
        ({"a": 1}, 12),
        ({}, 0),
        ([], 0),
        (b"{", 0),
        (b"[" * 50_000, 0),
    ],
)
def test_impossible_weights_are_refused(header: Any, data: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not in the safetensors format"):
        count_values(weights(tmp_path / "w.safetensors", header, data))


@given(content=st.binary(max_size=200), length=st.integers(0, 2**64 - 1))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_check(content: bytes, length: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        count_values(weights(tmp_path / "w", content, 0, length))
