"""What a DICOM header says of the patient and the scanner, in words for the window."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.dicom.files import number, text

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["attributes_of", "identity_of", "person_name"]

_SEXES = {"M": "male", "F": "female", "O": "other"}
_UNITS = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}


def attributes_of(dataset: Dataset) -> dict[str, str]:
    """Give what does not say who the patient is: label to text; nothing that is empty."""
    maker, model = text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName")
    field = number(dataset, "MagneticFieldStrength")
    return _filled(
        {
            "Age": _age(text(dataset, "PatientAge")),
            "Sex": _SEXES.get(text(dataset, "PatientSex").upper(), ""),
            "Study date": _date(text(dataset, "StudyDate")),
            "Study": text(dataset, "StudyDescription"),
            "Scanner": f"{maker} {model}".strip(),
            "Field strength": "" if field is None else f"{_tesla(field):.3g} T",
        }
    )


def identity_of(dataset: Dataset) -> dict[str, str]:
    """Give who the patient is: label to text, for the window only."""
    return _filled(
        {
            "Name": person_name(text(dataset, "PatientName")),
            "Patient ID": text(dataset, "PatientID"),
            "Birth date": _date(text(dataset, "PatientBirthDate")),
            "Accession number": text(dataset, "AccessionNumber"),
            "Institution": text(dataset, "InstitutionName"),
        }
    )


def _filled(texts: dict[str, str]) -> dict[str, str]:
    return {label: value for label, value in texts.items() if value}


def _age(value: str) -> str:
    match = re.fullmatch(r"0*([0-9]{1,3})([YMWD])", value)
    return f"{match[1]} {_UNITS[match[2]]}" if match else ""


def _date(value: str) -> str:
    match = re.fullmatch(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})", value)
    return f"{match[1]}-{match[2]}-{match[3]}" if match else value


def person_name(value: str) -> str:
    """Family name first, as PS3.5, 6.2, PN orders it; the first of its spellings that there is."""
    spellings = [spelling for spelling in value.split("=") if spelling.strip("^ ")]
    family, *others = (spellings or [""])[0].split("^")
    given = " ".join(part for part in others[:2] if part)
    return f"{family}, {given}" if family and given else family or given


def _tesla(field: float) -> float:
    """Give tesla: some scanners write gauss."""
    return field / 1e4 if field > 100 else field
