"""Every setting of a run as a flag of a command line, and back."""

from __future__ import annotations

import argparse
import types
import typing
from typing import Any

from napari_brainseg.core.protocol import RunConfig

__all__ = ["add_fields", "given_fields"]


def add_fields(command: argparse.ArgumentParser) -> None:
    """Add a flag for each field of `RunConfig`; flags left out give None."""
    group = command.add_argument_group("configuration")
    for name, field in RunConfig.model_fields.items():
        flag = "--" + name.replace("_", "-")
        text = f"{field.description} (default: {field.default})".replace("%", "%%")
        kinds = _kinds(field.annotation)
        if bool in kinds:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif tuple in kinds or dict in kinds:
            group.add_argument(flag, nargs="*", metavar="VALUE", help=text)
        else:
            group.add_argument(flag, metavar="VALUE", help=text)


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """Fields that the command line gave, as text; `parse_config` makes values of them."""
    return {
        name: value
        for name in RunConfig.model_fields
        if (value := getattr(options, name)) is not None
    }


def _kinds(annotation: Any) -> set[Any]:
    parts = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (types.UnionType, typing.Union)
        else (annotation,)
    )
    return {typing.get_origin(part) or part for part in parts}
