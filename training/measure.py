"""A run's model measured on its own patients; figures and masks stay in the run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.segmentation.evaluation import evaluate_folders
from napari_brainseg.core.segmentation.mask_archive import save_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.evaluation_results import Evaluation
    from napari_brainseg.core.segmentation.inference import Prediction, Progress

__all__ = ["FOLDER", "measure"]

FOLDER = "evaluation"


def measure(
    run_dir: Path,
    bundle: Bundle,
    folders: Sequence[StudyFolder],
    part: Literal["validation", "test"],
    *,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Predict patients once; write ``evaluation/<part>_masks.npz`` and ``<part>.json``.

    The figures are written last: where they are, the masks that they belong to are too.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    bundle : Bundle
        Its model.
    folders : sequence of StudyFolder
        Patients with masks; others are listed as not measured.
    part : {'validation', 'test'}
        What the patients are to the run.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    progress : callable, optional
        Called before each patient, with its name as the stage, and once at the end.
    cancelled : callable, optional
        Asked before each patient and each batch; then nothing is written.

    Raises
    ------
    DataError
        If none of the patients could be measured, or the files cannot be written.
    ModelError
        If the model or device cannot be used.
    CancelledError
        If `cancelled` said so.
    """
    # torch numbers the one GPU of a Mac, engines do not
    device = "mps" if device.startswith("mps:") else device
    masks: dict[str, NDArray[np.generic]] = {}

    def keep(study: Study, prediction: Prediction) -> None:
        masks[study.patient] = prediction.mask

    evaluation = evaluate_folders(
        folders,
        bundle,
        device=device,
        progress=progress,
        cancelled=cancelled,
        seen=keep,
    )
    target = run_dir / FOLDER
    save_masks(target / f"{part}_masks.npz", masks)
    write_atomically(target / f"{part}.json", evaluation.to_json().encode())
    return evaluation
