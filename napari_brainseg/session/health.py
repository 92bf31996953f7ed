"""What this machine offers for reading and training, and what to mend.

`examine` reads files and asks the driver: it belongs in a worker. Nothing here imports torch.
Each check answers for itself: a failure is a finding, never a crash.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from napari_brainseg import __version__
from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session import probes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines.choice import EngineChoice
    from napari_brainseg.session.desk import Desk

__all__ = [
    "GIB",
    "Finding",
    "Health",
    "Level",
    "check_bundle",
    "check_driver",
    "check_memory",
    "check_storage",
    "examine",
    "see_driver",
    "short_version",
]

GIB = 2**30
LEAST_MEMORY = 2 * GIB
LEAST_DISK = GIB
DRIVER_S = 20
DEVICE, MODEL, MEMORY, STORAGE = "device", "model", "memory", "workspace"
"""Names of the findings of `examine`."""


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    name : str
        Of the check.
    level : Level
        How serious it is.
    found : str
        Versions, names, sizes.
    mend : str
        What to do; empty where all is well.
    """

    name: str
    level: Level
    found: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """Plain values, for JSON."""
        return {key: str(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Health:
    """What one look found.

    Parameters
    ----------
    device : str
        What predicts, in a few words, e.g. ``CPU, 2 threads``.
    model : str
        Model in use, in a few words; empty if there is none.
    findings : tuple of Finding
        All that was looked at.
    """

    device: str
    model: str
    findings: tuple[Finding, ...]

    @property
    def attention(self) -> tuple[Finding, ...]:
        """Findings that somebody should mend."""
        return tuple(f for f in self.findings if f.level in (Level.WARNING, Level.FAULT))

    def report(self) -> str:
        """Everything as text, to be sent to who helps."""
        lines = [f"BrainSeg {__version__}, Python {platform.python_version()}, "
                 f"{platform.platform()}"]  # fmt: skip
        for finding in self.findings:
            lines.append(f"{finding.name}: {finding.level}: {finding.found}")
            if finding.mend:
                lines.append(f"    {finding.mend}")
        return "\n".join(lines)


def examine(desk: Desk, driver: Finding | None = None) -> Health:
    """Look at device, model, memory and workspace of a desk.

    Parameters
    ----------
    desk : Desk
        Whose model and workspace are looked at.
    driver : Finding, optional
        What `see_driver` found; asked for here if left out, which may take seconds.
    """
    bundle: Bundle | None = None
    fault: BrainSegError | None = None
    try:
        bundle = desk.registry.current
    except BrainSegError as error:
        fault = error
    device, on_device = _device(bundle, see_driver() if driver is None else driver)
    findings = (
        on_device,
        _guarded(MODEL, lambda: check_bundle(MODEL, bundle, fault)),
        check_memory(MEMORY),
        _guarded(STORAGE, lambda: check_storage(STORAGE, desk.workspace.root)),
    )
    return Health(device, "" if bundle is None else short_version(bundle.version), findings)


def see_driver() -> Finding:
    """Ask for GPUs and their driver; one that hangs is waited for some seconds."""
    return _guarded(DEVICE, lambda: check_driver(DEVICE))


def check_memory(name: str) -> Finding:
    """Cores and memory; takes a millisecond."""
    memory = psutil.virtual_memory()
    found = (
        f"{threads()} cores, {memory.total / GIB:.1f} GiB memory, "
        f"{memory.available / GIB:.1f} GiB of it free"
    )
    if memory.available < LEAST_MEMORY:
        return Finding(name, Level.WARNING, found, "Close other programs: 2 GiB should be free.")
    return Finding(name, Level.OK, found)


def check_driver(name: str) -> Finding:
    """NVIDIA GPUs and their driver."""
    from napari_brainseg.core.segmentation.engines import choice

    count = choice.cuda_device_count()
    tool = shutil.which("nvidia-smi")
    if tool is None:
        if count:
            return Finding(name, Level.OK, f"{count} CUDA GPU by the driver; no nvidia-smi")
        return Finding(name, Level.NOTE, "no NVIDIA driver; predictions run on the CPU")
    query = "--query-gpu=name,driver_version,memory.total,memory.free"
    answer = probes.run_program([tool, query, "--format=csv,noheader"], DRIVER_S)
    found = "; ".join(line.strip() for line in answer.stdout.splitlines() if line.strip())
    if answer.returncode != 0 or not count:
        return Finding(
            name,
            Level.WARNING,
            f"nvidia-smi is here, but no GPU can be used: {probes.last_line(answer) or found}",
            "Install or reload the NVIDIA driver; after an update, restart the machine.",
        )
    return Finding(name, Level.OK, found)


def check_bundle(name: str, bundle: Bundle | None, fault: BrainSegError | None = None) -> Finding:
    """Whether a model's files are what they were when it was made; reads all of them."""
    if bundle is None:
        message = "no model is in use" if fault is None else fault.message
        return Finding(name, Level.FAULT, message, "" if fault is None else fault.hint)
    try:
        bundle.verify()
    except BrainSegError as error:
        return Finding(name, Level.FAULT, error.message, error.hint)
    digest = bundle.manifest.files.get(bundle.weights_path.name, "")
    return Finding(
        name, Level.OK, f"{bundle.version} (weights SHA-256 {digest[:16]}..., unchanged)"
    )


def check_storage(name: str, place: Path) -> Finding:
    """Room for the workspace, and whether it may be written to."""
    there = next(p for p in (place, *place.parents) if p.exists())
    free = shutil.disk_usage(there).free
    found = f"{place}, {free / GIB:.1f} GiB free"
    if not os.access(there, os.W_OK):
        return Finding(
            name,
            Level.FAULT,
            f"{found}: {there} cannot be written",
            "Change its permissions, or set BRAINSEG_WORKSPACE to another folder.",
        )
    if free < LEAST_DISK:
        return Finding(name, Level.WARNING, found, "Make room: training runs need about 1 GiB.")
    return Finding(name, Level.OK, found)


def threads() -> int:
    """Cores that this process may use."""
    if hasattr(psutil.Process, "cpu_affinity"):
        return len(psutil.Process().cpu_affinity() or ()) or os.cpu_count() or 1
    return os.cpu_count() or 1


def short_version(version: str) -> str:
    """Model version in few characters, e.g. ``default (e1eadd)``."""
    parts = re.fullmatch(r"(.+)-\d{8}-([0-9a-f]{6})[0-9a-f]*", version)
    return version if parts is None else f"{parts[1]} ({parts[2]})"


def cuda_of_torch() -> str | None:
    """CUDA version that torch was built for, `None` for a build without it.

    Read from its files: to import torch would stop the window for a part of a second.

    Raises
    ------
    ImportError
        If torch is not installed, or its files say nothing of it.
    """
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise ImportError("torch is not installed")
    text = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    match = re.search(r"^cuda\b[^=\n]*=\s*(None|['\"]([\d.]+)['\"])", text, re.MULTILINE)
    if match is None:
        raise ImportError("torch does not say what it was built for")
    return match[2]


def _device(bundle: Bundle | None, driver: Finding) -> tuple[str, Finding]:
    from napari_brainseg.core.segmentation.engines import choice

    on_cpu = f"CPU, {threads()} threads"
    try:
        chosen = None if bundle is None else choice.choose(bundle)
    except Exception as error:  # noqa: BLE001 (a check that breaks is a finding, too)
        return on_cpu, _broken(DEVICE, error)
    if chosen is None or chosen.device == "cpu":
        reason = driver.found if chosen is None else chosen.reason
        level = driver.level if driver.level is Level.WARNING else Level.OK
        found = driver.found if level is Level.WARNING else f"{_processor()}; {reason}"
        return on_cpu, Finding(DEVICE, level, found, driver.mend)
    return _on_gpu(chosen, driver, on_cpu)


def _on_gpu(chosen: EngineChoice, driver: Finding, on_cpu: str) -> tuple[str, Finding]:
    if chosen.device == "mps":
        return "Apple GPU", Finding(DEVICE, Level.OK, chosen.reason)
    name, _, rest = driver.found.partition(",")
    version = rest.split(",")[0].strip()
    text = f"{name.strip()}, driver {version}" if version else name.strip()
    try:
        cuda = cuda_of_torch()
    except (ImportError, OSError) as error:
        missing = f"{driver.found}: {error}"
        return on_cpu, Finding(
            DEVICE, Level.WARNING, missing, "Install it: https://pytorch.org/get-started/locally"
        )
    if cuda is None:
        return on_cpu, Finding(
            DEVICE,
            Level.WARNING,
            f"{driver.found}: there is a GPU, but torch was built without CUDA",
            "Install the CUDA build: https://pytorch.org/get-started/locally",
        )
    return text, Finding(DEVICE, driver.level, f"{driver.found}; torch for CUDA {cuda}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except BrainSegError as error:
        return Finding(name, Level.FAULT, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 (a check that breaks is a finding, too)
        return _broken(name, error)


def _broken(name: str, error: Exception) -> Finding:
    return Finding(
        name,
        Level.WARNING,
        f"could not be checked: {type(error).__name__}: {error}",
        "Please report this message.",
    )
