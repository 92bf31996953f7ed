"""Processor, memory and GPU of a run while it works: ``resources.jsonl``."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import psutil

from training.run_files import Sample

if TYPE_CHECKING:
    from io import TextIOWrapper
    from pathlib import Path
    from types import TracebackType

__all__ = ["RESOURCES", "ResourceMonitor"]

RESOURCES = "resources.jsonl"
MIB = 2**20


class ResourceMonitor:
    """Samples this process until left; a context manager.

    Lines are added to ``resources.jsonl``, so a run that was resumed has one series. A disk that
    does not take them ends the writing, never the run.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    interval_s : float
        Seconds between samples; one more is taken at the end.
    enabled : bool
        Whether to do anything: of several processes of a run only the first should.
    """

    def __init__(self, run_dir: Path, interval_s: float = 2.0, *, enabled: bool = True) -> None:
        self._path = run_dir / RESOURCES
        self._interval_s = interval_s
        self._enabled = enabled
        self._process = psutil.Process()
        self._file: TextIOWrapper | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="resources", daemon=True)
        self._gpu = _Gpu()
        self._latest: Sample | None = None
        self._peak: Sample | None = None

    @property
    def latest(self) -> Sample | None:
        """The last sample; ``None`` before the first."""
        return self._latest

    @property
    def peak(self) -> Sample | None:
        """The highest of each figure so far, with the time of the last sample."""
        return self._peak

    def __enter__(self) -> Self:
        """Begin to sample."""
        if self._enabled:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8", buffering=1)
            self._gpu.reset_peak()
            self._process.cpu_percent()  # counts from here
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the last sample and end."""
        if self._enabled:
            self._over.set()
            self._thread.join()
            self._sample()
            self._stop_writing()

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        sample = Sample(
            time=time.time(),
            cpu_percent=self._process.cpu_percent(),
            rss_mb=self._process.memory_info().rss / MIB,
            gpu_memory_mb=self._gpu.memory_mb(),
            gpu_percent=self._gpu.percent(),
        )
        self._latest, self._peak = sample, self._highest(sample)
        if self._file is not None:
            try:
                self._file.write(sample.model_dump_json() + "\n")
            except OSError:
                self._stop_writing()

    def _highest(self, sample: Sample) -> Sample:
        before = self._peak.model_dump() if self._peak is not None else {}
        now = {**sample.model_dump(), "gpu_memory_mb": self._gpu.peak_memory_mb()}
        return Sample(
            **{
                name: max((v for v in (value, before.get(name)) if v is not None), default=None)
                for name, value in now.items()
            }
        )

    def _stop_writing(self) -> None:
        if self._file is not None:
            # closing writes what is left, which a full disk does not take either
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class _Gpu:
    """Torch's own figures of CUDA GPUs, once something else has begun to use them."""

    def __init__(self) -> None:
        self._has_utilisation = True

    def memory_mb(self) -> float | None:
        """Memory that Torch holds on all GPUs, MiB."""
        return self._sum("memory_reserved")

    def peak_memory_mb(self) -> float | None:
        """Most that Torch has held, also between samples, MiB."""
        return self._sum("max_memory_reserved")

    def reset_peak(self) -> None:
        """Forget what was before."""
        cuda = _cuda()
        if cuda is not None:
            for device in range(cuda.device_count()):
                cuda.reset_peak_memory_stats(device)

    def percent(self) -> float | None:
        """How busy the busiest GPU that Torch uses is; ``None`` where the driver does not tell."""
        cuda = _cuda()
        if cuda is None or not self._has_utilisation:
            return None
        try:
            used = [d for d in range(cuda.device_count()) if cuda.memory_reserved(d)]
            return max((float(cuda.utilization(device)) for device in used), default=None)
        except Exception:  # noqa: BLE001 (NVML is not there or has errors of its own)
            self._has_utilisation = False
            return None

    def _sum(self, figure: str) -> float | None:
        cuda = _cuda()
        if cuda is None:
            return None
        each = getattr(cuda, figure)
        return sum(float(each(device)) for device in range(cuda.device_count())) / MIB


def _cuda() -> Any:
    """``torch.cuda`` where Torch is imported and uses a GPU; asking must not be what begins it."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None
