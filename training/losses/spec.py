"""Losses written as text.

    loss      = term { "+" term }
    term      = name [ "(" parameter { "," parameter } ")" ] [ ":" weight ]
    parameter = key "=" number

Blanks mean nothing. A weight left out is 1, a parameter left out has its default.
"""

from __future__ import annotations

import math
import re

from napari_brainseg.core.imaging import ConfigError
from training.losses.registry import LIMITS, LOSSES, parameters_of
from training.losses.weighted import Term, WeightedLoss

__all__ = ["build_loss"]

# a plus that stands neither in brackets nor in a number such as 1e+2
PLUS = re.compile(r"(?<![0-9.][eE])\+(?![^(]*\))")
TERM = re.compile(
    r"(?P<name>[^():]*)(?:\((?P<parameters>[^()]*)\))?\s*(?P<colon>:(?P<weight>[^()]*))?"
)
EXAMPLE = "Write for example bce:0.5+dice:0.5 or focal(gamma=2,alpha=0.25):0.5+dice:0.5."


def build_loss(spec: str) -> WeightedLoss:
    """Read a loss such as ``bce:0.5+dice:0.5`` or ``focal(gamma=2,alpha=0.25):0.5+dice:0.5``.

    Raises
    ------
    ConfigError
        If a name or a parameter is unknown, a value out of its range, a weight no positive
        number, or the text no such sum; known names and parameters are listed.
    """
    return WeightedLoss(tuple(_term(part.strip(), spec) for part in PLUS.split(spec)))


def _term(part: str, spec: str) -> Term:
    match = TERM.fullmatch(part)
    if match is None:
        raise ConfigError(f"'{part}' is no loss (in '{spec}').", EXAMPLE)
    name = match["name"].strip()
    if name not in LOSSES:
        raise ConfigError(
            f"There is no loss '{name}' (in '{spec}').", f"Known: {', '.join(LOSSES)}."
        )
    weight = _number(match["weight"]) if match["colon"] else 1.0
    if not 0 < weight < math.inf:
        raise ConfigError(
            f"The weight '{match['weight'].strip()}' of the loss '{name}' is no positive number.",
            EXAMPLE,
        )
    return Term(name, weight, _parameters(name, match["parameters"]))


def _parameters(name: str, text: str | None) -> dict[str, float]:
    parameters = parameters_of(name)
    known = ", ".join(f"{k}={v:.3g} ({LIMITS[name, k]})" for k, v in parameters.items())
    hint = f"Known: {known}." if known else f"Write {name} without brackets."
    given: dict[str, float] = {}
    for part in text.split(",") if text is not None else ():
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in parameters:
            raise ConfigError(f"The loss '{name}' has no parameter '{key}'.", hint)
        if key in given:
            raise ConfigError(f"The loss '{name}' has its parameter '{key}' twice.", hint)
        given[key] = _number(value)
        if not LIMITS[name, key].holds(given[key]):
            raise ConfigError(
                f"The parameter '{key}' of the loss '{name}' cannot be '{value}'.", hint
            )
    return {**parameters, **given}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
