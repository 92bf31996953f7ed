from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import (
    Bundle,
    bundled_models,
    load_bundle,
    save_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_saved_is_loaded(tiny_bundle: Bundle) -> None:
    again = load_bundle(tiny_bundle.path)
    assert again.manifest == tiny_bundle.manifest
    assert again.version.startswith("tiny-")
    assert again.ir_path is not None
    assert again.version in (again.path / "MODEL_CARD.md").read_text()


def test_a_changed_file_is_noticed(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    weights = copy / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match=r"weights\.safetensors was changed"):
        load_bundle(copy)


def test_a_missing_file_is_named(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    (copy / "model.bin").unlink()
    with pytest.raises(ModelError, match=r"lacks model\.bin"):
        load_bundle(copy)


def test_an_unreadable_description_is_no_traceback(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    description = json.loads((copy / "model.json").read_text())
    description["threshold"] = 7
    (copy / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="threshold"):
        load_bundle(copy)


def test_a_bundle_is_never_overwritten(tiny_bundle: Bundle) -> None:
    before = sorted(p.name for p in tiny_bundle.path.iterdir())
    with pytest.raises(ModelError, match="never overwritten"):
        save_bundle(tiny_bundle.path, {}, name="other")
    assert sorted(p.name for p in tiny_bundle.path.iterdir()) == before


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        save_bundle(tmp_path / "new", {"w": np.ones(3)}, name="new", write_ir=fail)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_lists_the_bundled_ones() -> None:
    with pytest.raises(ModelError) as caught:
        load_bundle("no-such-model")
    for bundle in bundled_models():
        assert bundle.path.name in caught.value.hint


def test_a_newer_format_is_refused_by_its_number(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    description = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(description | {"schema_version": 2, "new": 1}))
    with pytest.raises(ModelError, match="has format 2; this version of BrainSeg knows 1"):
        load_bundle(copy)


def test_hashes_are_of_files_of_the_folder_only(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.path, copy)
    (tmp_path / "secret").write_bytes(b"")
    description = json.loads((copy / "model.json").read_text())
    description["files"]["../secret"] = "0" * 64
    (copy / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match=r"\.\./secret"):
        load_bundle(copy)
