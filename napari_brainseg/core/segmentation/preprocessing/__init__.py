"""Preprocessing recipes by name. numpy and scipy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.preprocessing.base import Prepared, Recipe
from napari_brainseg.core.segmentation.preprocessing.native import NativeRecipe

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Prepared", "Recipe", "get_recipe"]


def get_recipe(name: str, **parameters: Any) -> Recipe:
    """Build a recipe by name.

    Parameters
    ----------
    name : {'native', 'reference'}
        Recipe that a bundle names.
    **parameters
        As `Recipe.parameters` gave them.

    Raises
    ------
    ConfigError
        If no recipe has that name.
    """
    if name == "native":
        return NativeRecipe(**parameters)
    if name == "reference":
        from napari_brainseg.core.segmentation.preprocessing.reference import ReferenceRecipe

        return ReferenceRecipe(**parameters)
    raise ConfigError(
        f"There is no preprocessing recipe '{name}'.", "Known recipes: native, reference."
    )
