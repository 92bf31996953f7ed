"""The model card as a run delivers it: what was trained on what, how, and what its figures mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import BundleManifest

__all__ = ["model_card", "network_in_words", "steps_in_words"]

OPTIMISERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}
CHOSEN_ON_THEM = (
    "Its epoch was chosen on these same patients, so the figure flatters; measure the model on "
    "others before you rely on it."
)
PROTOCOLS = {
    "free": "Patients as the config says.",
    "reference": "The published program's: the ten validation patients of its split, by name, "
    "its preprocessing, sampling and augmentation. `validation_dsc` is by its definition too "
    "(256 x 256 grid, largest component). It compares with published figures, which flatter alike.",
    "clean": "Fixed schedule, averaged weights; no choice was made on the test patients.",
    "k-fold": "Fold {fold} of {folds}, split by patient and stratified by institution. One fold "
    "alone says little; take the mean over all.",
    "hold-out": "Split once by patient, {share:.0%} of them held out.",
}


def model_card(
    config: RunConfig,
    spec: BundleManifest,
    *,
    parent: str | None,
    train_patients: tuple[str, ...],
    validation_patients: tuple[str, ...],
    epoch: int,
    metrics: dict[str, float],
    openvino_fault: str = "",
    interpolation: float = 1.0,
    inner_folds: Mapping[str, Any] | None = None,
) -> str:
    """Write the card; ``{version}`` stands where `save_bundle` puts the version.

    Parameters
    ----------
    config : RunConfig
        Of the run.
    spec : BundleManifest
        Network, preprocessing and postprocessing as delivered.
    parent : str or None
        Version that the run started from.
    train_patients, validation_patients : tuple of str
        Of this run.
    epoch : int
        Whose weights these are.
    metrics : dict
        Figures by name.
    openvino_fault : str
        Why the bundle has no OpenVINO representation; empty where it has one.
    interpolation : float
        Share of the new weights in a fine-tuned model.
    inner_folds : mapping, optional
        What the inner folds found; see `training.fine_tuning.evidence.summary`.
    """
    synthetic = sum(patient.startswith("PHANTOM_") for patient in train_patients)
    context = spec.preprocessing.context
    neighbours = f", {context} neighbouring slices at once" if context > 1 else ""
    without_ir = f"- Without OpenVINO representation: {openvino_fault}.\n" if openvino_fault else ""
    return f"""# Model card: {config.name}

Version `{{version}}`. **Not for diagnosis.** Research use: support for a human reader who checks
and corrects every mask.

- Task: FLAIR abnormality of lower-grade glioma in brain MRI, per voxel.
- Input: pre-contrast, FLAIR and post-contrast slices{neighbours}; preprocessing
  `{spec.preprocessing.recipe}`.
- Network: {network_in_words(spec)}.
- Mask: probability from {spec.threshold:g} on{steps_in_words(spec)}.
- Parent: {parent or f"none, trained from {_start(config)}"}.
- Training patients: {len(train_patients)} ({synthetic} of them synthetic). Validation patients
  of the run: {len(validation_patients)}. Names in `model.json`.
- Training: loss `{config.loss}`, {_optimiser(config)}, {_schedule(config)},
  {config.epochs} epochs, batch {config.batch_size}, seed {config.seed}; weights of epoch {epoch}
  ({config.keep}){f", averaged with EMA {config.ema:g}" if config.ema else ""}.
- Protocol `{config.protocol}`: {_protocol(config)}
{_fine_tuning(config, train_patients, interpolation, inner_folds or {}) if parent else ""}\
{without_ir}
## Figures

{_figures(config, metrics)}

## Licence of the weights

