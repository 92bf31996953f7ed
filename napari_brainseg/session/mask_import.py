"""A mask from a file as one action of a case's correction, which undo takes back.

`load_mask` reads, in any thread; `LoadedMask.apply` paints, on the thread that paints.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats.masks import MaskInfo, read_mask_and_info
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.series_choices import hold_series
from napari_brainseg.session.write_right import TakenOverError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.stroke import Stroke

__all__ = ["IMPORT", "LoadedMask", "import_mask", "load_mask"]

IMPORT = "import"
"""Id of the tool in the history."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedMask:
    """A mask that was read for a case, and the correction that it goes into.

    Parameters
    ----------
    case : Case
        Whose.
    correction : Correction
        The case's, which may have begun with it.
    mask : ndarray of uint8, shape (Z, Y, X)
        0 and 1.
    recorded : mapping
        What the history keeps with the action: format, content hash, how it was made. No names.
    """

    case: Case
    correction: Correction
    mask: NDArray[np.uint8]
    recorded: Mapping[str, object]

    def edit(self) -> Edit | None:
        """Return what would change now, `None` where nothing would; milliseconds."""
        from napari_brainseg.core.editing import Edit

        return Edit.between(self.correction.data, self.mask)

    def apply(
        self, make: Callable[[Edit, str, Mapping[str, object]], Stroke | None] | None = None
    ) -> Stroke | None:
        """Make the correction hold the mask, as one action; on the thread that paints.

        Parameters
        ----------
        make : callable, optional
            Makes the change, e.g. one that draws it at once; `Correction.apply` if left out.

        Returns
        -------
        Stroke or None
            `None` where the correction holds the mask already.

        Raises
        ------
        TakenOverError
            If another window corrects the case.
        DataError
            If the correction was set aside meanwhile, or it could not be saved; see
            `Correction.apply`.
        """
        _require_right(self.case)
        if self.case.correction is not self.correction:
            raise DataError(
                f"The correction of {self.case.patient} that the mask was for is no longer open.",
                "Load the mask again.",
            )
        edit = self.edit()
        if edit is None:
            return None
        apply = self.correction.apply if make is None else make
        return apply(edit, IMPORT, dict(self.recorded))


def load_mask(
    case: Case,
    path: Path | str,
    editor: str,
    *,
    segment: int | str | None = None,
    resample: bool = False,
) -> LoadedMask:
    """Read a mask for a case; its correction begins from an empty mask if there is none.

    Parameters
    ----------
    case : Case
        Open.
    path : Path or str
        Folder of TIFF masks, NIfTI file or DICOM segmentation.
    editor : str
        Who loads it.
    segment, resample
        As for `core.formats.masks.read_mask`.

    Raises
    ------
    TakenOverError
        If another window corrects the case.
    DataError
        If the mask cannot be read or does not lie on the grid of the case, or nobody is named.
    """
    _require_right(case)
    mask, info = read_mask_and_info(path, case.study, segment=segment, resample=resample)
    recorded = _recorded(info, mask.data, resample)
    correction = case.correction
    if correction is None:
        correction = case.start_correction("empty", editor)
        hold_series(case.study)
    elif editor.strip():
        correction.editor = editor.strip()
    return LoadedMask(case, correction, mask.data, MappingProxyType(recorded))


def import_mask(
    desk_or_case: Desk | Case,
    path: Path | str,
    editor: str | None = None,
    *,
    segment: int | str | None = None,
    resample: bool = False,
) -> Stroke | None:
    """Load a mask from a file into the correction, as one action; on the thread that paints.

    Parameters
    ----------
    desk_or_case : Desk or Case
        The open case.
    path, segment, resample
        As for `load_mask`.
    editor : str, optional
        Who loads it; the desk's editor if left out.

    Returns
    -------
    Stroke or None
        `None` where nothing changed.

    Raises
    ------
    TakenOverError, DataError
        As `load_mask` and `LoadedMask.apply`, and if no case is open.
    """
    from napari_brainseg.session.case import Case

    if isinstance(desk_or_case, Case):
        case, name = desk_or_case, editor
    else:
        opened = desk_or_case.case
        if opened is None:
            raise DataError("No patient is open.", "Open a patient's folder first.")
        case, name = opened, editor or desk_or_case.editor
    return load_mask(case, path, name or "", segment=segment, resample=resample).apply()


def _require_right(case: Case) -> None:
    reason = case.read_only
    if reason is not None:
        raise TakenOverError(f"{reason}.", "Take the case over to load a mask into it.")


def _recorded(info: MaskInfo, mask: NDArray[np.uint8], resample: bool) -> dict[str, object]:
    from napari_brainseg.core.dataset.hashing import sha256_of_arrays

    facts: dict[str, object] = {
        "format": info.format.value,
        "voxels": int(np.count_nonzero(mask)),
        "mask_sha256": sha256_of_arrays(mask),
    }
    if info.segments:
        facts["made"] = ", ".join(sorted({s.how.lower() for s in info.segments if s.how}))
        facts["segments"] = len(info.segments)
    if resample:
        facts["resampled"] = True
    return facts
