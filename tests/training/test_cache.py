"""Prepared patients on disk: the second start, changed files, damage, a full disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.protocol import parse_config
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.native import NativeRecipe
from training import cache as cache_module
from training import sources
from training.cache import PreparedCache
from training.data import Cohort, load_cohort
from training.sources import FolderSource

resource = pytest.importorskip("resource", reason="limits of file size are POSIX")


class Counted(NativeRecipe):
    """Counts volumes that were really prepared."""

    prepared = 0

    def prepare(self, *args: Any, **options: Any) -> Any:
        Counted.prepared += 1
        return super().prepare(*args, **options)


@pytest.fixture
def root(cohort_root: Path, tmp_path: Path) -> Path:
    return shutil.copytree(cohort_root, tmp_path / "data")


@pytest.fixture
def config(small_config: dict[str, Any], root: Path, tmp_path: Path) -> dict[str, Any]:
    return {**small_config, "data": [str(root)], "cache": str(tmp_path / "cache")}


def load(config: dict[str, Any]) -> tuple[Cohort, int]:
    """The cohort, and how many patients had to be prepared for it."""
    Counted.prepared = 0
    cohort = load_cohort(parse_config(config), Counted(), torch.device("cpu"))
    return cohort, Counted.prepared


def warnings_of(cohort: Cohort) -> list[str]:
    return [note for note in cohort.notes if "cache" in note]


def assert_same(one: Cohort, other: Cohort) -> None:
    assert one.sha256 == other.sha256
    assert one.train_patients == other.train_patients
    index = torch.arange(len(one.pool))
    for a, b in zip(one.pool.batch(index), other.pool.batch(index), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(one.validation, other.validation, strict=True):
        assert a.prepared.data.dtype == b.prepared.data.dtype == np.float32
        np.testing.assert_array_equal(a.prepared.data, b.prepared.data)
        np.testing.assert_array_equal(a.truth, b.truth)
        np.testing.assert_array_equal(a.truth_on_network_grid, b.truth_on_network_grid)
        volume = a.prepared.data[:, 1]
        np.testing.assert_array_equal(a.prepared.restore(volume), b.prepared.restore(volume))


def test_a_second_start_reads_no_slice_and_gives_the_same(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cold, prepared = load(config)
    assert prepared == 5
    assert not warnings_of(cold)

    def no_reading(*args: object, **options: object) -> None:
        raise AssertionError("a slice was read")

    monkeypatch.setattr(sources, "load_study", no_reading)
    warm, prepared = load(config)
    assert prepared == 0
    assert_same(cold, warm)


@pytest.mark.parametrize("recipe", ["native", "reference"])
def test_what_comes_from_the_cache_is_what_the_recipe_makes(
    recipe: str, root: Path, tmp_path: Path
) -> None:
    folder = discover(root).folders[0]
    study = load_study(folder)
    assert study.truth is not None
    made = get_recipe(recipe)
    fresh = made.prepare(study.image.data)
    for _ in range(2):
        patient = PreparedCache(tmp_path / "cache").patient(
            FolderSource(folder), made, "validation"
        )
        revived = made.revive(patient.images.astype(np.float32, copy=False), patient.record)
        np.testing.assert_array_equal(revived.data, fresh.data)
        assert revived.input_shape == fresh.input_shape
        volume = np.random.default_rng(0).random(fresh.data[:, 0].shape, dtype=np.float32)
        np.testing.assert_array_equal(revived.restore(volume), fresh.restore(volume))
        mask = study.truth.data
        np.testing.assert_array_equal(revived.prepare_mask(mask), fresh.prepare_mask(mask))
        assert revived.record() == fresh.record()


def test_the_cohorts_hash_does_not_know_the_cache(config: dict[str, Any], tmp_path: Path) -> None:
    one, _ = load(config)
    other, prepared = load({**config, "cache": str(tmp_path / "another")})
    assert prepared == 5
    assert_same(one, other)


def test_a_changed_mask_is_noticed_though_size_and_time_stay(
    config: dict[str, Any], root: Path
) -> None:
    before, _ = load(config)
    folder = root / "SITE_A_0000"
    study = load_study(folder)
    assert study.truth is not None
    path = next(p for p in sorted(folder.glob("*_mask.tif")))
    times = path.stat()
    mask = study.truth.data.copy()
    mask[0, 24, 24] = 1
    write_patient(root, folder.name, study.image, mask, range(1, 6), overwrite=True)
    assert path.stat().st_size == times.st_size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after, prepared = load(config)
    assert prepared == 1
    assert after.sha256 != before.sha256
    assert int(after.pool.areas.sum()) == int(before.pool.areas.sum()) + 1


def test_touched_or_moved_files_are_read_but_not_prepared_again(
    config: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    before, _ = load(config)
    for path in root.rglob("*.tif"):
        os.utime(path)
    touched, prepared = load(config)
    assert prepared == 0
    moved, prepared = load({**config, "data": [str(root.rename(tmp_path / "elsewhere"))]})
    assert prepared == 0
    assert before.sha256 == touched.sha256 == moved.sha256


def test_other_parameters_have_entries_of_their_own(config: dict[str, Any]) -> None:
    load(config)
    Counted.prepared = 0
    wide = load_cohort(parse_config(config), Counted(multiple=32), torch.device("cpu"))
    assert Counted.prepared == 5
    assert wide.pool.batch(torch.tensor([0]))[0].shape[2] % 32 == 0


def test_the_same_voxels_keep_the_name_of_their_own_folder(
    config: dict[str, Any], root: Path
) -> None:
    study = load_study(root / "SITE_A_0000")
    write_patient(root, "SITE_B_0007", study.image, study.truth, range(1, 6), durable=False)
    for _ in range(2):
        cohort, _ = load({**config, "train_patients": ["SITE_A_0000", "SITE_B_0007"]})
        assert cohort.train_patients == ("SITE_A_0000", "SITE_B_0007")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 0x10
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (flip, "images.npy"),
        (truncate, "images.npy"),
        (Path.unlink, "mask.npy"),
        (empty, "mask.npy"),
        (empty, "entry.json"),
        (flip, "entry.json"),
        (Path.unlink, "entry.json"),
    ],
)
def test_a_damaged_entry_is_made_anew_with_a_warning(
    damage: Any, name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    whole, _ = load(config)
    entry = sorted((tmp_path / "cache" / "patients").iterdir())[0]
    damage(entry / name)
    mended, prepared = load(config)
    assert prepared == 1
    assert [note for note in mended.notes if str(entry) in note and "damaged" in note]
    assert_same(whole, mended)
    again, prepared = load(config)
    assert prepared == 0
    assert not warnings_of(again)


def test_damaged_memory_of_sources_only_costs_a_reading(
    config: dict[str, Any], tmp_path: Path
) -> None:
    whole, _ = load(config)
    for path in (tmp_path / "cache" / "sources").iterdir():
        path.write_bytes(path.read_bytes()[:20])
    again, prepared = load(config)
    assert prepared == 0
    assert_same(whole, again)


def test_a_disk_that_takes_no_more_leaves_the_run_without_cache(
    config: dict[str, Any], tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        cohort, _ = load(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(cohort.pool) == 4 * 5
    assert len(warnings_of(cohort)) == 1
    assert "cannot be written" in warnings_of(cohort)[0]
    assert not list((tmp_path / "cache" / "patients").iterdir()), "half an entry was left"
    assert_same(cohort, load(config)[0])


def test_a_nearly_full_disk_is_left_to_the_run(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "RESERVE_BYTES", 1 << 60)
    cohort, _ = load(config)
    assert "would stay free" in warnings_of(cohort)[0]


def test_a_cache_that_cannot_be_made_leaves_the_run_without(
    config: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    cohort, _ = load({**config, "cache": str(tmp_path / "file")})
    assert len(warnings_of(cohort)) == 1
    assert str(tmp_path / "file") in warnings_of(cohort)[0]


def test_what_was_not_used_for_longest_goes_first(root: Path, tmp_path: Path) -> None:
    cache = PreparedCache(tmp_path / "cache")
    folders = discover(root).folders[:3]
    for age, folder in enumerate(folders):
        cache.patient(FolderSource(folder), NativeRecipe(), "training")
        for entry in (tmp_path / "cache" / "patients").glob("*/entry.json"):
            past = entry.stat().st_mtime - 1000 * (3 - age)
            os.utime(entry, (past, past))
    assert cache.trim(0) > 0, "what is in use was removed"
    later = PreparedCache(tmp_path / "cache")
    whole = later.trim()
    newest = later.patient(FolderSource(folders[0]), NativeRecipe(), "training")
    assert later.trim(whole - 1) < whole
    assert len(list((tmp_path / "cache" / "patients").iterdir())) == 2
    del newest
    Counted.prepared = 0
    PreparedCache(tmp_path / "cache").patient(FolderSource(folders[0]), Counted(), "training")
    assert Counted.prepared == 0


def test_abandoned_scratch_folders_are_swept_and_strangers_stay(tmp_path: Path) -> None:
    patients = tmp_path / "patients"
    (patients / ".0123456789abcdef-00000000").mkdir(parents=True)
    (patients / ".0123456789abcdef-00000000" / "images.npy").write_bytes(b"half")
    os.utime(patients / ".0123456789abcdef-00000000", (0, 0))
    (patients / "mine").mkdir()
    (patients / "mine" / "precious.txt").write_text("")
    PreparedCache(tmp_path).trim(0)
    assert [path.name for path in patients.iterdir()] == ["mine"]
    assert (patients / "mine" / "precious.txt").exists()


def test_phantoms_are_drawn_once(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config |= {"data": [], "phantoms": 1, "validation_patients": []}
    cold, prepared = load(config)
    assert prepared == 1
    monkeypatch.setattr("napari_brainseg.core.dataset.phantom.phantom_study", None)
    warm, prepared = load(config)
    assert prepared == 0
    assert_same(cold, warm)


def test_progress_counts_patients(config: dict[str, Any]) -> None:
    seen: list[tuple[int, int]] = []
    load_cohort(
        parse_config(config), NativeRecipe(), torch.device("cpu"),
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 5) for n in range(1, 6)]


@pytest.mark.slow
def test_runs_from_a_cold_and_a_warm_cache_give_the_same_weights(
    config: dict[str, Any], start: Any, write_config: Any, tmp_path: Path
) -> None:
    path = write_config({**config, "epochs": 1})
    weights = []
    for name in ("cold", "warm"):
        process = start("fit", "--detached", "--config", path, "--run-dir", tmp_path / name)
        stdout, stderr = process.communicate(timeout=200)
        assert process.returncode == 0, stdout + stderr
        weights.append(load_file(tmp_path / name / "bundle" / "weights.safetensors"))
    assert len(list((tmp_path / "cache" / "patients").iterdir())) == 5
    for key, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][key], err_msg=key)
