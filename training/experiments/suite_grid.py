"""The grid of a suite: every entry once for each combination of values, with a name of its own."""

from __future__ import annotations

import fnmatch
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.experiments.attempt import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NAME", "RESERVED", "Draft", "is_run", "matches", "multiply"]

FROM_RUN = "run:"
RESERVED = {"report", "experiments.json", "experiments.lease"}
"""Names in the folder of a suite that are no run's."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""What a run may be called."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A run whose settings are not checked yet.

    Parameters
    ----------
    name : str
        Of the run: that of its entry, and the values of the grid.
    entry : str
        Name in the suite.
    settings : dict
        Defaults, the entry's own and the grid's.
    after : str or None
        Name of the run whose model it starts from.
    """

    name: str
    entry: str
    settings: dict[str, Any]
    after: str | None


def multiply(raw: Mapping[str, Any], faults: list[Fault]) -> list[Draft]:
    """Multiply the entries of a suite with its grid; what is wrong goes to `faults`.

    A run comes behind the one that it starts from.
    """
    grid, defaults = raw.get("grid", {}), raw.get("defaults", {})
    entries = {run["name"] for run in raw["run"] if isinstance(run.get("name"), str)}
    for key in ("name", "what", "why"):
        if key in defaults:
            faults.append(Fault("", f"defaults: {key} belongs to a run."))
    drafts: list[Draft] = []
    for number, run in enumerate(raw["run"], 1):
        entry = run.get("name")
        if not isinstance(entry, str) or not NAME.fullmatch(entry):
            faults.append(
                Fault("", f"Run {number} has the name {entry!r}; take letters, digits, . _ and -.")
            )
            continue
        for key in sorted(set(run) & set(grid)):
            faults.append(Fault(entry, f"It sets {key}, which the grid multiplies."))
        base = run.get("base", defaults.get("base"))
        source = base.removeprefix(FROM_RUN) if is_run(base) else None
        if source is not None and source not in entries:
            faults.append(Fault(entry, f"It starts from the run {source}, which does not exist."))
        for values in itertools.product(*grid.values()):
            cell = dict(zip(grid, values, strict=True))
            suffix = "".join(f"-{_slug(key, value)}" for key, value in cell.items())
            drafts.append(
                Draft(
                    name=entry + suffix,
                    entry=entry,
                    settings={**defaults, **run, **cell, "name": entry + suffix},
                    after=None if source is None else source + suffix,
                )
            )
    faults += _name_faults(drafts)
    return _in_order(drafts, faults)


def is_run(base: object) -> bool:
    """Whether a base model is that of another run."""
    return isinstance(base, str) and base.startswith(FROM_RUN)


def matches(draft: Draft, pattern: str) -> bool:
    """Whether a run is meant by a pattern such as ``row-0*``, or by the name of its entry."""
    return pattern == draft.entry or fnmatch.fnmatchcase(draft.name, pattern)


def _slug(key: str, value: object) -> str:
    """Make the part of a name that says a value of the grid; text speaks for itself."""
    if isinstance(value, dict):
        return "-".join(_slug(k, v) for k, v in value.items())
    text = str(value).lower() if isinstance(value, bool) else str(value)
    plus = len(text) - len(text.rstrip("+"))
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", text.rstrip("+")).strip("-") + "plus" * plus
    return text if isinstance(value, str) else f"{key.replace('_', '-')}-{text}"


def _name_faults(drafts: list[Draft]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for draft in drafts:
        folded = draft.name.casefold()  # a Windows disk does not tell Row-1 from row-1
        if folded in RESERVED:
            yield Fault(draft.name, "The name is taken by a file of the folder.")
        if folded in seen:
            yield Fault(draft.name, f"The name occurs twice (as {seen[folded]}).")
        seen.setdefault(folded, draft.name)


def _in_order(drafts: list[Draft], faults: list[Fault]) -> list[Draft]:
    """Put each run behind the one it starts from."""
    names, placed, waiting = {d.name for d in drafts}, dict[str, Draft](), list(drafts)
    while waiting:
        ready = [d for d in waiting if d.after in placed or d.after not in names]
        if not ready:
            faults += [Fault(d.name, "It starts from itself, by way of others.") for d in waiting]
            break
        placed.update({d.name: d for d in ready})
        waiting = [d for d in waiting if d.name not in placed]
    return list(placed.values())
