"""A run's network as a model bundle, with its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.bundle import (
    BundleManifest,
    NetworkSpec,
    PreprocessingSpec,
    save_bundle,
)
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.postprocessing import Postprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.preprocessing import Recipe

__all__ = ["delivery", "publish"]


def delivery(config: RunConfig, base: Bundle | None) -> BundleManifest:
    """How masks are made of probabilities: as the base model does, else as the config says.

    Only threshold, temperature and postprocessing of the result mean anything.
    """
    if base is not None:
        return base.manifest
    return BundleManifest(
        name="-",
        version="-",
        created="-",
        postprocessing=Postprocessing(minimum_size_vox=config.minimum_size_vox),
    )


def publish(
    destination: Path,
    network: nn.Module,
    config: RunConfig,
    recipe: Recipe,
    *,
    base: Bundle | None,
    train_patients: tuple[str, ...],
    validation_patients: tuple[str, ...],
    data_sha256: str,
    epoch: int,
    metrics: dict[str, float],
) -> Bundle:
    """Write `network` as a bundle; see `save_bundle`.

    The patients of the base model count as trained on too: what it has seen, its children have.
    """
    seen = sorted({*train_patients, *(base.train_patients if base else ())})
    return save_bundle(
        destination,
        {key: value.float().cpu().numpy() if value.is_floating_point() else value.cpu().numpy()
         for key, value in network.state_dict().items()},
        name=config.name,
        card=_card(config, base, train_patients, validation_patients, epoch, metrics),
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=config.features),
        preprocessing=PreprocessingSpec(recipe=recipe.name, parameters=recipe.parameters()),
        metrics=metrics,
        parent=base.version if base else None,
        training={
            "train_patients": seen,
            "own_train_patients": list(train_patients),
            "validation_patients": list(validation_patients),
            "data_sha256": data_sha256,
            "epoch": epoch,
            "config": config.model_dump(mode="json", exclude={"data", "corrections", "base"}),
        },
        **delivery(config, base).model_dump(include={"threshold", "postprocessing", "temperature"}),
    )  # fmt: skip


def _card(
    config: RunConfig,
    base: Bundle | None,
    train_patients: tuple[str, ...],
    validation_patients: tuple[str, ...],
    epoch: int,
    metrics: dict[str, float],
) -> str:
    synthetic = sum(patient.startswith("PHANTOM_") for patient in train_patients)
    figures = "\n".join(f"- {name}: {value:.4f}" for name, value in sorted(metrics.items()))
    return f"""# Model card: {config.name}

Version `{{version}}`. **Not for diagnosis.** Research use: support for a human reader who checks
and corrects every mask.

- Task: FLAIR abnormality of lower-grade glioma in brain MRI, per voxel.
- Input: pre-contrast, FLAIR and post-contrast slices; preprocessing `{config.recipe}`.
- Network: U-Net, {config.features} features.
- Parent: {base.version if base else "none, trained from random weights"}.
- Training patients: {len(train_patients)} ({synthetic} of them synthetic). Validation patients
  of the run: {len(validation_patients)}. Names in `model.json`.
- Loss `{config.loss}`, AdamW with one-cycle schedule to {config.learning_rate:g},
  {config.epochs} epochs, batch {config.batch_size}, seed {config.seed}; weights of epoch {epoch}
  ({config.keep}), averaged with EMA {config.ema:g}.

## Figures

{figures or "- none: the run had no validation patients."}

`validation_dsc` is the mean Dice similarity coefficient of the run's own validation patients, on
the native grid, as delivered.

## Licence of the weights

If patients named `TCGA_*` are among the training patients: derived from TCIA TCGA-LGG with masks
by Buda et al. (doi 10.1016/j.compbiomed.2019.05.002), CC BY-NC-SA 4.0; not for commercial use.
The code's licence (Apache-2.0) does not extend to the weights.
"""
