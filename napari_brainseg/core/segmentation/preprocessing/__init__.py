"""Preprocessing recipes by name. numpy and scipy only; SimpleITK where a recipe asks for it."""

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
        If no recipe has that name or such parameters, or a library that it needs is missing.
    """
    from napari_brainseg.core.segmentation.preprocessing.reference import ReferenceRecipe

    recipes: dict[str, type[Recipe]] = {
        recipe.name: recipe for recipe in (NativeRecipe, ReferenceRecipe)
    }
    if name not in recipes:
        raise ConfigError(
            f"There is no preprocessing recipe '{name}'.", f"Known recipes: {', '.join(recipes)}."
        )
    try:
        return recipes[name](**parameters)
    except TypeError as error:
        raise ConfigError(
            f"The preprocessing recipe '{name}' cannot be built with {parameters}: {error}.",
            "Use a newer version of BrainSeg, or a model that fits this one.",
        ) from error
