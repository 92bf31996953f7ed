"""What a program must know to use an exported network without this one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging.modality import KAGGLE_ORDER
from napari_brainseg.core.segmentation.preprocessing import get_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.agreement import Agreement

__all__ = ["INPUT", "OUTPUT", "describe", "readme"]

INPUT = "slices"
OUTPUT = "logits"


def describe(bundle: Bundle, agreements: Mapping[str, Agreement]) -> dict[str, Any]:
    """Everything from image to mask, as JSON can hold it.

    Parameters
    ----------
    bundle : Bundle
        What was exported.
    agreements : mapping of str to Agreement
        Format to what its check found.
    """
    manifest = bundle.manifest
    spec = manifest.preprocessing
    recipe = get_recipe(spec.recipe, **spec.parameters)
    reach = spec.context // 2
    channels = [
        {"slice_offset": offset, "modality": str(modality)}
        for offset in range(-reach, reach + 1)
        for modality in KAGGLE_ORDER
    ]
    return {
        "model": manifest.version,
        "network": manifest.network.model_dump(mode="json"),
        "input": {
            "name": INPUT,
            "type": "float32",
            "layout": "batch, channel, row, column; one slice of the stack an entry of the batch",
            "channels": channels,
            "at_the_ends_of_the_stack": "the end slice is repeated",
            "sizes": "any batch, height and width; the network pads and crops by itself",
        },
        "preprocessing": {
            "recipe": spec.recipe,
            "parameters": recipe.parameters(),
            "missing_modality": "FLAIR takes the place of a missing sequence",
            "steps": _summary(recipe),
        },
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "layout": "batch, 1, row, column",
            "probability": "1 / (1 + exp(-logit / temperature))",
            "temperature": manifest.temperature,
        },
        "postprocessing": {
            "grid": "undo the preprocessing's crop, padding and resampling on the probability",
            "threshold": manifest.threshold,
            "at_or_above_threshold": "lesion",
            "steps_in_this_order": [
                {"step": name, "value": value, "meaning": field.description}
                for name, field in type(manifest.postprocessing).model_fields.items()
                if (value := getattr(manifest.postprocessing, name))
            ],
            "islands": "6-connected in 3D; shape steps work in each slice",
        },
        "agreement_with_torch": {
            name: {
                "largest_difference_of_logits": found.difference,
                "largest_logit": found.largest_logit,
                "inputs": found.inputs,
                "tolerance": found.tolerance,
            }
            for name, found in agreements.items()
        },
    }


def readme(description: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Write the description for people (Markdown).

    Parameters
    ----------
    description : mapping
        Of `describe`.
    files : mapping of str to str
        File name to what it holds.
    """
    preprocessing, post = description["preprocessing"], description["postprocessing"]
    network, agreements = description["network"], description["agreement_with_torch"]
    several = f" (mean of {network['members']})" if network["members"] > 1 else ""
    temperature = description["output"]["temperature"]
    holds = "\n".join(f"| `{name}` | {what} |" for name, what in files.items())
    channels = "\n".join(
        f"| {number} | {channel['slice_offset']:+d} | {channel['modality']} |"
        for number, channel in enumerate(description["input"]["channels"])
    )
    parameters = ", ".join(f"{k} = {v}" for k, v in preprocessing["parameters"].items()) or "none"
    steps = "\n".join(
        f"- `{step['step']}` = {step['value']}: {step['meaning']}."
        for step in post["steps_in_this_order"]
    )
    checks = "\n".join(
        f"| {name} | {found['largest_difference_of_logits']:.2g} | {found['largest_logit']:.3g} "
        f"| {found['tolerance']:.2g} |"
        for name, found in agreements.items()
    )
    return f"""# {description["model"]}

**Not for diagnosis.** Network `{network["name"]}`, {network["features"]} features{several},
exported by napari-brainseg. `preprocessing.json` says the same as this page for programs.

| file | holds |
|---|---|
{holds}

## Input `{INPUT}`

float32, (batch, channel, row, column), any batch, height and width. One entry of the batch is one
slice of the stack. At the ends of the stack the end slice is repeated; FLAIR takes the place of a
missing sequence.

| channel | slice | sequence |
|---|---|---|
{channels}

## Preprocessing: `{preprocessing["recipe"]}`, per volume

Parameters: {parameters}.

{preprocessing["steps"]}

`napari_brainseg.core.segmentation.preprocessing.get_recipe` is the reference implementation; it
needs NumPy and SciPy alone.

## Output `{OUTPUT}`

float32, (batch, 1, row, column). Probability: `1 / (1 + exp(-logit / {temperature:g}))`. Undo crop,
padding and resampling on the probability; voxels at or above {post["threshold"]:g} are lesion.
Then, in this order:

{steps or "- nothing."}

Islands are 6-connected in 3D; the other steps work in each slice.

## Agreement with Torch

| format | largest difference of logits | largest logit | tolerance |
|---|---|---|---|
{checks}

{_example(description) if "model.onnx" in files else ""}"""


def _example(description: Mapping[str, Any]) -> str:
    preprocessing = description["preprocessing"]
    context = len(description["input"]["channels"]) // len(KAGGLE_ORDER)
    return f"""\
## Example

```python
import numpy as np
import onnxruntime
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.context import with_context

study = load_study(discover("patient").folders[0])
recipe = get_recipe({preprocessing["recipe"]!r}, **{preprocessing["parameters"]!r})
prepared = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
slices = with_context(prepared.data, 0, len(prepared.data), {context})
session = onnxruntime.InferenceSession("model.onnx")
logits = session.run(None, {{"{INPUT}": slices}})[0][:, 0]
probability = prepared.restore(1 / (1 + np.exp(-logits / {description["output"]["temperature"]})))
```
"""


def _summary(recipe: object) -> str:
    """Take a recipe's docstring up to its parameters: the one place where its steps stand."""
    text = inspect.getdoc(type(recipe)) or ""
    return text.partition("\nParameters\n")[0].strip()
