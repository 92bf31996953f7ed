"""The ensembles of a suite: planned with its runs, built of their models when these are done."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.core.protocol.run_folder import BUNDLE
from training.delivered import differing, open_model, way_to_the_mask
from training.experiments.attempt import Attempt, Fault
from training.experiments.standing import State
from training.experiments.suite_grid import NAME, RESERVED, matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from training.experiments.suite_grid import Draft

__all__ = ["Planned", "build_planned", "ensemble_faults", "judge_ensemble", "plan_ensembles"]

KEYS = ("name", "of", "ir")


@dataclass(frozen=True, slots=True)
class Planned:
    """An ensemble by name.

    Parameters
    ----------
    name : str
        Of its folder and of the model.
    of : tuple of str
        Names of the runs whose models it averages.
    ir : bool
        Whether OpenVINO's representation goes in.
    """

    name: str
    of: tuple[str, ...]
    ir: bool = True


def plan_ensembles(
    raw: object, drafts: Sequence[Draft], faults: list[Fault]
) -> tuple[Planned, ...]:
    """Read ``[[ensemble]]`` of a suite; what is wrong goes to `faults`.

    Parameters
    ----------
    raw : object
        What the file has under ``ensemble``.
    drafts : sequence of Draft
        All runs. An ensemble names them, or entries or patterns for all runs that fit.
    faults : list of Fault
        Where what is wrong is put.
    """
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        faults.append(Fault("", "ensemble is no list of tables: write [[ensemble]] above each."))
        return ()
    taken = {draft.name.casefold() for draft in drafts} | RESERVED
    planned = []
    for number, entry in enumerate(raw, 1):
        found = list(_entry_faults(entry, number, taken))
        name = entry.get("name")
        if not found:
            patterns: list[str] = entry["of"]
            runs = [d.name for d in drafts if any(matches(d, pattern) for pattern in patterns)]
            found += [
                Fault(name, f"Its of names {pattern}, which fits no run.")
                for pattern in patterns
                if not any(matches(draft, pattern) for draft in drafts)
            ]
            if not found and len(runs) < 2:
                found.append(Fault(name, f"It has one run, {runs[0]}; name two at least."))
            planned.append(Planned(name, tuple(runs), entry.get("ir", True)))
            taken.add(name.casefold())
        faults += found
    return tuple(planned)


def ensemble_faults(planned: Sequence[Planned], attempts: Sequence[Attempt]) -> Iterator[Fault]:
    """Find ensembles of runs whose models would make their masks in different ways.

    Runs that start from a model of their own are judged when that is at hand, at the building.
    """
    by_name = {attempt.name: attempt for attempt in attempts}
    for one in planned:
        ways = {
            name: way for name in one.of if (way := _way(by_name.get(name), by_name)) is not None
        }
        if len(ways) > 1:
            told = differing(ways)
            yield from (Fault(one.name, f"Its runs cannot be averaged: {text}.") for text in told)


def judge_ensemble(one: Planned, folder: Path) -> tuple[State, str]:
    """Say how an ensemble stands: completed, waiting, blocked or refused, and why.

    Parameters
    ----------
    one : Planned
        What is wanted.
    folder : Path
        Of the suite's runs.
    """
    own = folder / one.name
    if not (own / BUNDLE).is_dir():
        if own.is_dir() and any(not p.name.startswith(".") for p in own.iterdir()):
            return State.REFUSED, f"{own} holds something else than an ensemble; move it away."
        without = [name for name in one.of if not (folder / name / BUNDLE).is_dir()]
        if without:
            return State.BLOCKED, f"No model yet of {', '.join(without)}."
        return State.WAITING, "new"
    try:
        made_of = list(open_model(own).manifest.training.get("members", ()))
        wanted = [open_model(folder / name).version for name in one.of]
    except BrainSegError as error:
        return State.REFUSED, f"{error} Nothing is overwritten."
    if made_of != wanted:
        return State.REFUSED, (
            f"{own} was made of {', '.join(made_of) or 'something else'}, and the runs have "
            f"{', '.join(wanted)}. Nothing is overwritten: move it away."
        )
    return State.COMPLETED, ""


def build_planned(planned: Sequence[Planned], folder: Path) -> int:
    """Build the ensembles that are left, with a line for each.

    Returns
    -------
    int
        0 if all are there, 1 if one is not.
    """
    from training.ensemble import build_ensemble

    code = 0
    for one in planned:
        state, message = judge_ensemble(one, folder)
        if state is State.WAITING:
            try:
                members = [open_model(folder / name) for name in one.of]
                made = build_ensemble(members, folder / one.name / BUNDLE, name=one.name, ir=one.ir)
                state, message = State.COMPLETED, made.version
            except BrainSegError as error:
                state, message = State.FAILED, str(error)
        line = f"{one.name}: {state.value}{f', {message}' if message else ''}\n"
        if state is State.COMPLETED:
            sys.stdout.write(line)
        else:
            sys.stderr.write(line)
            code = 1
    return code


def _entry_faults(entry: Mapping[str, Any], number: int, taken: set[str]) -> Iterator[Fault]:
    name, of = entry.get("name"), entry.get("of")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield Fault(
            "", f"Ensemble {number} has the name {name!r}; take letters, digits, . _ and -."
        )
        return
    if name.casefold() in taken:
        yield Fault(name, "The name of the ensemble is taken.")
    for key in entry:
        if key not in KEYS:
            yield Fault(name, f"Unknown key {key}: an ensemble has {', '.join(KEYS)}.")
    if not isinstance(of, list) or not of or not all(isinstance(run, str) for run in of):
        yield Fault(name, 'Its of needs a list of names of runs, as of = ["a", "b"].')
    if not isinstance(entry.get("ir", True), bool):
        yield Fault(name, "Its ir is neither true nor false.")


def _way(attempt: Attempt | None, by_name: Mapping[str, Attempt]) -> dict[str, Any] | None:
    """Way from image to mask of the model that a run will make; ``None`` where it is not known."""
    while attempt is not None and attempt.after is not None:  # a child does as its parent
        attempt = by_name.get(attempt.after)
    if attempt is None or attempt.config.base is not None:
        return None
    from training.publish import delivery

    config = attempt.config
    return {
        **way_to_the_mask(delivery(config, None)),
        "bias correction": config.bias_correction,
        "skull stripping": config.skull_stripping,
    }
