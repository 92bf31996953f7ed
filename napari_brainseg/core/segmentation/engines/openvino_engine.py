"""OpenVINO on the CPU, from the bundle's ready representation; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["OpenVinoEngine"]

BATCH = 4


class OpenVinoEngine:
    """Compiles the model once for each batch shape it meets.

    Parameters
    ----------
    bundle : Bundle
        With an intermediate representation.
    threads : int, optional
        CPU threads; all cores if left out.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        if bundle.ir_path is None:
            raise ModelError(
                f"The model {bundle.path} has no OpenVINO representation.",
                "Use the Torch engine, or publish the model again.",
            )
        self._core = quiet_openvino().Core()
        self._path = bundle.ir_path
        self._config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # left alone OpenVINO takes bf16 where the CPU has it: half the time, but outlines then
            # move by some voxels with the CPU, 0.005 DSC in the patient that was looked at
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads is not None:
            self._config["INFERENCE_NUM_THREADS"] = threads
        self._compiled: dict[tuple[int, ...], Any] = {}
        self.device = "cpu"
        self.description = "OpenVINO on CPU"

    def logits(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, Y', X') of slices (B, C, Y', X')."""
        request = self._request(slices.shape)
        request.infer({0: slices}, share_inputs=True)
        out: NDArray[np.float32] = request.get_output_tensor(0).data[:, 0].copy()
        return out

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        """Four slices: more gain nothing on a CPU and make cancelling slower."""
        del slice_shape
        return BATCH

    def close(self) -> None:
        """Drop the compiled models."""
        self._compiled.clear()

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            model = self._core.read_model(self._path)
            model.reshape(list(shape))
            compiled = self._core.compile_model(model, "CPU", self._config)
            self._compiled[shape] = compiled.create_infer_request()
        return self._compiled[shape]
