"""Peak memory of a training step of the hungriest networks: batch 16, 256 x 256, bf16.

On CUDA where there is one, else on the CPU with one thread (minutes, up to 9 GB).

python -m pytest tests/benchmarks/test_network_memory.py -s
"""

from __future__ import annotations

import psutil
import pytest
import torch

from training.network_memory import MemoryCase, estimate, measure

GB = 1e9
LIMIT_GB = 8.0


@pytest.mark.parametrize("features", [32, 64])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {}),
        ("unet++", {}),
        ("unet++", {"deep_supervision": True}),
        ("unet3+", {}),
        ("unet3+", {"deep_supervision": True}),
    ],
)
def test_with_checkpointing_a_step_fits_8_gb(
    name: str, options: dict[str, bool], features: int
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    case = MemoryCase(name, features, dict(options), checkpointing=True, device=device)
    counted = estimate(case) / GB
    if device == "cpu" and psutil.virtual_memory().available / GB < 1.5 * counted + 1:
        pytest.skip("too little free memory")
    peak = measure(case, limit_bytes=int(9 * GB)) / GB
    label = f"{name} [{features}..{16 * features}] {options or ''}"
    print(f"\n{label} on {device}: {peak:.2f} GB measured, {counted:.2f} GB counted")
    assert peak < LIMIT_GB
