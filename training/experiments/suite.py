"""Suites of attempts: a TOML file with defaults, runs and a grid, checked as a whole."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import RunConfig, parse_config
from training.experiments.attempt import Attempt, Fault, faults_of, refuse
from training.experiments.ensembles import Planned, ensemble_faults, plan_ensembles
from training.experiments.suite_grid import Draft, is_run, matches, multiply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Suite", "absolute", "parse_setting", "read_suite", "rebased", "suites_at_hand"]

SUITES = Path(__file__).parents[1] / "suites"
TABLES = ("title", "defaults", "run", "grid", "ensemble")
PATHS = ("data", "corrections", "base", "encoder_weights", "cache")
"""Settings that are paths: in a suite they start from its own folder."""
SETTING_HINT = "Known keys of a run: " + ", ".join(RunConfig.model_fields) + "."


@dataclass(frozen=True, slots=True)
class Suite:
    """Attempts that belong together.

    Parameters
    ----------
    title : str
        For people.
    source : Path
        The file.
    attempts : tuple of Attempt
        In the order of the file; one that another starts from comes before it.
    ensembles : tuple of Planned
        Built of the runs' models when these are done.
    """

    title: str
    source: Path
    attempts: tuple[Attempt, ...]
    ensembles: tuple[Planned, ...] = ()


def read_suite(
    source: Path,
    folder: Path,
    *,
    data: Sequence[Path] = (),
    changes: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
) -> Suite:
    """Read a suite, multiply it with its grid and check all of it.

    Parameters
    ----------
    source : Path
        TOML file, or the name of a suite that comes with the project.
    folder : Path
        Where each run gets a folder; models of runs that others start from lie there.
    data : sequence of Path
        Folders of patients in place of those of the suite.
    changes : mapping, optional
        Settings that win over those of every run.
    only : sequence of str
        Names of runs, of entries that a grid multiplies, or patterns such as ``row-0*``; all runs
        if empty. Runs that the chosen ones start from come along. An ensemble can be named too,
        for all its runs; it comes along wherever all of them do.

    Raises
    ------
    ConfigError
        With all faults at once, each with the names of its runs.
    """
    source = _find(source)
    what = f"The suite {source}"
    raw, faults = _tables(source)
    refuse(what, faults, "Mend them in the suite.")
    drafts = multiply(raw, faults)
    planned = plan_ensembles(raw.get("ensemble", []), drafts, faults)
    chosen = _choose(drafts, planned, only, faults)
    refuse(what, faults, "Mend them in the suite or on the command line.")
    won = {**(changes or {}), **({"data": [str(absolute(d)) for d in data]} if data else {})}
    for key in sorted(set(won) & set(raw.get("grid", {}))):
        faults.append(Fault("", f"{key} is set on the command line, and the grid has it too."))
    attempts = list(_attempts(chosen, source, folder, won, faults))
    faults += faults_of(attempts)
    names = {draft.name for draft in chosen}
    ensembles = tuple(one for one in planned if names.issuperset(one.of))
    faults += ensemble_faults(ensembles, attempts)
    refuse(what, faults, SETTING_HINT)
    return Suite(raw.get("title", source.stem), source, tuple(attempts), ensembles)


def suites_at_hand() -> tuple[str, ...]:
    """Names of the suites that come with the project, sorted."""
    return tuple(
        sorted(f.stem for f in SUITES.glob("*.toml") if "[[run]]" in f.read_text(encoding="utf-8"))
    )


def parse_setting(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value is TOML, or else text as it stands.

    Raises
    ------
    ConfigError
        If there is no such key.
    """
    key, sign, value = text.partition("=")
    key = key.strip().replace("-", "_")
    if not sign or key not in RunConfig.model_fields or key in ("name", "what", "why"):
        raise ConfigError(f"--set {text} names no setting that may be changed.", SETTING_HINT)
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    if key == "network_options" and isinstance(parsed, str):
        parsed = [parsed]
    return key, rebased(key, parsed, Path.cwd())


