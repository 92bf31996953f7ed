"""``brainseg mask``: masks from one format to another, and what a file of masks says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_brainseg.cli.console import faults_as_messages, out, warn
from napari_brainseg.cli.mask_formats import MaskOption  # noqa: TC001 (typer reads it)
from napari_brainseg.cli.models_shown import as_plain, print_json

if TYPE_CHECKING:
    from napari_brainseg.core.formats.masks import MaskFormat, MaskInfo, MaskMaker
    from napari_brainseg.core.imaging import Study

__all__ = ["app"]

app = typer.Typer(
    name="mask", no_args_is_help=True, help="Files of masks: convert them, look into them."
)

_NIFTI, _DICOM = (".nii", ".nii.gz"), (".dcm",)
_MaskArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MASK",
        help="A folder of TIFF masks, a NIfTI file or a DICOM segmentation.",
    ),
]


@app.command()
def convert(
    mask: _MaskArgument,
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="The patient that the mask belongs to."),
    ],
    destination: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write; a folder for TIFF slices."),
    ],
    mask_format: Annotated[
        MaskOption | None,
        typer.Option("--format", "-f", help="By default, what the ending of OUT says."),
    ] = None,
    segment: Annotated[
        str,
        typer.Option("--segment", help="DICOM: number or label of the one segment to take."),
    ] = "",
    resample: Annotated[
        bool,
        typer.Option("--resample", help="Take a mask of another grid, by the nearest voxel."),
    ] = False,
    how: Annotated[
        Literal["manual", "semiautomatic", "automatic"] | None,
        typer.Option("--made", help="How it was made; by default what the file says, or manual."),
    ] = None,
    editor: Annotated[str, typer.Option("--editor", "-e", help="Who drew it.")] = "",
    model_version: Annotated[
        str, typer.Option("--model-version", help="Model that had a part in it.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
) -> None:
    """Write a mask in another format, on the grid of the patient that it belongs to.

    The voxels stay the same; a mask on another grid is refused unless it may be resampled. DICOM
    segmentations refer to the patient's images, so STUDY must be DICOM then.

    For example:

        brainseg mask convert lesion.nii.gz export/doe lesion.dcm
        brainseg mask convert masks/TCGA_CS_4944_20010208 kaggle_3m/TCGA_CS_4944_20010208 a.nii.gz
        brainseg mask convert other.dcm export/doe slices --format tiff --segment 1
    """
    with faults_as_messages():
        from napari_brainseg.core.dataset.masks import mask_record, write_mask
        from napari_brainseg.core.formats import load_study
        from napari_brainseg.core.formats.masks import read_mask_and_info

        patient = load_study(study)
        for warning in patient.warnings:
            warn(f"{patient.patient}: {warning}")
        read, info = read_mask_and_info(mask, patient, segment=segment or None, resample=resample)
        maker = _maker(info, how, editor, model_version)
        kind = _kind(destination, mask_format)
        written = write_mask(
            _place(destination, patient, kind),
            patient,
            read,
            kind,
            maker=maker,
            overwrite=overwrite,
            record=mask_record(patient, read.data, maker, which="converted"),
        )
        voxel_ml = patient.image.geometry.voxel_volume_ml
        size = f"{read.voxels} voxels" if voxel_ml is None else f"{read.voxels * voxel_ml:.1f} ml"
        out().print(f"{patient.patient}: {size} of lesion in {written}.", markup=False)


@app.command()
def info(
    mask: _MaskArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a file of masks holds: format, size, segments and how they were made.

    Nothing is written.

    For example:

        brainseg mask info lesion.dcm
        brainseg mask info lesion.dcm --json
    """
    with faults_as_messages():
        from napari_brainseg.core.formats.masks import describe_mask

        said = describe_mask(mask)
    if as_json:
        print_json(as_plain(said) | {"format": str(said.format)})
        return
    lines = [
        f"{said.format}, {' x '.join(str(n) for n in said.shape)}",
        f"{said.lesion_voxels} voxels of lesion"
        + (" (probability of a half or more)" if "fractional" in said.format else ""),
    ]
    for each in said.segments:
        facts = [f"{each.category}: {each.type}".strip(": "), each.how.lower(), each.algorithm]
        lines.append(f"{each.number}  {each.label} ({', '.join(filter(None, facts))})")
    for line in lines:
        out().print(line, markup=False)


def _maker(info: MaskInfo, how: str | None, editor: str, model_version: str) -> MaskMaker:
    from napari_brainseg.core.formats.masks import MaskHow, MaskMaker

    known: dict[str, MaskHow] = {
        "manual": "MANUAL",
        "semiautomatic": "SEMIAUTOMATIC",
        "automatic": "AUTOMATIC",
    }
    made = {segment.how.lower() for segment in info.segments}
    said = made.pop() if len(made) == 1 else "manual"
    return MaskMaker(known[how or (said if said in known else "manual")], model_version, editor)


def _kind(destination: Path, asked: MaskOption | None) -> MaskFormat:
    from napari_brainseg.core.formats.masks import MaskFormat

    if asked is not None:
        return asked.format
    name = destination.name.lower()
    if name.endswith(_NIFTI):
        return MaskFormat.NIFTI
    return MaskFormat.DICOM_SEG if name.endswith(_DICOM) else MaskFormat.TIFF


def _place(destination: Path, study: Study, kind: MaskFormat) -> Path:
    """Name a file in a folder; a file that was named is taken as it is."""
    from napari_brainseg.core.dataset.masks import mask_file_name
    from napari_brainseg.core.formats.masks import MaskFormat

    if kind is MaskFormat.TIFF or destination.name.lower().endswith((*_NIFTI, *_DICOM)):
        return destination
    return destination / mask_file_name(study.patient, "converted", kind)
