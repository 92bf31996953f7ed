"""Models as commands take them: the folder of a bundle or of a run, or a bundled model's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.protocol.run_folder import BUNDLE, CONFIG
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.preprocessing import get_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.segmentation.bundle import Bundle, BundleManifest

__all__ = ["differing", "open_model", "way_to_the_mask"]


def open_model(source: Path | str) -> Bundle:
    """Open a bundle by its folder, by that of the run which made it, or by a bundled model's name.

    Raises
    ------
    ModelError
        If there is no such model, it is damaged, or the run has not ended.
    """
    folder = Path(source)
    if (folder / BUNDLE).is_dir():
        return load_bundle(folder / BUNDLE)
    if (folder / CONFIG).is_file():
        raise ModelError(f"The run in {folder} has no model yet.", "Let it end first.")
    return load_bundle(source)


def way_to_the_mask(manifest: BundleManifest) -> dict[str, Any]:
    """All that makes a mask of an image but the weights, by names for people."""
    spec = manifest.preprocessing
    parameters = get_recipe(spec.recipe, **spec.parameters).parameters()
    return {
        **{f"network {name}": value for name, value in manifest.network.model_dump().items()},
        "recipe": spec.recipe,
        **{f"recipe's {name}": value for name, value in parameters.items()},
        "neighbouring slices": spec.context,
        "temperature": manifest.temperature,
        "threshold": manifest.threshold,
        **{
            f"postprocessing {name}": value
            for name, value in manifest.postprocessing.model_dump().items()
        },
    }


def differing(ways: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Tell in what models differ from the first of them.

    Parameters
    ----------
    ways : mapping of str to mapping
        Name of each model to its `way_to_the_mask`.

    Returns
    -------
    list of str
        A phrase for each difference, with both values and the models' names.
    """
    (first, yardstick), *others = ways.items()
    return [
        f"{key} is {way.get(key, 'none')} in {name}, {yardstick.get(key, 'none')} in {first}"
        for name, way in others
        for key in dict.fromkeys((*yardstick, *way))
        if way.get(key) != yardstick.get(key)
    ]
