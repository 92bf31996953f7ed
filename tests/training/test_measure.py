"""A run measured on its own patients: what stays in the run's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brainseg.core.formats import StudyFolder, discover, load_study
from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, save_bundle
from napari_brainseg.core.segmentation.evaluation_results import Evaluation
from napari_brainseg.core.segmentation.mask_archive import MaskArchive
from napari_brainseg.core.segmentation.metrics import dsc
from training.measure import measure


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network of random weights, without OpenVINO's representation."""
    import torch

    from napari_brainseg.core.segmentation.networks import build_network

    torch.manual_seed(0)
    weights = build_network("unet", features=2).state_dict()
    return save_bundle(
        tmp_path_factory.mktemp("models") / "random",
        {key: value.numpy() for key, value in weights.items()},
        name="random",
        network=NetworkSpec(features=2),
    )


@pytest.fixture
def folders(cohort_root: Path) -> tuple[StudyFolder, ...]:
    return discover(cohort_root).folders[2:4]


def test_figures_and_masks_stay_in_the_run_folder(
    bundle: Bundle, folders: tuple[StudyFolder, ...], tmp_path: Path
) -> None:
    evaluation = measure(tmp_path, bundle, folders, "test", device="cpu")

    target = tmp_path / "evaluation"
    assert {p.name for p in target.iterdir()} == {"test.json", "test_masks.npz"}
    assert Evaluation.model_validate_json((target / "test.json").read_bytes()) == evaluation
    assert evaluation.calibration is not None
    masks = MaskArchive(target / "test_masks.npz")
    for folder, result in zip(folders, evaluation.patients, strict=True):
        mask = masks.load(folder.patient)
        assert mask.sum() == result.volume_prediction_vox
        truth = load_study(folder).truth
        assert truth is not None
        assert dsc(mask, truth.data) == result.dsc_native


def test_patients_that_cannot_be_measured_are_listed(
    bundle: Bundle, folders: tuple[StudyFolder, ...], tmp_path: Path
) -> None:
    bare = StudyFolder(Path("nowhere"), "BARE_0001", (), (), ())
    evaluation = measure(tmp_path, bundle, [folders[0], bare], "validation", device="cpu")
    assert [n.patient for n in evaluation.summary.not_measured] == ["BARE_0001"]
    masks = MaskArchive(tmp_path / "evaluation" / "validation_masks.npz")
    assert masks.patients == (folders[0].patient,)


def test_an_earlier_measurement_stays_when_this_one_comes_to_nothing(
    bundle: Bundle, folders: tuple[StudyFolder, ...], tmp_path: Path
) -> None:
    measure(tmp_path, bundle, folders[:1], "test", device="cpu")
    before = {p: p.read_bytes() for p in (tmp_path / "evaluation").iterdir()}
    with pytest.raises(CancelledError):
        measure(tmp_path, bundle, folders, "test", device="cpu", cancelled=lambda: True)
    with pytest.raises(DataError, match="None of 1"):
        measure(
            tmp_path, bundle, [StudyFolder(Path("x"), "BARE_0001", (), (), ())], "test",
            device="cpu",
        )  # fmt: skip
    assert {p: p.read_bytes() for p in (tmp_path / "evaluation").iterdir()} == before


def test_a_place_that_cannot_be_written_is_named(
    bundle: Bundle, folders: tuple[StudyFolder, ...], tmp_path: Path
) -> None:
    (tmp_path / "evaluation").write_text("a file stands here")
    with pytest.raises(DataError, match="evaluation"):
        measure(tmp_path, bundle, folders[:1], "test", device="cpu")


def test_masks_do_not_lean_on_the_volume_being_a_multiple_of_eight(
    bundle: Bundle, tmp_path: Path
) -> None:
    from napari_brainseg.core.dataset.layout import write_patient

    rng = np.random.default_rng(0)
    image = rng.integers(50, 200, (3, 3, 35, 37)).astype(np.uint8)
    mask = np.zeros((3, 35, 37), np.uint8)
    mask[1, 10:20, 10:20] = 1
    write_patient(tmp_path / "data", "ODD_0001", image, mask, range(1, 4), durable=False)
    found = discover(tmp_path / "data").folders
    result = measure(tmp_path, bundle, found, "test", device="cpu").patients[0]
    stored = MaskArchive(tmp_path / "evaluation" / "test_masks.npz").load("ODD_0001")
    assert stored.shape == (3, 35, 37)
    assert stored.sum() == result.volume_prediction_vox
