"""One run of several, and what can be wrong with it before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig

__all__ = ["Attempt", "Fault", "faults_of", "refuse"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run by name.

    Parameters
    ----------
    name : str
        Of its folder and of its model.
    config : RunConfig
        What to do; paths are absolute.
    after : str or None
        Name of the attempt whose model it starts from.
    """

    name: str
    config: RunConfig
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and with which run; an empty name stands for the whole."""

    name: str
    text: str


def refuse(what: str, faults: Sequence[Fault], hint: str) -> None:
    """Refuse everything if there is a fault; the same fault of many runs is told once.

    Raises
    ------
    ConfigError
        With all faults, each with the names of its runs.
    """
    if not faults:
        return
    names: dict[str, list[str]] = {}
    for fault in faults:
        named = names.setdefault(fault.text, [])
        if fault.name and fault.name not in named:
            named.append(fault.name)
    lines = [f"\n  {_who(who)}{text}" for text, who in names.items()]
    raise ConfigError(f"{what} is refused; nothing was started.{''.join(lines)}\n", hint)


def _who(names: Sequence[str], most: int = 4) -> str:
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}: "


def faults_of(attempts: Iterable[Attempt]) -> list[Fault]:
    """Find what would make runs fail for certain: folders, patients, network, loss, base model.

    Names of files are read, no pixel. Imports torch.
    """
    look = _Looks()
    faults: list[Fault] = []
    for attempt in attempts:
        faults += [Fault(attempt.name, text) for text in _texts(attempt, look) if text]
    return faults


class _Looks:
    """What checks found, each made once for many runs with the same setting."""

    def __init__(self) -> None:
        self._found: dict[tuple[Hashable, ...], str] = {}
        self.folders: dict[Path, tuple[StudyFolder, ...]] = {}

    def __call__(self, check: Callable[..., object], *arguments: Hashable) -> str:
        key = (check, *arguments)
        if key not in self._found:
            self._found[key] = _fault(check, *arguments)
        return self._found[key]

    def patients(self, root: Path) -> None:
        from napari_brainseg.core.formats import discover

        if not root.is_dir():
            raise ConfigError(f"There is no folder {root}.")
        self.folders[root] = discover(root).folders


def _fault(check: Callable[..., object], *arguments: object) -> str:
    try:
        check(*arguments)
    except BrainSegError as error:
        return str(error)
    except ImportError as error:
        return f"It needs the package {error.name}, which is not installed."
    return ""


def _texts(attempt: Attempt, look: _Looks) -> Iterator[str]:
    config = attempt.config
    roots = (*config.data, *((config.corrections,) if config.corrections else ()))
    if not roots and not config.phantoms:
        yield "No data is named. Give folders of patients with --data."
    unread = [text for root in roots if (text := look(look.patients, root))]
    yield from unread
    if roots and not unread:
        yield _fault(_split, config, {f.patient: f for root in roots for f in look.folders[root]})
    if isinstance(config.encoder_weights, Path):
        yield look(_file, config.encoder_weights)
    if config.base is None:
        yield look(
            _network,
            config.network,
            config.features,
            config.context_slices,
            tuple(sorted(config.network_options.items())),
        )
    elif attempt.after is None:
        yield look(_bundle, config.base)
    yield look(_loss, config.loss)


def _split(config: RunConfig, folders: dict[str, StudyFolder]) -> None:
    from training.protocols import split_patients

    split_patients(config, folders)


def _file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"There is no file {path} with weights of the encoder.")


def _network(
    name: str,
    features: int,
    context: int,
    options: tuple[tuple[str, bool | int | float | str], ...],
) -> None:
    import torch

    from napari_brainseg.core.segmentation.networks import build_network

    with torch.device("meta"):  # shapes only: nothing is allocated or drawn
        build_network(name, in_channels=3 * context, features=features, **dict(options))


def _bundle(path: Path) -> None:
    from napari_brainseg.core.segmentation.bundle import load_bundle

    load_bundle(path, verify=False)


def _loss(spec: str) -> None:
    from training.losses import build_loss

    build_loss(spec)
