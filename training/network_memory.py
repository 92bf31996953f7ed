"""Peak memory of a training step: counted without allocating, or measured in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_brainseg.core.segmentation.networks import SegmentationNetwork

__all__ = ["MemoryCase", "estimate", "measure"]


@dataclass(frozen=True)
class MemoryCase:
    """A training step of one network: Adam, 16-bit arithmetic (bf16 autocast), random slices.

    Parameters
    ----------
    name, features, options
        See `build_network`.
    checkpointing : bool
        With gradient checkpointing.
    batch, side : int
        Slices a step, and their height and width.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    """

    name: str
    features: int = 16
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
    checkpointing: bool = False
    batch: int = 16
    side: int = 256
    device: str = "cpu"


def estimate(case: MemoryCase) -> int:
    """Bytes that weights, gradients, Adam's moments and activations take together at the peak.

    Counted by PyTorch's own tracker on tensors without data. Work space of convolutions, the
    allocator's gaps and the libraries come on top: see `measure`.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode():
        network, optimizer = _prepare(case, torch.device("cpu"))
        images, masks = _batch(case, torch.device("cpu"))
        tracker = MemTracker()
        tracker.track_external(network, optimizer, images, masks)
        with tracker:
            _step(network, optimizer, images, masks)
        peak = tracker.get_tracker_snapshot("peak")
    return int(sum(kinds["Total"] for kinds in peak.values()))


def measure(case: MemoryCase, *, limit_bytes: int | None = None) -> int:
    """Peak in bytes of a real step in a fresh process.

    On CUDA the most that PyTorch had allocated; on a CPU, with one thread, the growth of resident
    memory over that of the imported libraries.

    Parameters
    ----------
    case : MemoryCase
        What to run.
    limit_bytes : int, optional
        The process may not take more (Linux, CPU); all it can get if left out.

    Raises
    ------
    ModelError
        If the memory does not suffice, or the process fails.
    """
    request = json.dumps({"case": asdict(case), "limit_bytes": limit_bytes})
    child = subprocess.run(
        [sys.executable, "-P", "-m", "training.network_memory", request],
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        what = child.stderr.strip().splitlines()[-1:] or [f"it ended with {child.returncode}"]
        raise ModelError(f"A training step of '{case.name}' failed: {what[0]}")
    answer = json.loads(child.stdout.splitlines()[-1])
    if "peak_bytes" not in answer:
        raise ModelError(
            f"A training step of '{case.name}' with {case.features} features needs more memory "
            "than there is.",
            "Use gradient checkpointing, fewer features or a smaller batch.",
        )
    return int(answer["peak_bytes"])


def _prepare(
    case: MemoryCase, device: torch.device
) -> tuple[SegmentationNetwork, torch.optim.Optimizer]:
    """Network and Adam, its moments made by a step without gradients."""
    import torch

    from napari_brainseg.core.segmentation.networks import build_network

    with device:
        network = build_network(case.name, in_channels=3, features=case.features, **case.options)
    network.train()
    network.gradient_checkpointing = case.checkpointing
    optimizer = torch.optim.Adam(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return network, optimizer


def _batch(case: MemoryCase, device: torch.device) -> tuple[Tensor, Tensor]:
    import torch

    images = torch.rand(case.batch, 3, case.side, case.side, device=device)
    masks = torch.zeros(case.batch, 1, case.side, case.side, device=device)
    return images.contiguous(memory_format=torch.channels_last), masks


def _step(
    network: SegmentationNetwork, optimizer: torch.optim.Optimizer, images: Tensor, masks: Tensor
) -> None:
    import torch

    with torch.autocast(images.device.type, torch.bfloat16):
        out = network(images)
    heads = out if isinstance(out, tuple) else (out,)
    loss = torch.stack(
        [torch.nn.functional.binary_cross_entropy_with_logits(h.float(), masks) for h in heads]
    ).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()


def _child(request: dict[str, Any]) -> dict[str, int]:
    import torch

    case = MemoryCase(**request["case"])
    device = torch.device(case.device)
    torch.set_num_threads(1)
    try:
        if device.type == "cuda":
            return {"peak_bytes": _on_cuda(case, device)}
        return {"peak_bytes": _on_cpu(case, request["limit_bytes"])}
    except (MemoryError, RuntimeError) as error:
        # the CPU's allocator has no exception type of its own
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "memory" in str(error):
            return {}
        raise


def _on_cuda(case: MemoryCase, device: torch.device) -> int:
    import torch

    network, optimizer = _prepare(case, device)
    _step(network, optimizer, *_batch(case, device))
    return int(torch.cuda.max_memory_allocated(device))


def _on_cpu(case: MemoryCase, limit_bytes: int | None) -> int:
    import psutil
    import torch

    # libraries start up and fill their caches before the counting begins
    warm = MemoryCase(case.name, 2, batch=1, side=64)
    _step(*_prepare(warm, torch.device("cpu")), *_batch(warm, torch.device("cpu")))
    before = psutil.Process().memory_info().rss
    if limit_bytes is not None and sys.platform == "linux":
        import resource

        data = psutil.Process().memory_info().data
        resource.setrlimit(resource.RLIMIT_DATA, (data + limit_bytes, data + limit_bytes))
    network, optimizer = _prepare(case, torch.device("cpu"))
    _step(network, optimizer, *_batch(case, torch.device("cpu")))
    return _peak_rss() - before


def _peak_rss() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        # not ru_maxrss, which a child inherits from the process that started it
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child(json.loads(sys.argv[1]))) + "\n")
