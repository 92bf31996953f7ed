"""One chain in a process of its own: `python training_job.py '{"chain": "ours", ...}'`.

For each number on stdin it takes so many steps and prints one JSON line. See `Job`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import torch
from reference_training import ReferenceTraining

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.allocator import keep_freed_memory
from training.augment import Augmentation
from training.devices import build_fabric
from training.ema import EMA
from training.losses import build_loss
from training.optimisation import build_optimizer
from training.pool import SlicePool
from training.preparation import prepare_patient
from training.schedules import build_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.preparation import PreparedPatient

PATIENTS = 4
GEMM_SIDE = 4096


@dataclass(frozen=True)
class Job:
    """What the process does.

    Parameters
    ----------
    chain : {"reference", "ours", "gemm"}
        The two trainings, and a product of two square matrices, for the machine's peak.
    precision : {"fp32", "bf16", "fp16"}
        Of ours and gemm.
    workers : int
        Of the reference's DataLoader.
    threads : int
        Of Torch.
    device, compile, checkpointing, accumulation
        As the config of a run has them.
    autotune : bool
        Whether cuDNN tries which of its algorithms is the fastest.
    """

    chain: str
    precision: str = "fp32"
    workers: int = 0
    threads: int = 2
    device: str = "cpu"
    compile: bool = False
    checkpointing: bool = False
    accumulation: int = 1
    autotune: bool = False


class OurTraining:
    """Steps as training/loop.py takes them, from the same functions."""

    def __init__(self, patients: list[PreparedPatient], job: Job) -> None:
        config = RunConfig(
            protocol="reference",
            device=job.device,
            precision=job.precision,
            compile=job.compile,
            gradient_checkpointing=job.checkpointing,
            accumulation=job.accumulation,
            threads=job.threads,
        )
        self.config, self.fabric = config, build_fabric(config)
        self.generator = torch.Generator().manual_seed(config.seed)
        network = build_network(config.network, features=config.features)
        network.gradient_checkpointing = config.gradient_checkpointing
        self.network = network.to(
            device=self.fabric.device, memory_format=torch.channels_last
        ).train()
        self.loss_of = build_loss(config.loss)
        optimizer = build_optimizer(network, config)
        self.augmentation = Augmentation.of(config)
        self.pool = SlicePool(patients, self.fabric.device, sampling=config.sampling)
        self.schedule = build_schedule(optimizer, config, config.steps_per_epoch or 1)
        self.ema = EMA(network, config.ema)
        fast = torch.compile(network) if config.compile else network
        self.model, self.optimizer = self.fabric.setup(fast, optimizer)
        self.losses: list[torch.Tensor] = []

    def step(self) -> torch.Tensor:
        config, parts = self.config, self.config.accumulation
        index = self.pool.draw(config.batch_size, self.generator)
        draws = self.augmentation.draw(self.pool.extents[index], 3, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.fabric.device)
        for part in range(parts):
            canvases, masks, _ = self.pool.batch(index[part::parts])
            images, target = self.augmentation.apply(
                canvases.to(self.fabric.device, non_blocking=True),
                masks.to(self.fabric.device, non_blocking=True),
                draws.part(part, len(index), parts),
            )
            output = self.model(images)
            loss = self.loss_of(output, target) / parts
            self.fabric.backward(loss)
            with torch.no_grad():
                total += loss.detach()
                guess = output > 0
                (guess * target).sum()
                guess.sum() + target.sum()
        self.optimizer.step()
        self.schedule.step()
        self.ema.update(self.network)
        return total


def make(job: Job) -> Callable[[], float | torch.Tensor]:
    """Set a chain up; the function takes a step."""
    torch.manual_seed(0)
    if job.chain == "gemm":
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        a = torch.randn((GEMM_SIDE, GEMM_SIDE), dtype=dtype[job.precision], device=job.device)
        return lambda: torch.mm(a, a)[0, 0]
    recipe = get_recipe("reference")
    patients = [
        prepare_patient(phantom_study(11, number), recipe, "training") for number in range(PATIENTS)
    ]
    if job.chain == "reference":
        volumes = [(p.images.transpose(0, 2, 3, 1).astype("f4"), p.mask) for p in patients]
        return ReferenceTraining(volumes, workers=job.workers).step
    if job.device == "cpu":
        keep_freed_memory()
    return OurTraining(patients, job).step


def cpu_s() -> float:
    """Processor seconds of this process and of its workers."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    torch.set_num_threads(job.threads)
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    cuda = job.device.startswith("cuda")
    torch.backends.cudnn.benchmark = job.autotune
    step = make(job)
    for line in sys.stdin:
        steps = int(line)
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        used, start = cpu_s(), time.perf_counter()
        for _ in range(steps):
            last = step()
        loss = float(last)  # waits for a GPU
        answer = {
            "seconds": (time.perf_counter() - start) / steps,
            "cpu_s": (cpu_s() - used) / steps,
            "loss": loss,
            "gpu_mib": torch.cuda.max_memory_allocated() / 2**20 if cuda else 0,
            "gpu_reserved_mib": torch.cuda.max_memory_reserved() / 2**20 if cuda else 0,
        }
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
