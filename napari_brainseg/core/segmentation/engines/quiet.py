"""Imports OpenVINO so that nothing calls out."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["quiet_openvino"]


def quiet_openvino() -> Any:
    """Import ``openvino`` without its telemetry.

    The package openvino-telemetry, which OpenVINO brings along, counts every model conversion with
    a web service unless a file in the home folder forbids it; no environment variable does. While
    its import fails, OpenVINO uses its own stub, which sends nothing.

    Returns
    -------
    module
        ``openvino``.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
