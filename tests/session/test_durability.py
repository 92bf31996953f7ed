from __future__ import annotations

import importlib.util
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.session.catalogue import Catalogue

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

PAINTER = Path(__file__).with_name("killed_painter.py")
_spec = importlib.util.spec_from_file_location("killed_painter", PAINTER)
assert _spec is not None
assert _spec.loader is not None
painter = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(painter)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and fork")

_OPENING = 0.15
"""Part of the painters that are killed while they open the case."""


@pytest.fixture
def nursery(
    start_nursery: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> subprocess.Popen[str]:
    """A process that forks painters."""
    return start_nursery(PAINTER, tmp_path / "catalogue.sqlite")


def kill_one(
    nursery: subprocess.Popen[str], seed: int, step: int, moment_s: float, *, opening: bool
) -> int:
    """Let a painter act from a step on, kill it, and return the first step it told nothing of.

    The moment counts from its first act, or from its start if it is to be killed while it opens
    the case.
    """
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{seed} {step}\n")
    # The child may act before the program tells of it.
    first, pid = step, None
    while pid is None or (step == first and not opening):
        word, number = nursery.stdout.readline().split()
        if word == "pid":
            pid = int(number)
        else:
            step = int(number) + 1
    time.sleep(moment_s)
    os.kill(pid, signal.SIGKILL)
    for line in nursery.stdout:
        if line == "gone\n":
            break
        step = int(line.split()[1]) + 1
    return step


def kill_and_compare(nursery: subprocess.Popen[str], path: Path, kills: int, seed: int) -> None:
    """Kill painters of one correction; after each, the case is as it was told, or one act on."""
    log = os.environ.get("BRAINSEG_KILL_LOG")
    moments = np.random.default_rng(seed)
    model, step, lines = painter.Model(), 0, []
    for kill in range(kills):
        opening = bool(moments.random() < _OPENING)
        moment = float(moments.uniform(0.0, 0.25))
        told = kill_one(nursery, seed, step, moment, opening=opening)
        for each in range(step, told):
            model = model.after(seed, each)
        further = model.after(seed, told)
        catalogue = Catalogue(path)
        case = painter.open_case(catalogue)
        correction = case.correction
        found = len(correction.actions())
        whole = model.equals(correction)
        one_on = further.equals(correction)
        since = "start" if opening else "first act"
        verdict = "as told" if whole else "one act further" if one_on else "WRONG"
        lines.append(
            f"kill {kill + 1}: {1e3 * moment:.0f} ms after the {since}; acts told of {told}, "
            f"actions expected {model.last}, found {found}, in force {correction.meter.strokes}: "
            f"{verdict}"
        )
        if log:
            Path(log).write_text("\n".join(lines) + "\n")
        assert verdict != "WRONG", lines[-1]
        if not whole:
            model, told = further, told + 1
        step = told
        if kill == kills - 1:
            for at in reversed(range(model.at)):
                correction.undo()
                np.testing.assert_array_equal(correction.data, model.masks[at])
        case.close()
        catalogue.close()
    assert step > kills, "the painters hardly painted"


def test_a_killed_viewer_loses_at_most_the_act_under_way(
    nursery: subprocess.Popen[str], tmp_path: Path
) -> None:
    kill_and_compare(nursery, tmp_path / "catalogue.sqlite", 6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_kills(nursery: subprocess.Popen[str], tmp_path: Path) -> None:
    """With ``BRAINSEG_KILL_LOG`` naming a file, it holds a line for each kill."""
    kill_and_compare(nursery, tmp_path / "catalogue.sqlite", 200, seed=2)