def absolute(path: Path | str, folder: Path | None = None) -> Path:
    """Make a path absolute, from `folder` or the working folder."""
    return ((folder or Path.cwd()) / Path(path).expanduser()).resolve()


def _find(source: Path) -> Path:
    if source.is_file():
        return source.resolve()
    own = SUITES / f"{source}.toml"
    if source.name == str(source) and own.is_file():
        return own
    raise ConfigError(
        f"There is no suite {source}.",
        f"Give a TOML file, or one of {', '.join(suites_at_hand())}.",
    )


def _tables(source: Path) -> tuple[dict[str, Any], list[Fault]]:
    try:
        raw = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The suite {source} cannot be read: {error}.", "Mend it.") from error
    faults = [
        Fault("", f"Unknown key {key}: a suite has {', '.join(TABLES)}.")
        for key in raw
        if key not in TABLES
    ]
    if faults and "run" not in raw:
        faults.append(Fault("", "It has no [[run]]; a config of one run goes to fit --config."))
        return raw, faults
    runs, grid = raw.get("run", []), raw.get("grid", {})
    if not isinstance(raw.get("title", ""), str):
        faults.append(Fault("", "title is no text."))
    if not isinstance(raw.get("defaults", {}), dict):
        faults.append(Fault("", "defaults is no table."))
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not runs:
        faults.append(Fault("", "It has no runs: write [[run]] above the settings of each."))
    if not isinstance(grid, dict):
        faults.append(Fault("", "grid is no table."))
    else:
        for key, values in grid.items():
            if key not in RunConfig.model_fields or key in ("name", "what", "why", "base"):
                faults.append(Fault("", f"grid: {key} is no setting that can be multiplied."))
            elif not isinstance(values, list) or not values:
                faults.append(Fault("", f"grid: {key} needs a list of values, as {key} = [1, 2]."))
    return raw, faults


def _choose(
    drafts: list[Draft],
    planned: Sequence[Planned],
    only: Sequence[str],
    faults: list[Fault],
) -> list[Draft]:
    if not only:
        return drafts
    wanted: set[str] = set()
    for pattern in only:
        hits = {d.name for d in drafts if matches(d, pattern)}
        for one in planned:
            if fnmatch.fnmatchcase(one.name, pattern):
                hits.update(one.of)
        if not hits:
            names = ", ".join([*(d.name for d in drafts), *(one.name for one in planned)])
            faults.append(Fault("", f"--only {pattern} fits no run of {names}."))
        wanted |= hits
    for draft in reversed(drafts):
        if draft.name in wanted and draft.after is not None:
            wanted.add(draft.after)
    return [d for d in drafts if d.name in wanted]


def _attempts(
    drafts: list[Draft],
    source: Path,
    folder: Path,
    won: Mapping[str, Any],
    faults: list[Fault],
) -> Iterator[Attempt]:
    for draft in drafts:
        settings = {k: rebased(k, v, source.parent) for k, v in draft.settings.items()}
        settings.update(won)
        after = draft.after if is_run(settings.get("base")) else None
        if after is not None:
            settings["base"] = str(folder / after / "bundle")
        try:
            yield Attempt(draft.name, parse_config(settings, source="the suite"), after)
        except ConfigError as error:
            told = error.message.removeprefix("The config from the suite does not fit. ")
            faults.append(Fault(draft.name, told))


def rebased(key: str, value: Any, folder: Path) -> Any:
    """Make paths absolute; a base model may be a run or a bundled model's name."""
    if key not in PATHS:
        return value
    if isinstance(value, list):
        return [rebased(key, part, folder) for part in value]
    imagenet = key == "encoder_weights" and value == "imagenet"
    if not isinstance(value, str) or is_run(value) or imagenet:
        return value
    path = absolute(value, folder)
    if key == "base" and not path.exists():
        from napari_brainseg.core.segmentation.bundle import bundled_models

        named = [b.path for b in bundled_models() if value in (b.path.name, b.version)]
        return str(named[0]) if named else str(path)
    return str(path)
