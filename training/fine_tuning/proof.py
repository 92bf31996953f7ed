"""The gate as the last stage of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, CancelledError
from napari_brainseg.core.protocol import GateMeasured, Message
from napari_brainseg.core.segmentation.gate import EVIDENCE_NAME
from training.fine_tuning.evidence import EVIDENCE, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.setting import Setting
    from training.stream import EventStream, StopFlag

__all__ = ["gate_the"]


def gate_the(
    bundle: Bundle,
    setting: Setting,
    run_dir: Path,
    events: EventStream,
    stop: StopFlag,
) -> None:
    """Measure a bundle against the version in use, and tell where the evidence lies.

    What goes wrong here is told as an error and ends nothing: the bundle is on disk, and
    ``python -m training gate`` can measure it later.

    Raises
    ------
    CancelledError
        If `stop` said so; a run that is resumed begins the gate anew.
    """
    from training.gate import measure_gate

    config = setting.config
    current = config.current or config.base
    assert current is not None
    out = run_dir / EVIDENCE_NAME
    evidence = run_dir / FOLDER / EVIDENCE
    device = str(setting.fabric.device)
    try:
        measure_gate(
            bundle.path,
            current,
            config.locked,
            config.data,
            out,
            corrections=config.corrections,
            folds_evidence=evidence if evidence.is_file() else None,
            device="mps" if device.startswith("mps:") else device,
            cancelled=lambda: bool(stop),
        )
    except CancelledError as error:
        raise CancelledError(
            "Stopped at the gate; the new model is trained.",
            "The run can be resumed: only the gate is measured again.",
        ) from error
    except (BrainSegError, OSError, ValueError) as error:
        events.send(Message(level="error", text=f"The gate was not measured: {error}"))
    else:
        events.send(GateMeasured(path=str(out)))
