"""Logits of held-out patients by a real engine: the masks made of them are the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.bundle import NetworkSpec, load_bundle, save_bundle
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.networks import build_network
from training.calibrate.folds import Fold
from training.calibrate.held_out import predict_folds

if TYPE_CHECKING:
    from pathlib import Path


def test_cutting_the_kept_logits_gives_the_models_masks(cohort_root: Path, tmp_path: Path) -> None:
    save_bundle(
        tmp_path / "model",
        {k: v.numpy() for k, v in build_network("unet", features=2).state_dict().items()},
        name="model",
        network=NetworkSpec(features=2),
        temperature=1.5,
        threshold=0.45,
    )
    bundle = load_bundle(tmp_path / "model")
    folders = discover(cohort_root).folders[:2]

    kept = predict_folds([Fold("fold-1", bundle, folders)], tmp_path, tta=True, device="cpu")

    cut = 1.5 * np.log(0.45 / 0.55)
    for folder, place in zip(folders, kept, strict=True):
        patient, study = place.load(), load_study(folder)
        assert study.truth is not None
        assert patient.truth.sum() == np.count_nonzero(study.truth.data)
        assert patient.mirrored is not None
        for tta, logits in ((False, patient.logits), (True, patient.mirrored)):
            mask = predict(study, bundle, device="cpu", tta=tta).mask
            # half precision may tip a voxel in a thousand
            assert abs(int((logits >= cut).sum()) - int(mask.sum())) <= 1 + mask.size // 1000
