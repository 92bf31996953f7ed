"""A promotion that is killed half-way leaves exactly one version in use."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.workspace import Workspace

PROMOTER = Path(__file__).with_name("killed_promoter.py")
_spec = importlib.util.spec_from_file_location("killed_promoter", PROMOTER)
assert _spec is not None
assert _spec.loader is not None
promoter = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(promoter)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and fork")


@pytest.fixture
def bundled(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle("default")


@pytest.fixture
def nursery(
    start_nursery: Callable[..., subprocess.Popen[str]],
    workspace: Workspace,
    bundled: Bundle,
    make_bundle: Callable[..., Bundle],
) -> subprocess.Popen[str]:
    """A process that forks promoters, in a workspace with three versions."""
    registry, catalogue = promoter.open_registry(workspace.root, bundled.path)
    for name in ("second", "third"):
        registry.adopt(make_bundle(name, folder="run").path)
    catalogue.close()
    return start_nursery(PROMOTER, workspace.root, bundled.path)


def kill_one(
    nursery: subprocess.Popen[str], seed: int, lines: int, moment_s: float
) -> list[tuple[str, str]]:
    """Let a promoter act, kill it some time after it told so much; returns all that it told."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{seed}\n")
    pid, told = None, []
    while pid is None or len(told) < lines:
        word, what = nursery.stdout.readline().split()
        if word == "pid":
            pid = int(what)
        else:
            told.append((word, what))
    time.sleep(moment_s)
    os.kill(pid, signal.SIGKILL)
    for line in nursery.stdout:
        if line == "gone\n":
            break
        word, what = line.split()
        told.append((word, what))
    return told


def kill_and_look(
    nursery: subprocess.Popen[str], workspace: Workspace, bundled: Bundle, kills: int
) -> None:
    chance = random.Random(kills)
    acts, in_use = 0, bundled.version
    for kill in range(kills):
        told = kill_one(nursery, kill, chance.randint(1, 5), chance.uniform(0.0, 0.02))
        done = [what for word, what in told if word == "did"]
        before = done[-1] if done else in_use
        allowed = {before, told[-1][1]}
        registry, catalogue = promoter.open_registry(workspace.root, bundled.path)
        current = [v.version for v in registry.versions() if v.is_current]
        history = registry.history()
        assert registry.load(registry.current_version).version == registry.current_version
        catalogue.close()
        assert current == [registry.current_version]
        assert current[0] in allowed, (kill, told[-2:], current)
        acts += len(done)
        assert acts <= len(history) <= acts + 1, "an act was lost, or kept twice"
        acts, in_use = len(history), current[0]
    assert acts >= kills // 2, "the promoters hardly acted"


def test_a_promotion_killed_half_way_leaves_exactly_one_version_in_use(
    nursery: subprocess.Popen[str], workspace: Workspace, bundled: Bundle
) -> None:
    kill_and_look(nursery, workspace, bundled, 20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_killed_promotions(
    nursery: subprocess.Popen[str], workspace: Workspace, bundled: Bundle
) -> None:
    kill_and_look(nursery, workspace, bundled, 200)
