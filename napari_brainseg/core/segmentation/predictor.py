"""One engine for many studies, in this process: for command lines and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.segmentation.engines import choose, open_engine
from napari_brainseg.core.segmentation.inference import predict_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines import Engine
    from napari_brainseg.core.segmentation.inference import Prediction, Progress

__all__ = ["Predictor"]


class Predictor:
    """An open engine; a context manager.

    Where a GPU's memory does not even hold one slice, this and all further studies are predicted
    on the CPU.

    Parameters
    ----------
    bundle : Bundle
        The model.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    ModelError
        If the model or device cannot be used.
    """

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        self.bundle = bundle
        choice = choose(bundle, device)
        self._reason = choice.reason
        self._engine = open_engine(bundle, choice)

    @property
    def engine(self) -> str:
        """For users, e.g. ``OpenVINO on CPU``."""
        return self._engine.description

    @property
    def reason(self) -> str:
        """Why this engine."""
        return self._reason

    def predict(
        self,
        study: Study,
        *,
        tta: bool = False,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Segment a study; see `inference.predict`."""
        return predict_with(
            self._engine,
            study,
            self.bundle,
            reason=self._reason,
            fallback=self._fall_back,
            tta=tta,
            progress=progress,
            cancelled=cancelled,
        )

    def close(self) -> None:
        """Give back the device's memory."""
        self._engine.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fall_back(self) -> Engine:
        choice = choose(self.bundle, "cpu")
        self._engine = open_engine(self.bundle, choice)
        self._reason = "the GPU's memory did not hold one slice"
        return self._engine
