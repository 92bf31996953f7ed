"""Training samples/s: U-Net 32 at 256 x 256, batch 16, against the reference training.

    python -m pytest tests/benchmarks/test_training_speed.py -s

Each chain has a process of its own, and only one of them runs at a time, the others being
stopped, workers and all: they share the cores and nothing else. A round takes a step of each;
ratios are those of a round, so that a busy machine slows both sides alike; medians are printed.
The processor time of a step hardly feels other work on the machine, and is printed beside it.
With BRAINSEG_BENCH_COMPILE=1 torch.compile is measured too (its first step takes minutes).
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_brainseg.core.segmentation.networks import build_network

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = Path(__file__).with_name("training_job.py")
THREADS, BATCH, SIDE = 2, 16, 256
GEMM_FLOP = 2 * 4096**3
ROUNDS = int(os.environ.get("BRAINSEG_BENCH_ROUNDS", "4"))
COMPILE = os.environ.get("BRAINSEG_BENCH_COMPILE") == "1"
FP32_AT_LEAST, BF16_AT_LEAST, CUDA_AT_LEAST = 1.25, 2.3, 2000
HAS_BF16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class Chain:
    """A `training_job.py` that runs only while it is asked to."""

    def __init__(self, **job: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(JOB), json.dumps({"threads": THREADS, **job})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def steps(self, count: int = 1) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.killpg(self._process.pid, signal.SIGCONT)
        print(count, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the job ended; its error is above"
        os.killpg(self._process.pid, signal.SIGSTOP)
        answers: dict[str, float] = json.loads(answer)
        return answers

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def chains() -> Iterator[dict[str, Chain]]:
    started: dict[str, Chain] = {}
    yield started
    for chain in started.values():
        chain.close()


def flop_of_a_sample() -> float:
    """Of a forward and backward pass."""
    with torch.device("meta"):
        network = build_network("unet", features=32)
        images = torch.empty(1, 3, SIDE, SIDE)
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return float(counter.get_total_flops())


def samples_a_second(answer: dict[str, float]) -> float:
    return BATCH / answer["seconds"]


@pytest.mark.timeout(3600)
def test_training_speed_on_the_cpu(chains: dict[str, Chain]) -> None:
    chains["reference, 0 workers"] = Chain(chain="reference", workers=0)
    chains["reference, 4 workers"] = Chain(chain="reference", workers=4)
    chains["ours fp32"] = Chain(chain="ours")
    chains["gemm fp32"] = Chain(chain="gemm")
    if HAS_BF16:
        chains["ours bf16"] = Chain(chain="ours", precision="bf16")
        chains["gemm bf16"] = Chain(chain="gemm", precision="bf16")
    if COMPILE:
        chains["ours fp32, compiled"] = Chain(chain="ours", compile=True)
        if HAS_BF16:
            chains["ours bf16, compiled"] = Chain(chain="ours", precision="bf16", compile=True)
    warm = {name: (chain.steps(), chain.steps())[1]["seconds"] for name, chain in chains.items()}
    candidates = [name for name in chains if name.startswith("reference")]
    reference = min(candidates, key=warm.__getitem__)
    for name in candidates:
        if name != reference:
            chains.pop(name).close()
    rounds = [{name: chain.steps() for name, chain in chains.items()} for _ in range(ROUNDS)]

    def middle(name: str, key: str = "seconds") -> float:
        return statistics.median(r[name][key] for r in rounds)

    flop = flop_of_a_sample()
    ratio = {
        name: [statistics.median(r[reference][k] / r[name][k] for r in rounds)
               for k in ("seconds", "cpu_s")]
        for name in chains if name.startswith("ours")
    }  # fmt: skip
    print(f"\nU-Net 32, {SIDE} x {SIDE}, batch {BATCH}, {flop / 1e9:.1f} GFLOP a sample; "
          f"{THREADS} threads, median of {ROUNDS} rounds")  # fmt: skip
    for name in chains:
        if name.startswith("gemm"):
            print(f"{name:22s} {GEMM_FLOP / middle(name) / 1e9:7.0f} GFLOP/s")
            continue
        line = f"{name:22s} {BATCH / middle(name):7.2f} samples/s"
        line += f"  {middle(name, 'cpu_s'):6.2f} s of processor a step"
        gemm = "gemm bf16" if "bf16" in name else "gemm fp32"
        shares = [
            flop * samples_a_second(r[name]) / (GEMM_FLOP / r[gemm]["seconds"]) for r in rounds
        ]
        line += f"  {100 * statistics.median(shares):3.0f} % of the GEMM peak"
        if name in ratio:
            line += "  ratio {:.2f} (by processor time {:.2f})".format(*ratio[name])
        print(line)
    others = ", ".join(f"{name}: {BATCH / warm[name]:.2f} samples/s" for name in candidates)
    print(f"The faster reference counts, by one step each ({others}).")
    assert ratio["ours fp32"][0] >= FP32_AT_LEAST
    if HAS_BF16:
        assert ratio["ours bf16"][0] >= BF16_AT_LEAST


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.timeout(1800)
def test_training_speed_on_a_gpu() -> None:
    name = torch.cuda.get_device_name()
    flop, fastest = flop_of_a_sample(), 0.0
    print(f"\n{name}: U-Net 32, {SIDE} x {SIDE}, batch {BATCH}, data on the device")
    for precision in ("bf16", "fp16", "fp32"):
        gemm = Chain(chain="gemm", precision=precision, device="cuda")
        gemm.steps(20)
        peak = GEMM_FLOP / gemm.steps(200)["seconds"]
        gemm.close()
        for autotune, compiled in ((False, False), (True, False), (True, True)):
            chain = Chain(
                chain="ours", precision=precision, device="cuda", compile=compiled,
                autotune=autotune,
            )  # fmt: skip
            chain.steps(20)
            answer = min((chain.steps(100) for _ in range(3)), key=lambda a: a["seconds"])
            chain.close()
            speed = samples_a_second(answer)
            fastest = max(fastest, speed)
            how = f"{'autotuned' if autotune else '':9s} {'compiled' if compiled else '':8s}"
            print(f"{precision} {how} {speed:7.0f} samples/s  "
                  f"{100 * flop * speed / peak:3.0f} % of the GEMM peak "
                  f"({peak / 1e12:.0f} TFLOP/s)  {answer['gpu_mib']:.0f} MiB")  # fmt: skip
    if "H100" in name or "H200" in name:
        assert fastest >= CUDA_AT_LEAST


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.timeout(1800)
def test_the_smallest_gpu_memory_that_trains_at_batch_16() -> None:
    print(f"\n{torch.cuda.get_device_name()}: peak memory of a step, U-Net 32, batch {BATCH}")
    for precision in ("fp32", "bf16", "fp16"):
        for checkpointing in (False, True):
            for accumulation in (1, 4, 16):
                chain = Chain(
                    chain="ours", precision=precision, device="cuda",
                    checkpointing=checkpointing, accumulation=accumulation,
                )  # fmt: skip
                first = chain.steps(2)
                last = chain.steps(30)
                chain.close()
                print(f"{precision}  micro-batch {BATCH // accumulation:2d}  "
                      f"{'checkpointing' if checkpointing else '':13s}  "
                      f"{last['gpu_mib']:6.0f} MiB in use, {last['gpu_reserved_mib']:6.0f} held  "
                      f"{samples_a_second(last):6.0f} samples/s  loss {first['loss']:.3f} -> "
                      f"{last['loss']:.3f}")  # fmt: skip
                assert last["loss"] < first["loss"]  # it learns
