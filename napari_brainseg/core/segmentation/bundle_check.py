"""What a bundle from elsewhere must keep to before anything of it is used; nothing is unpickled."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import (
    CARD,
    IR,
    IR_WEIGHTS,
    MANIFEST,
    WEIGHTS,
    file_sha256,
    load_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle, BundleManifest

__all__ = [
    "FILE_LIMITS",
    "SUMS",
    "TOTAL_LIMIT",
    "check_bundle",
    "check_sums",
    "count_values",
    "refuse_code",
]

SUMS: Final = "SHA256SUMS"
"""Hashes of all files of an export, as ``sha256sum -c`` reads them."""
_MIB: Final = 2**20
FILE_LIMITS: Final[dict[str, int]] = {
    MANIFEST: 16 * _MIB,
    WEIGHTS: 2048 * _MIB,
    IR: 128 * _MIB,
    IR_WEIGHTS: 2048 * _MIB,
    CARD: 4 * _MIB,
    SUMS: _MIB,
}
"""Files that are taken, with the most bytes of each: a hundred times what ours have."""
TOTAL_LIMIT: Final = 3072 * _MIB
CODE_SUFFIXES: Final = frozenset(
    (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".bin")
)
"""Pickles, and files that may be some: reading them can run any program."""

_HEADER_LIMIT: Final = 32 * _MIB
_MOST_TENSORS: Final = 100_000
_MOST_AXES: Final = 8
_BYTES: Final = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_MOST_FEATURES: Final = 1024
_MOST_MEMBERS: Final = 64
_PLAUSIBLE: Final[dict[str, tuple[float, float]]] = {
    "nominal_mm": (0.2, 5.0),
    "multiple": (1, 512),
    "size": (16, 1024),
}
"""Parameters of recipes that decide how large the prepared slices are."""
_VERSION: Final = re.compile(r"\w[\w.+ -]{0,150}\w", re.ASCII)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_ASK: Final = "Ask those who made it for a bundle that BrainSeg exported."
_AGAIN: Final = "Copy it again from where it comes from; do not use it as it is."


def refuse_code(name: str, place: Path) -> None:
    """Raise `ModelError` if a file of that name may be a pickle."""
    last = name.rpartition("/")[2]
    suffix = "." + last.rpartition(".")[2].lower() if "." in last else ""
    if suffix in CODE_SUFFIXES and last != IR_WEIGHTS:
        raise ModelError(
            f"{place} holds {name}, a file of Python's pickle format: reading one can run any "
            "program on this computer, so none is taken.",
            "Only weights in safetensors are taken. " + _ASK,
        )


def check_sums(folder: Path) -> None:
    """Compare the files of a folder with its `SUMS`, if there is one.

    Raises
    ------
    ModelError
        If a hash differs, or a file is missing on either side.
    """
    listing = folder / SUMS
    if not listing.is_file():
        return
    named: dict[str, str] = {}
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        named[name.rpartition("/")[2]] = digest.strip().lower()
    there = {path.name for path in folder.iterdir() if path.name != SUMS}
    if differing := sorted(there ^ named.keys()):
        raise ModelError(
            f"{SUMS} and the files of the bundle do not agree about {', '.join(differing)}.", _AGAIN
        )
    for name in sorted(there):
        if file_sha256(folder / name) != named[name]:
            raise ModelError(
                f"The file {name} was changed or damaged: its hash is not that of {SUMS}.", _AGAIN
            )


def check_bundle(folder: Path) -> Bundle:
    """Check a bundle from elsewhere: its description, every hash, and the layout of the weights.

    That the weights fit the network is found out where the network is built, in a child.

    Parameters
    ----------
    folder : Path
        Holds files of known names only, as `bundle_archive.take_in` leaves it.

    Raises
    ------
    ModelError
        With the reason, if anything is amiss.
    """
    if not (folder / MANIFEST).is_file():
        raise ModelError(f"There is no {MANIFEST}: this is no model bundle.", _ASK)
    check_sums(folder)
    bundle = load_bundle(folder, verify=False)
    manifest = bundle.manifest
    if WEIGHTS not in manifest.files:
        raise ModelError(f"{MANIFEST} gives no hash of {WEIGHTS}.", _ASK)
    bundle.verify()
    for name in (IR, IR_WEIGHTS):
        if (folder / name).is_file() and name not in manifest.files:
            raise ModelError(f"{MANIFEST} gives no hash of {name}.", _ASK)
    _check_version(manifest)
    _check_numbers(manifest)
    _check_lists(manifest)
    count_values(bundle.weights_path)
    return bundle


def count_values(path: Path) -> int:
    """Check the header of a safetensors file against its size; returns how many values it holds.

    The tensors must follow each other without a gap and end with the file, as the format asks
    (https://huggingface.co/docs/safetensors/index#format).

    Raises
    ------
    ModelError
        If it is no such file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04"):
            raise ModelError(
                f"{path.name} is a pickle under another name: reading it can run any program on "
                "this computer.",
                _ASK,
            )
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(_HEADER_LIMIT, size - 8):
            raise _no_safetensors(path, "its header has an impossible length")
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_safetensors(path, "its header cannot be read") from error
    if not isinstance(header, dict):
        raise _no_safetensors(path, "its header is no table")
    header.pop("__metadata__", None)
    if not 0 < len(header) <= _MOST_TENSORS:
        raise _no_safetensors(path, f"it holds {len(header)} tensors")
    spans, count = [], 0
    for name, tensor in header.items():
        values, span = _span(path, name, tensor)
        count += values
        spans.append(span)
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise _no_safetensors(path, "its tensors overlap or leave gaps")
        end = stop
    if end != size - 8 - length:
        raise _no_safetensors(path, f"its tensors end at byte {end} of {size - 8 - length}")
    return count


def _span(path: Path, name: str, tensor: Any) -> tuple[int, tuple[int, int]]:
    """Values of a tensor, and its bytes from and to."""
    match tensor:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            fits = dtype in _BYTES and len(shape) <= _MOST_AXES
            if fits and all(type(axis) is int and 0 <= axis < 2**40 for axis in shape):
                values = math.prod(shape)
                if 0 <= begin <= end and end - begin == values * _BYTES[dtype]:
                    return values, (begin, end)
    raise _no_safetensors(path, f"the tensor {name[:80]!r} has an impossible type, shape or place")


def _no_safetensors(path: Path, why: str) -> ModelError:
    return ModelError(f"{path.name} is not in the safetensors format: {why}.", _ASK)


def _check_version(manifest: BundleManifest) -> None:
    version = manifest.version
    for name in (version, *(() if manifest.parent is None else (manifest.parent,))):
        if not _VERSION.fullmatch(name) or ".." in name or _DEVICES.match(name):
            raise ModelError(
                f"The version {name[:200]!r} cannot be the name of a folder, so the model could "
                "land elsewhere.",
                _ASK,
            )
    if not version.startswith(f"{manifest.name}-"):
        raise ModelError(
            f"The version {version} does not begin with the name {manifest.name[:200]!r}.", _ASK
        )
    digest = manifest.files[WEIGHTS]
    if not version.endswith(f"-{digest[:8]}"):
        raise ModelError(
            f"The version {version} does not belong to these weights: their hash begins with "
            f"{digest[:8]}.",
            _ASK,
        )


def _check_numbers(manifest: BundleManifest) -> None:
    network, context = manifest.network, manifest.preprocessing.context
    for what, value, most in (
        ("features", network.features, _MOST_FEATURES),
        ("members", network.members, _MOST_MEMBERS),
        ("in_channels", network.in_channels, 64),
    ):
        if not 1 <= value <= most:
            raise ModelError(f"A network with {what}={value} is not plausible: 1 to {most}.", _ASK)
    if network.in_channels % context:
        raise ModelError(
            f"{network.in_channels} channels cannot be {context} neighbouring slices.", _ASK
        )
    for key, (least, largest) in _PLAUSIBLE.items():
        given = manifest.preprocessing.parameters.get(key, least)
        if isinstance(given, str) or not least <= given <= largest:
            raise ModelError(
                f"Preprocessing with {key}={given!r} is not plausible: {least} to {largest}.", _ASK
            )
    figures = (manifest.temperature, manifest.threshold, *manifest.metrics.values())
    if not all(math.isfinite(figure) for figure in figures):
        raise ModelError(f"{MANIFEST} has a figure that is no finite number.", _ASK)


def _check_lists(manifest: BundleManifest) -> None:
    for key in ("train_patients", "own_train_patients", "validation_patients", "replay_patients"):
        names = manifest.training.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ModelError(f"training.{key} of {MANIFEST} is no list of names.", _ASK)
    for key in ("image_sha256", "mask_sha256", "config"):
        if not isinstance(manifest.training.get(key, {}), dict):
            raise ModelError(f"training.{key} of {MANIFEST} is no table.", _ASK)
