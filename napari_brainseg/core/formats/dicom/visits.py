"""Studies that are one visit: some scanners and programs give each series a study of its own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.dicom.sequences import recognise
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.formats.dicom.headers import HeaderRecord

__all__ = ["one_visit"]


def one_visit(
    groups: Mapping[tuple[str, ...], list[HeaderRecord]],
) -> list[list[list[HeaderRecord]]]:
    """Bring studies together that share patient, day and frame of reference.

    Parameters
    ----------
    groups : mapping of tuple of str to list of HeaderRecord
        Files of each study; the keys are of the patient, then of the study.

    Returns
    -------
    list of list of list of HeaderRecord
        The studies of each visit, the one with FLAIR first. Where more than one has a FLAIR they
        may be two examinations, and stay apart.
    """
    shared: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for key, group in groups.items():
        if not any(key[:-1]):
            continue
        for day, frame in {(r.study_date, r.frame_of_reference_uid) for r in group if r.is_image}:
            if day and frame:
                shared[(*key[:-1], day, frame)].append(key)
    visit_of = {key: {key} for key in groups}
    for keys in shared.values():
        together = set().union(*(visit_of[key] for key in keys))
        for key in together:
            visit_of[key] = together
    places = {key: place for place, key in enumerate(groups)}
    visits: list[list[list[HeaderRecord]]] = []
    seen: set[tuple[str, ...]] = set()
    for key in groups:
        if key in seen:
            continue
        seen |= visit_of[key]
        parts = [groups[one] for one in sorted(visit_of[key], key=places.__getitem__)]
        flairs = [_has_flair(part) for part in parts] if len(parts) > 1 else [False]
        if sum(flairs) > 1:
            visits.extend([part] for part in parts)
        else:
            order = sorted(range(len(parts)), key=lambda n: not flairs[n])
            visits.append([parts[n] for n in order])
    return visits


def _has_flair(records: list[HeaderRecord]) -> bool:
    firsts = {record.series_uid: record for record in records if record.is_image}
    return any(recognise(record).modality is Modality.FLAIR for record in firsts.values())
