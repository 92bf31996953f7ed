"""Configs from files, flags and forms; every fault named with its key."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol.config.run import RunConfig

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_config", "parse_config"]


def load_config(path: Path, **changes: Any) -> RunConfig:
    """Read a config from TOML or JSON; `changes` win.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value does not fit; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"Cannot read the config {path}: {error.strerror}.", "Check the path."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"The config {path} is not valid {path.suffix[1:].upper() or 'TOML'}: {error}.",
            "Mend the line named.",
        ) from error
    return parse_config({**raw, **changes}, source=str(path))


def parse_config(raw: dict[str, Any], *, source: str = "the command line") -> RunConfig:
    """Validate a mapping; every fault is named with its key.

    Raises
    ------
    ConfigError
        If a key is unknown or a value does not fit.
    """
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            # a fault of a combination belongs to no single key
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (given: {e['input']!r})"
            if e["loc"]
            else e["msg"].removeprefix("Value error, ")
            for e in error.errors()
        )
        known = ", ".join(RunConfig.model_fields)
        raise ConfigError(
            f"The config from {source} does not fit. {faults}.", f"Known keys: {known}."
        ) from error
