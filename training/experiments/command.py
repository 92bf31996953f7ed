"""``python -m training experiments``: run a suite of attempts, each in a folder of its own."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, ConfigError
from training.experiments.campaign import Campaign, carry_out
from training.experiments.ensembles import build_planned, judge_ensemble
from training.experiments.standing import State
from training.experiments.suite import absolute, parse_setting, read_suite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.experiments.ensembles import Planned

__all__ = ["add_arguments", "add_fleet_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "suite", type=Path, help="TOML file, or the name of a suite that comes with the project"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs' folders")
    parser.add_argument("--data", type=Path, nargs="+", help="folders of patients, for all runs")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="these runs; patterns such as row-0*"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
        help="settings that win over those of every run",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--report", action="store_true", help="write OUT/report at the end")
    add_fleet_arguments(parser)


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says where runs are carried out."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, help="runs at a time on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="a dask scheduler, tcp://host:8786")
    parser.add_argument("--retry-failed", action="store_true", help="start failed runs again")


def main(options: argparse.Namespace) -> int:
    """Run what is left of a suite; returns 0, 1 if a run or ensemble failed, 130 if stopped."""
    try:
        folder = absolute(options.out)
        suite = read_suite(
            options.suite,
            folder,
            data=options.data or (),
            changes=dict(parse_setting(text) for text in options.settings),
            only=options.only,
        )
        campaign = Campaign(
            title=suite.title,
            source=str(suite.source),
            folder=folder,
            attempts=suite.attempts,
            workers=options.workers,
            scheduler=options.scheduler,
            retry_failed=options.retry_failed,
        )
        if options.dry_run:
            return _say_what_would_be_done(campaign, suite.ensembles)
        code = carry_out(campaign)
        if code != 130:
            code = max(code, build_planned(suite.ensembles, folder))
        if options.report and code != 130:
            code = max(code, _report(folder, suite.title))
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return code


def _say_what_would_be_done(campaign: Campaign, ensembles: Sequence[Planned]) -> int:
    standing = campaign.judged()
    names = [*(a.name for a in campaign.attempts), *(one.name for one in ensembles)]
    width = max(map(len, names))
    for attempt in campaign.attempts:
        state, message = standing[attempt.name]
        c = attempt.config
        what = f"{c.network} {c.features}, {c.loss}, {c.optimizer}, {c.epochs} epochs"
        done = message if state is State.WAITING else f"{state.value} {message}".strip()
        sys.stdout.write(f"{attempt.name:{width}}  {done}  ({what})\n")
    states = [state for state, _ in standing.values()]
    for one in ensembles:
        state, message = judge_ensemble(one, campaign.folder)
        states.append(state)
        # a run without a model is yet to be carried out
        later = state in (State.WAITING, State.BLOCKED)
        done = "new" if later else f"{state.value} {message}".strip()
        sys.stdout.write(f"{one.name:{width}}  {done}  (ensemble of {', '.join(one.of)})\n")
    return int(any(state in (State.REFUSED, State.FAILED) for state in states))


def _report(folder: Path, title: str) -> int:
    report = importlib.import_module("training.report.command")
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    try:
        options = parser.parse_args(
            [str(folder), "--out", str(folder / "report"), "--title", title]
        )
    except SystemExit as error:
        raise ConfigError("The report takes other arguments than it did.") from error
    code: int = report.main(options)
    return code
