"""The gate as the last stage of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, CancelledError
from napari_brainseg.core.protocol import GateMeasured, Message
from napari_brainseg.core.segmentation.gate import EVIDENCE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.fine_tuning.inner import Inner
    from training.setting import Setting
    from training.stream import EventStream, StopFlag

__all__ = ["gate_the"]


def gate_the(
    bundle: Bundle,
    setting: Setting,
    run_dir: Path,
    inner: Inner,
    events: EventStream,
    stop: StopFlag,
) -> None:
    """Measure a bundle against the version in use, and tell where the evidence lies.

    The bundle is on disk: what goes wrong here is told as an error and ends nothing. A stop ends
    the measuring alone; ``python -m training gate`` does it later.
    """
    from training.gate import measure_gate

    config = setting.config
    current = config.current or config.base
    assert current is not None
    out = run_dir / EVIDENCE_NAME
    device = str(setting.fabric.device)
    try:
        measure_gate(
            bundle.path,
            current,
            config.locked,
            config.data,
            out,
            corrections=config.corrections,
            folds_evidence=inner.evidence,
            device="mps" if device.startswith("mps:") else device,
            cancelled=lambda: bool(stop),
        )
    except CancelledError:
        events.send(Message(level="warning", text="Stopped before the gate; measure it later."))
    except (BrainSegError, OSError, ValueError) as error:
        events.send(Message(level="error", text=f"The gate was not measured: {error}"))
    else:
        events.send(GateMeasured(path=str(out)))
