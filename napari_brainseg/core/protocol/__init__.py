"""The words that plugin and trainer exchange."""

from napari_brainseg.core.protocol.commands import Stop
from napari_brainseg.core.protocol.config import RunConfig, load_config, parse_config
from napari_brainseg.core.protocol.events import (
    BundleSaved,
    CheckpointSaved,
    EpochFinished,
    Event,
    FinishReason,
    Message,
    RunFinished,
    RunStarted,
    StepFinished,
    parse_event,
)

__all__ = [
    "BundleSaved",
    "CheckpointSaved",
    "EpochFinished",
    "Event",
    "FinishReason",
    "Message",
    "RunConfig",
    "RunFinished",
    "RunStarted",
    "StepFinished",
    "Stop",
    "load_config",
    "parse_config",
    "parse_event",
]
