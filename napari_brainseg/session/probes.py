"""What can only be asked in child processes: a broken library may abort the one that asks."""

from __future__ import annotations

import subprocess
import sys

__all__ = [
    "GL_PROBE",
    "OPENVINO_PROBE",
    "SLOW_IMPORT_S",
    "TORCH_PROBE",
    "fields",
    "last_line",
    "run_program",
    "run_python",
]

SLOW_IMPORT_S = 120
TORCH_PROBE = """
import torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(torch.__version__, torch.version.cuda or "none", "; ".join(names) or "none", sep="|")
"""
OPENVINO_PROBE = """
from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino
core = quiet_openvino().Core()
print(core.get_property("CPU", "FULL_DEVICE_NAME"), ", ".join(core.available_devices), sep="|")
"""
# A context of its own, off screen: no window appears.
GL_PROBE = """
from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
app = QGuiApplication([])
surface, context = QOffscreenSurface(), QOpenGLContext()
surface.create()
assert context.create() and context.makeCurrent(surface), "no OpenGL context"
from OpenGL import GL
text = [GL.glGetString(n) for n in (GL.GL_VERSION, GL.GL_RENDERER)]
print(*(t.decode() for t in text), sep="|")
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a child: a broken library may abort it, and torch takes seconds to import."""
    return run_program([sys.executable, "-P", "-c", code], SLOW_IMPORT_S)


def run_program(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program; one that is not there or does not answer in time failed with exit code 1."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {seconds:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def fields(answer: subprocess.CompletedProcess[str], count: int) -> list[str]:
    """Split the last line of a probe's answer; libraries may chat before it."""
    lines = answer.stdout.strip().splitlines()
    fields = lines[-1].split("|") if lines else []
    return (fields + ["unknown"] * count)[:count]


def last_line(answer: subprocess.CompletedProcess[str]) -> str:
    """Give a failed program's last words."""
    lines = answer.stderr.strip().splitlines() or answer.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.returncode}"
