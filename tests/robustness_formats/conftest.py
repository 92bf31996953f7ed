"""Damaged files of every format, opened in a child process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

CPU_S = 5.0


def _module(name: str) -> ModuleType:
    """A helper beside this file; the tests are no package."""
    known = sys.modules.get(f"brainseg_robustness_{name}")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(
        f"brainseg_robustness_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def helper() -> Callable[[str], ModuleType]:
    """A module of helpers by name."""
    return _module


@pytest.fixture
def survives(tmp_path: Path) -> Iterator[Callable]:
    """Open many mutants; fails at the end with the seeds of those that broke something.

    Called with sound studies to warm up with, and ``(seed, path, names)`` for each mutant: what
    to open, and names of which one must stand in the message where it is refused. Gives
    how many opened and how many were refused.
    """
    openers = []

    def run(warm: list[Path], mutants: Iterator[tuple[object, Path, tuple[str, ...]]]):
        opener = _module("opening").Opener(tmp_path, warm)
        openers.append(opener)
        broken, opened, refused = [], 0, 0
        for seed, path, names in mutants:
            reply = opener.open(path)
            if fault := _fault(reply, names):
                broken.append(f"seed {seed}: {fault}")
            opened += bool(reply.get("opened"))
            refused += bool(reply.get("refused"))
        assert not broken, f"{len(broken)} mutants:\n" + "\n".join(broken[:20])
        return opened, refused

    yield run
    for opener in openers:
        opener.close()


def _fault(reply: dict, names: tuple[str, ...]) -> str:
    if "died" in reply:
        return f"died: {reply['died']}"
    if "broken" in reply:
        return f"broke: {reply['broken'][-1500:]}"
    if reply["cpu_s"] > CPU_S:
        return f"took {reply['cpu_s']:.1f} s of the processor"
    if reply["did"]:
        return f"did what no reading does: {reply['did']}"
    for message in reply["refused"]:
        if not any(name in message for name in names):
            return f"named no file of {names}: {message}"
    return ""
