"""``python -m training gate``: measure a candidate against the version in use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, CancelledError, DataError
from napari_brainseg.core.segmentation.gate import judge
from training.evaluate import show_progress
from training.gate.measure import measure_gate
from training.stream import StopFlag

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--candidate", type=Path, required=True, metavar="DIR", help="bundle that may be promoted"
    )
    parser.add_argument(
        "--current", type=Path, required=True, metavar="DIR", help="bundle that is in use"
    )
    parser.add_argument(
        "--locked", type=Path, required=True, metavar="FILE", help="locked.json of a workspace"
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="ROOT",
        help="where to look for locked patients who have left their folder",
    )
    parser.add_argument(
        "--corrections", type=Path, metavar="DIR", help="training set of the candidate's run"
    )
    parser.add_argument(
        "--folds", type=Path, metavar="FILE", help="folds/evidence.json of the candidate's run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="write this")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep figures of the version in use here; by default the workspace's cache",
    )


def main(options: argparse.Namespace) -> int:
    """Measure, write the evidence, print the verdict; 0 measured, 1 a fault, 130 stopped."""
    try:
        if not options.locked.is_file():
            raise DataError(
                f"There is no locked set at {options.locked}.", "Give locked.json of a workspace."
            )
        with StopFlag().listening(stdin=False) as stop:
            evidence = measure_gate(
                options.candidate,
                options.current,
                options.locked,
                options.data,
                options.out,
                corrections=options.corrections,
                folds_evidence=options.folds,
                device=options.device,
                cache=options.cache,
                progress=show_progress,
                cancelled=lambda: bool(stop),
            )
    except CancelledError as error:
        sys.stderr.write(f"{error}\n")
        return 130
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    verdict = judge(evidence)
    lines = [verdict.headline, *(f"- {reason.text}" for reason in verdict.reasons)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
