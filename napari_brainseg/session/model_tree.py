"""Model versions by descent: which one was fine-tuned from which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_brainseg.session.model_version import DeletedVersion, ModelVersion

__all__ = ["ModelNode", "tree", "walk"]


@dataclass(frozen=True, slots=True)
class ModelNode:
    """A version with those fine-tuned from it.

    Parameters
    ----------
    version : str
        Unique version.
    model : ModelVersion or None
        `None` for one that is named as a parent only.
    deleted : DeletedVersion or None
        Where it was deleted; where both are `None` it never was on this machine.
    children : tuple of ModelNode
        In the order of the list.
    """

    version: str
    model: ModelVersion | None
    deleted: DeletedVersion | None
    children: tuple[ModelNode, ...]


def tree(
    versions: Iterable[ModelVersion], deleted: Iterable[DeletedVersion] = ()
) -> tuple[ModelNode, ...]:
    """Arrange versions by their parents.

    Deleted versions are shown where one that is here descends from them. A circle of parents,
    which only a forged bundle has, is cut open.

    Parameters
    ----------
    versions : iterable of ModelVersion
    deleted : iterable of DeletedVersion
    """
    here = {version.version: version for version in versions}
    gone = {version.version: version for version in deleted if version.version not in here}
    parents: dict[str, str | None] = {}
    for name in here:
        at: str | None = name
        while at is not None and at not in parents:
            known = here.get(at) or gone.get(at)
            parents[at] = None if known is None else known.parent
            at = parents[at]
    below: dict[str | None, list[str]] = {}
    order = {name: number for number, name in enumerate(here)}
    for name in sorted(parents, key=lambda n: order.get(n, len(order))):
        parent = None if _is_in_circle(name, parents) else parents[name]
        below.setdefault(parent, []).append(name)

    def node(name: str) -> ModelNode:
        children = tuple(node(child) for child in below.get(name, ()))
        return ModelNode(name, here.get(name), gone.get(name), children)

    return tuple(node(name) for name in below.get(None, ()))


def walk(nodes: Iterable[ModelNode], depth: int = 0) -> Iterator[tuple[int, ModelNode]]:
    """Go through a tree from the top, each node before its children, with its depth."""
    for node in nodes:
        yield depth, node
        yield from walk(node.children, depth + 1)


def _is_in_circle(name: str, parents: dict[str, str | None]) -> bool:
    seen = set()
    at = parents[name]
    while at is not None and at not in seen:
        if at == name:
            return True
        seen.add(at)
        at = parents.get(at)
    return False
