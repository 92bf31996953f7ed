from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_brainseg.core.dataset.convert import convert
from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError, Modality
from napari_brainseg.core.protocol import parse_config
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.session.series_choices import SeriesChoices
from training.data import Cohort, load_cohort, recipe_of

if TYPE_CHECKING:
    from pathlib import Path


def load(config: dict[str, Any]) -> Cohort:
    return load_cohort(parse_config(config), get_recipe("native"), torch.device("cpu"))


def test_named_validation_patients_are_kept_out_of_training(small_config: dict[str, Any]) -> None:
    cohort = load(small_config)
    assert [case.patient for case in cohort.validation] == ["SITE_A_0003"]
    assert cohort.train_patients == tuple(f"SITE_A_{n:04d}" for n in (0, 1, 2, 4))
    assert len(cohort.pool) == 4 * 5


def test_a_patient_on_both_sides_is_refused_by_name(small_config: dict[str, Any]) -> None:
    small_config["train_patients"] = ["SITE_A_0001", "SITE_A_0003"]
    with pytest.raises(ConfigError, match="SITE_A_0003"):
        load(small_config)


def test_another_date_of_a_locked_patient_is_refused(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    study = load_study(cohort_root / "SITE_A_0000")
    for name in ("TCGA_CS_4944_20010208", "TCGA_CS_4944_20020101"):
        write_patient(tmp_path, name, study.image, study.truth, range(1, 6), durable=False)
    small_config["data"].append(str(tmp_path))
    assert not [p for p in load(small_config).train_patients if p.startswith("TCGA_CS_4944")]
    small_config["train_patients"] = ["TCGA_CS_4944_20020101"]
    with pytest.raises(ConfigError, match="TCGA_CS_4944_20020101"):
        load(small_config)


def test_the_same_images_as_nifti_under_another_name_are_refused(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    convert(cohort_root / "SITE_A_0003", tmp_path, "nifti", durable=False)
    folder = (tmp_path / "SITE_A_0003").rename(tmp_path / "sub-77")
    for file in folder.iterdir():
        file.rename(folder / file.name.replace("SITE_A_0003", "sub-77"))
    small_config["data"].append(str(tmp_path))
    with pytest.raises(ConfigError, match="sub-77 is SITE_A_0003"):
        load(small_config)

    small_config["validation_patients"] = ["SITE_A_0001"]
    (found,) = discover(tmp_path).folders
    roles = dict(found.roles)
    swapped = {Modality.FLAIR: roles[Modality.POST], Modality.POST: roles[Modality.FLAIR]}
    SeriesChoices().choose(found, swapped, found.truth)
    cohort = load(small_config)
    assert "sub-77: Series as chosen" in cohort.notes[-1]
    assert cohort.image_sha256["sub-77"] == image_sha256(load_study(tmp_path / "sub-77"))


def test_a_correction_replaces_its_original(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    before = load(small_config)
    study = load_study(cohort_root / "SITE_A_0004")
    mask = study.image.data[1] > 105
    write_patient(tmp_path, "SITE_A_0004", study.image, mask.astype("uint8"), range(1, 6))
    after = load({**small_config, "corrections": str(tmp_path)})
    assert after.train_patients == before.train_patients
    assert int(after.pool.areas.sum()) == int(before.pool.areas.sum()) + mask.sum()
    assert after.sha256 != before.sha256


def test_half_of_a_batch_has_a_lesion_and_every_slice_can_come(
    small_config: dict[str, Any],
) -> None:
    pool = load(small_config).pool
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([pool.draw(8, generator) for _ in range(300)])
    lesion = pool.areas > 0
    assert lesion[draws[:, :4]].all()
    assert set(draws[:, 4:].flatten().tolist()) == set(range(len(pool)))


def test_a_patient_without_masks_cannot_train(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(cohort_root / "SITE_A_0000", tmp_path / "SITE_A_0000")
    for mask in tmp_path.rglob("*_mask.tif"):
        mask.unlink()
    with pytest.raises(DataError, match="SITE_A_0000 has no masks"):
        load({**small_config, "data": [str(tmp_path)], "validation_patients": []})


def test_a_damaged_bystander_is_left_out_and_a_named_one_stops_the_run(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(cohort_root, tmp_path / "root")
    (tmp_path / "root" / "SITE_A_0001" / "SITE_A_0001_2_mask.tif").unlink()
    small_config["data"] = [str(tmp_path / "root")]
    cohort = load(small_config)
    assert "SITE_A_0001" not in cohort.train_patients
    assert [fault.path.name for fault in cohort.faults] == ["SITE_A_0001"]
    with pytest.raises(BrainSegError, match="SITE_A_0001"):
        load({**small_config, "train_patients": ["SITE_A_0001", "SITE_A_0002"]})


def test_absent_patients_and_empty_configs_are_named(small_config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="NOBODY"):
        load({**small_config, "validation_patients": ["NOBODY"]})
    with pytest.raises(ConfigError, match="no data"):
        load({**small_config, "data": []})


def test_test_patients_are_folders_and_nothing_of_them_is_read(
    small_config: dict[str, Any], cohort_root: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(cohort_root, tmp_path / "root")
    for path in (root / "SITE_A_0002").glob("*.tif"):
        path.write_bytes(b"not a TIFF")
    config = {**small_config, "data": [str(root)], "test_patients": ["SITE_A_0002"]}
    cohort = load(config)
    assert [folder.patient for folder in cohort.test] == ["SITE_A_0002"]
    assert [folder.patient for folder in cohort.validation_folders] == ["SITE_A_0003"]
    assert "SITE_A_0002" not in cohort.train_patients


def test_patients_without_a_lesion_are_dropped_on_request_and_named(
    small_config: dict[str, Any],
) -> None:
    with_all = load(small_config)
    dropped = load({**small_config, "drop_lesion_free_patients": True})
    assert set(with_all.train_patients) - set(dropped.train_patients) == {"SITE_A_0004"}
    assert len(dropped.pool) == 3 * 5
    assert any("SITE_A_0004" in note for note in dropped.notes)
    assert dropped.sha256 != with_all.sha256


def test_slices_without_a_lesion_are_dropped_on_request(small_config: dict[str, Any]) -> None:
    cohort = load({**small_config, "drop_empty_slices": True})
    assert len(cohort.pool) == 3 * 3
    # a patient of whom no slice is drawn is not trained on
    assert "SITE_A_0004" not in cohort.train_patients


@pytest.mark.parametrize("option", ["drop_empty_slices", "drop_lesion_free_patients"])
def test_filters_that_leave_nothing_are_refused(small_config: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError, match="None of the 1 patients to train on has a lesion") as at:
        load({**small_config, "train_patients": ["SITE_A_0004"], option: True})
    assert option in at.value.hint


def test_a_patient_that_cannot_be_prepared_is_named(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    image = np.zeros((3, 3, 32, 32), np.uint8)
    write_patient(tmp_path, "SITE_A_0009", image, image[0], range(3), durable=False)
    small_config["data"].append(str(tmp_path))
    with pytest.raises(DataError, match="SITE_A_0009: The image is empty"):
        load(small_config)


def test_context_reaches_the_pool(small_config: dict[str, Any]) -> None:
    pool = load({**small_config, "context_slices": 5}).pool
    images, masks, _ = pool.batch(torch.tensor([0, 7]))
    assert images.shape[1] == 15
    middle = load(small_config).pool.batch(torch.tensor([0, 7]))
    assert torch.equal(images[:, 6:9], middle[0])
    assert torch.equal(masks, middle[1])
    # the first slice of a patient has itself for neighbours before it
    assert torch.equal(images[0, :3], images[0, 6:9])


def test_the_recipe_pads_to_what_the_network_takes_and_never_to_less() -> None:
    config = parse_config({"data": ["/nowhere"]})
    assert [recipe_of(config, n).parameters()["multiple"] for n in (1, 16, 32, 24)] == [
        16, 16, 32, 48
    ]  # fmt: skip
    reference = parse_config({"data": ["/nowhere"], "recipe": "reference"})
    assert recipe_of(reference, 32).parameters() == {"size": 256}


def test_slices_of_context_can_be_given_on_the_command_line() -> None:
    assert parse_config({"context_slices": "3"}).context_slices == 3
    with pytest.raises(ConfigError, match="1, 3 or 5"):
        parse_config({"context_slices": "2"})
