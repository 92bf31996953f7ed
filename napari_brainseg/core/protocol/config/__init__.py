"""The typed configuration of a run, one topic a file."""

from napari_brainseg.core.protocol.config.presets import PROTOCOLS
from napari_brainseg.core.protocol.config.reading import load_config, parse_config
from napari_brainseg.core.protocol.config.run import RunConfig

__all__ = ["PROTOCOLS", "RunConfig", "load_config", "parse_config"]
