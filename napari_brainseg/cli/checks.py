"""The doctor's checks. Each one answers for itself: a failure is a finding, never a crash."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg import __version__
from napari_brainseg.session import probes
from napari_brainseg.session.health import (
    Finding,
    Level,
    check_bundle,
    check_driver,
    check_memory,
    check_storage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CHECKS", "Finding", "Level", "run_checks"]

HEADLESS = ("numpy", "scipy", "scikit-image", "tifffile", "pydicom", "highdicom", "nibabel",
            "pylibjpeg", "reportlab", "matplotlib", "pydantic", "safetensors", "SQLAlchemy",
            "psygnal", "lightning", "torch", "openvino", "tensorboard")  # fmt: skip
GUI = ("napari", "magicgui", "qtpy", "PyQt5", "superqt", "pyqtgraph")
INSTALL = "Install BrainSeg again: pip install . in its source folder, or the wheel."


def run_checks() -> list[Finding]:
    """Run all checks, in order."""
    findings = []
    for name, check in CHECKS.items():
        try:
            findings.append(check(name))
        except Exception as error:  # noqa: BLE001 (a check that breaks is a finding, too)
            findings.append(
                Finding(
                    name,
                    Level.WARNING,
                    f"could not be checked: {type(error).__name__}: {error}",
                    "Please report this message.",
                )
            )
    return findings


def _brainseg(name: str) -> Finding:
    python = platform.python_version()
    found = f"BrainSeg {__version__}, Python {python}, {platform.platform()}"
    return Finding(name, Level.OK, found)


def _versions(distributions: Sequence[str]) -> tuple[list[str], list[str]]:
    found, missing = [], []
    for distribution in distributions:
        try:
            found.append(f"{distribution} {metadata.version(distribution)}")
        except metadata.PackageNotFoundError:
            missing.append(distribution)
    return found, missing


def _packages(name: str) -> Finding:
    found, missing = _versions(HEADLESS)
    if missing:
        return Finding(name, Level.FAULT, f"missing: {', '.join(missing)}", INSTALL)
    return Finding(name, Level.OK, ", ".join(found))


def _gui(name: str) -> Finding:
    found, missing = _versions(GUI)
    if missing:
        return Finding(
            name,
            Level.NOTE,
            f"not installed: {', '.join(missing)}; only the viewer needs them",
            "For the viewer: pip install 'napari-brainseg[gui]'",
        )
    return Finding(name, Level.OK, ", ".join(found))


def _torch(name: str) -> Finding:
    from napari_brainseg.core.segmentation.engines.choice import cuda_device_count

    answer = probes.run_python(probes.TORCH_PROBE)
    if answer.returncode != 0:
        return Finding(
            name,
            Level.FAULT,
            f"cannot be imported: {probes.last_line(answer)}",
            "pip install --force-reinstall torch",
        )
    version, cuda, devices = probes.fields(answer, 3)
    found = f"torch {version}, CUDA {cuda}, GPUs: {devices}"
    if cuda_device_count() and devices == "none":
        why = "was built without CUDA" if cuda == "none" else "does not find the GPU"
        return Finding(
            name,
            Level.WARNING,
            f"{found}: there is a GPU, but torch {why}",
            "Install the CUDA build: https://pytorch.org/get-started/locally",
        )
    return Finding(name, Level.OK, found)


def _openvino(name: str) -> Finding:
    answer = probes.run_python(probes.OPENVINO_PROBE)
    if answer.returncode != 0:
        return Finding(
            name,
            Level.FAULT,
            f"cannot be used: {probes.last_line(answer)}",
            "pip install --force-reinstall openvino",
        )
    processor, devices = probes.fields(answer, 2)
    return Finding(name, Level.OK, f"{processor}; devices {devices}")


def _models(name: str) -> Finding:
    from napari_brainseg.core.segmentation.bundle import bundled_models

    models = bundled_models()
    if not models:
        return Finding(name, Level.FAULT, "no model came with the installation", INSTALL)
    findings = [check_bundle(name, bundle) for bundle in models]
    for finding in findings:
        if finding.level is Level.FAULT:
            return finding
    return Finding(name, Level.OK, "; ".join(finding.found for finding in findings))


def _screen(name: str) -> Finding:
    if sys.platform in ("win32", "darwin"):
        return Finding(name, Level.OK, sys.platform)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        if os.environ.get(variable):
            return Finding(name, Level.OK, f"{variable}={os.environ[variable]}")
    if shutil.which("Xvfb"):
        return Finding(
            name, Level.NOTE, "none; Xvfb is here, so `brainseg demo` works on a virtual screen"
        )
    return Finding(
        name,
        Level.NOTE,
        "none, and no Xvfb: the viewer cannot open here",
        "For a virtual screen: apt-get install xvfb",
    )


def _gl(name: str) -> Finding:
    if _versions(GUI)[1]:
        return Finding(name, Level.NOTE, "not checked: the viewer's packages are not installed")
    command = [sys.executable, "-P", "-c", probes.GL_PROBE]
    virtual = ""
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        runner = shutil.which("xvfb-run")
        if runner is None:
            return Finding(name, Level.NOTE, "not checked: there is no screen")
        command = [runner, "-a", *command]
        virtual = " (on a virtual screen)"
    answer = probes.run_program(command, probes.SLOW_IMPORT_S)
    if answer.returncode != 0:
        return Finding(
            name,
            Level.WARNING,
            f"no OpenGL for the viewer: {probes.last_line(answer)}",
            "Install the graphics driver; on Debian or Ubuntu: apt-get install libgl1 libegl1 "
            "libxcb-cursor0 libxkbcommon-x11-0",
        )
    version, renderer = probes.fields(answer, 2)
    if "llvmpipe" in renderer.lower() and not virtual:
        return Finding(
            name,
            Level.WARNING,
            f"OpenGL {version}, {renderer}: drawn by the processor",
            "Install the graphics card's driver for a quick viewer.",
        )
    return Finding(name, Level.OK, f"OpenGL {version}, {renderer}{virtual}")


def _storage(name: str) -> Finding:
    import platformdirs

    chosen = os.environ.get("BRAINSEG_WORKSPACE")
    place = Path(chosen or platformdirs.user_data_dir("napari-brainseg")).expanduser()
    return check_storage(name, place)


CHECKS: dict[str, Callable[[str], Finding]] = {
    "BrainSeg": _brainseg,
    "packages": _packages,
    "viewer packages": _gui,
    "machine": check_memory,
    "GPU driver": check_driver,
    "torch": _torch,
    "OpenVINO": _openvino,
    "models": _models,
    "screen": _screen,
    "OpenGL": _gl,
    "workspaces": _storage,
}
