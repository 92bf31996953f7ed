"""``python -m training networks``: what there is to train, how large and how hungry."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError, ConfigError, ModelError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

__all__ = ["NetworkFigures", "add_arguments", "figures", "main"]

SIDE = 256
GB = 1e9
DEEP: dict[str, bool | int | float | str] = {"deep_supervision": True}


@dataclass
class NetworkFigures:
    """Figures of one network.

    Parameters
    ----------
    name, features, options
        See `build_network`.
    parameters : int
        Weights that are trained.
    gflops : float
        Billions of floating-point operations for one slice of 256 x 256 pixels, forward; a
        multiplication with an addition counts as two; convolutions only.
    size_mb : float
        Weights and buffers at 16 bits, as in a bundle (MB, 10^6 bytes).
    memory_gb : dict
        Peak of a training step at batch 16 (GB, 10^9 bytes): ``estimated`` and ``measured``, each
        also with ``_checkpointing``; ``None`` where the memory did not suffice.
    """

    name: str
    features: int
    options: dict[str, bool | int | float | str]
    parameters: int
    gflops: float
    size_mb: float
    memory_gb: dict[str, float | None] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="all networks if left out")
    parser.add_argument("--features", type=int, default=16, help="of the first level (default: 16)")
    parser.add_argument(
        "--memory",
        nargs="?",
        const="measure",
        choices=("measure", "estimate"),
        help="peak memory of a training step, batch 16, with and without gradient checkpointing: "
        "counted (estimate, seconds) or run as well (measure, minutes)",
    )
    parser.add_argument("--device", default="auto", help="to measure memory on: auto, cpu or cuda")
    parser.add_argument(
        "--limit-gb", type=float, help="of a measurement on the CPU; half of the free memory"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")


def main(options: argparse.Namespace) -> int:
    """Print the table, write JSON; returns the exit code."""
    try:
        rows = []
        for row in figures(options.names, features=options.features):
            if options.memory:
                _add_memory(row, options)
            rows.append(row)
        if options.json is not None:
            text = json.dumps([asdict(row) for row in rows], indent=2)
            write_atomically(options.json.absolute(), text.encode())
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_table(rows))
    sys.stdout.write(_options(dict.fromkeys(row.name for row in rows)))
    return 0


def figures(names: Sequence[str] = (), *, features: int = 16) -> Iterable[NetworkFigures]:
    """Size and cost of networks; one that can supervise deeply comes a second time with it.

    Parameters
    ----------
    names : sequence of str
        All if empty.
    features : int
        Feature maps of the first level.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    from napari_brainseg.core.segmentation.networks import NETWORKS

    for name in names or NETWORKS:
        yield _figures(name, features, {})
        if DEEP.keys() <= NETWORKS[name].OPTIONS.keys():
            yield _figures(name, features, dict(DEEP))


def _figures(
    name: str, features: int, options: dict[str, bool | int | float | str]
) -> NetworkFigures:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    from napari_brainseg.core.segmentation.networks import build_network

    with FakeTensorMode():  # nothing is allocated or computed
        network = build_network(name, in_channels=3, features=features, **options).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, SIDE, SIDE))
    tensors = network.state_dict().values()
    return NetworkFigures(
        name=name,
        features=features,
        options=options,
        parameters=sum(p.numel() for p in network.parameters()),
        gflops=counter.get_total_flops() / 1e9,
        size_mb=sum(t.numel() * (2 if t.is_floating_point() else 8) for t in tensors) / 1e6,
    )


def _add_memory(row: NetworkFigures, options: argparse.Namespace) -> None:
    import psutil
    import torch

    from training.network_memory import MemoryCase, estimate, measure

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("There is no CUDA GPU to measure memory on.", "Choose --device cpu.")
    free = psutil.virtual_memory().available
    limit = int(free / 2 if options.limit_gb is None else options.limit_gb * GB)
    for checkpointing in (False, True):
        suffix = "_checkpointing" if checkpointing else ""
        case = MemoryCase(
            row.name, row.features, row.options, checkpointing, side=SIDE, device=device
        )
        counted = estimate(case)
        row.memory_gb[f"estimated{suffix}"] = counted / GB
        if options.memory == "estimate":
            continue
        sys.stderr.write(f"measuring {_label(row)}{' with checkpointing' * checkpointing}\n")
        measured = None
        # what cannot fit need not be tried
        if device != "cpu" or counted < limit:
            try:
                measured = measure(case, limit_bytes=limit) / GB
            except ModelError as error:
                sys.stderr.write(f"{error}\n")
        row.memory_gb[f"measured{suffix}"] = measured


def _label(row: NetworkFigures) -> str:
    return " ".join([row.name, *(f"{k}={str(v).lower()}" for k, v in row.options.items())])


def _table(rows: list[NetworkFigures]) -> str:
    head = ["network", "features", "parameters", f"GFLOPs a {SIDE}x{SIDE} slice", "fp16 MB"]
    keys = list(rows[0].memory_gb)
    head += [f"{key.replace('_', ', ')}: GB" for key in keys]
    lines = [head]
    for row in rows:
        cells = [_label(row), str(row.features), f"{row.parameters:,}", f"{row.gflops:.1f}"]
        cells.append(f"{row.size_mb:.1f}")
        peaks = [row.memory_gb[key] for key in keys]
        lines.append(cells + ["does not fit" if p is None else f"{p:.2f}" for p in peaks])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() + "\n"
        for line in lines
    )


def _options(names: Iterable[str]) -> str:
    from napari_brainseg.core.segmentation.networks import NETWORKS

    lines = []
    for name in names:
        known = NETWORKS[name].OPTIONS.items()
        text = "  ".join(f"{k}={'|'.join(str(v).lower() for v in values)}" for k, values in known)
        if text:
            lines.append(f"{name}: {text}\n")
    return "\nOptions, the default first:\n" + "".join(lines) if lines else ""