If patients named `TCGA_*` are among the training patients: derived from TCIA TCGA-LGG with masks
by Buda et al. (doi 10.1016/j.compbiomed.2019.05.002), CC BY-NC-SA 4.0; not for commercial use.
{_imagenet(config)}The code's licence (Apache-2.0) does not extend to the weights.
"""


def _fine_tuning(
    config: RunConfig,
    train_patients: tuple[str, ...],
    interpolation: float,
    inner_folds: Mapping[str, Any],
) -> str:
    replayed = sum(name in config.replay_patients for name in train_patients)
    share = f", {config.replay_share:.0%} of each batch" if config.replay_share else ""
    frozen = "frozen" if config.freeze_norm else "learnt on"
    lines = [
        f"Fine-tuning: corrected patients {len(train_patients) - replayed}, replayed {replayed}"
        f"{share}; batch-norm statistics {frozen}."
    ]
    if interpolation != 1:
        lines.append(
            f"Weights: {interpolation:.0%} fine-tuned, the rest the parent's (WiSE-FT, arXiv "
            "2109.01903)."
        )
    if inner_folds:
        scores, chosen = inner_folds["dsc"], f"{inner_folds['chosen']:g}"
        all_of_them, same = inner_folds["patients"], len(inner_folds.get("unchanged", ()))
        lines.append(
            f"Inner folds: mean DSC of {all_of_them - same or all_of_them} corrected patients "
            f"{scores['0']:.3f} with the parent, {scores[chosen]:.3f} by models like this one that "
            "were not trained on them."
        )
    return "".join(f"- {line}\n" for line in lines)


def _imagenet(config: RunConfig) -> str:
    if config.encoder_weights != "imagenet":
        return ""
    return (
        "The encoder started from Google's EfficientNet-Lite (Apache-2.0), trained on ImageNet, "
        "whose\nimages have terms of their own: non-commercial research and education.\n"
    )


def _start(config: RunConfig) -> str:
    if config.encoder_weights == "imagenet":
        return "ImageNet weights of an installed package in the encoder, random ones elsewhere"
    if config.encoder_weights is not None:
        return "weights of a file in the encoder, random ones elsewhere"
    return "random weights"


def network_in_words(spec: BundleManifest) -> str:
    """Name the network with its width and options."""
    network = spec.network
    options = ", ".join(f"{name}={value}" for name, value in sorted(network.options.items()))
    several = f", {network.members} of them averaged" if network.members > 1 else ""
    told = f" ({options})" if options else ""
    return f"`{network.name}`, {network.features} features{told}{several}"


def steps_in_words(spec: BundleManifest) -> str:
    """Name what is done to a mask after the threshold: ``; then fill holes``; empty if nothing."""
    steps = spec.postprocessing.model_dump(exclude_defaults=True)
    named = ", ".join(
        name if value is True else f"{name} {value}" for name, value in steps.items()
    ).replace("_vox", "").replace("_", " ")  # fmt: skip
    return f"; then {named}" if named else ""


def _optimiser(config: RunConfig) -> str:
    text = OPTIMISERS[config.optimizer]
    if config.optimizer == "sgd" and config.momentum:
        text += f" with {'Nesterov ' if config.nesterov else ''}momentum {config.momentum:g}"
    if config.weight_decay:
        text += f", weight decay {config.weight_decay:g}"
    return text


def _schedule(config: RunConfig) -> str:
    if config.schedule == "constant":
        return f"learning rate {config.learning_rate:g}"
    return f"{config.schedule} schedule, highest learning rate {config.learning_rate:g}"


def _protocol(config: RunConfig) -> str:
    return PROTOCOLS[config.protocol].format(
        fold=config.fold, folds=config.folds, share=config.validation_share
    )


def _figures(config: RunConfig, metrics: dict[str, float]) -> str:
    if not metrics:
        return "None: the run had no validation patients."
    figures = "\n".join(f"- {name}: {value:.4f}" for name, value in sorted(metrics.items()))
    definition = (
        "by the published definition" if config.protocol == "reference"
        else "on the native grid, as delivered"
    )  # fmt: skip
    meaning = (
        "`validation_dsc` is the mean Dice similarity coefficient of the run's own validation "
        f"patients, {definition}."
    )
    if config.keep == "best":
        meaning += f" {CHOSEN_ON_THEM}"
    return f"{figures}\n\n{meaning}"
