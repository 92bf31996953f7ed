"""Promotions and rollbacks without an end; run as a program it waits to be killed.

Usage: ``killed_promoter.py WORKSPACE BUNDLED``, the latter a bundle's folder. Each line "SEED" on
standard input has a child forked that acts; it writes "will VERSION" before each act and "did
VERSION" after it, and the program "pid N" when the child is there and "gone" after its end.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_registry import ModelRegistry
from napari_brainseg.session.workspace import Workspace


def open_registry(workspace: Path, bundled: Path) -> tuple[ModelRegistry, Catalogue]:
    place, bundle = Workspace(workspace), load_bundle(bundled)
    catalogue = Catalogue(place.catalogue)
    return ModelRegistry(place, catalogue, bundled=lambda: (bundle,)), catalogue


def act_for_ever(workspace: Path, bundled: Path, seed: int) -> None:
    registry, _ = open_registry(workspace, bundled)
    chance = random.Random(seed)
    while True:
        back = registry.rollback_version
        if back is not None and chance.random() < 0.5:
            tell("will", back)
            registry.rollback(editor="Ada")
        else:
            others = [v.version for v in registry.versions() if not v.is_current]
            back = chance.choice(others)
            tell("will", back)
            registry.promote(back, editor="Ada", reason="a test")
        tell("did", back)


def tell(word: str, what: object) -> None:
    os.write(1, f"{word} {what}\n".encode())


def main() -> None:
    workspace, bundled = map(Path, sys.argv[1:])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            act_for_ever(workspace, bundled, int(line))
        tell("pid", child)
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
