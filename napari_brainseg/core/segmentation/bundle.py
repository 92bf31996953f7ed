"""A model bundle: a folder with weights, description and card; immutable once written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_brainseg import __version__
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.postprocessing import Postprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Bundle",
    "BundleManifest",
    "NetworkSpec",
    "PreprocessingSpec",
    "bundled_models",
    "file_sha256",
    "load_bundle",
    "save_bundle",
]

MANIFEST = "model.json"
WEIGHTS = "weights.safetensors"
CARD = "MODEL_CARD.md"
IR = "model.xml"
IR_WEIGHTS = "model.bin"
DEFAULT_MODEL = "default"
SCHEMA_VERSION = 1
"""Of ``model.json``; a bundle of a later one is refused."""
HASHED = frozenset((WEIGHTS, IR, IR_WEIGHTS))
"""Files that ``model.json`` may name: all lie in the bundle's folder itself."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Strict):
    """Which network, and how wide."""

    name: str = "unet"
    in_channels: int = 3
    features: int = 16
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Those of `build_network`, such as ``{"norm": "instance"}``."""
    members: int = Field(default=1, ge=1)
    """Networks like this whose logits are averaged; see `Ensemble`."""


class PreprocessingSpec(_Strict):
    """Which recipe, with its parameters; and how many neighbouring slices go in together."""

    recipe: str = "native"
    parameters: dict[str, bool | float | int | str] = Field(default_factory=dict)
    context: Literal[1, 3, 5] = 1
    """Slices the network sees at once, the middle one being segmented; see `with_context`."""


class BundleManifest(_Strict):
    """What ``model.json`` holds."""

    schema_version: int = SCHEMA_VERSION
    name: str
    version: str
    """Unique: name, date and the first digits of the weights' hash."""
    created: str
    """UTC, ISO 8601."""
    software: str = f"napari-brainseg {__version__}"
    network: NetworkSpec = NetworkSpec()
    preprocessing: PreprocessingSpec = PreprocessingSpec()
    temperature: float = Field(default=1.0, gt=0)
    """Logits are divided by this before the sigmoid."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    postprocessing: Postprocessing = Postprocessing()
    metrics: dict[str, float] = Field(default_factory=dict)
    """E.g. ``validation_dsc``: mean DSC, native grid, of the run's own validation patients."""
    parent: str | None = None
    """Version that a fine-tuning run started from."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Patients, configuration and hashes of the run."""
    files: dict[str, str] = Field(default_factory=dict)
    """File name to SHA-256."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model on disk.

    Parameters
    ----------
    path : Path
        Its folder.
    manifest : BundleManifest
        What ``model.json`` says.
    """

    path: Path
    manifest: BundleManifest

    @property
    def name(self) -> str:
        """Name shown to users."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Unique version."""
        return self.manifest.version

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.path / WEIGHTS

    @property
    def ir_path(self) -> Path | None:
        """OpenVINO's intermediate representation, ``None`` if the bundle has none."""
        path = self.path / IR
        return path if path.is_file() else None

    @cached_property
    def train_patients(self) -> tuple[str, ...]:
        """Patients whose images this model, or one it descends from, was trained on."""
        return tuple(self.manifest.training.get("train_patients", ()))

    def verify(self) -> None:
        """Compare every file with its recorded hash.

        Raises
        ------
        ModelError
            If a file is missing or was changed.
        """
        for name, digest in self.manifest.files.items():
            if name not in HASHED:
                raise ModelError(
                    f"The model {self.path} names the file {name!r}, which no bundle has.",
                    "Do not use it; ask those who made it for a bundle that BrainSeg exported.",
                )
            path = self.path / name
            if not path.is_file():
                raise ModelError(
                    f"The model {self.path} lacks {name}.", "Install or copy the bundle again."
                )
            if file_sha256(path) != digest:
                raise ModelError(
                    f"The model file {path} was changed or damaged: its hash differs.",
                    "Install or copy the bundle again.",
                )


def bundled_models() -> tuple[Bundle, ...]:
    """Models that ship with the package; the default one first."""
    root = Path(str(files("napari_brainseg.models")))
    found = [load_bundle(p.parent, verify=False) for p in sorted(root.glob(f"*/{MANIFEST}"))]
    return tuple(sorted(found, key=lambda b: (b.path.name != DEFAULT_MODEL, b.path.name)))


def load_bundle(source: Path | str, *, verify: bool = True) -> Bundle:
    """Open a bundle by folder, or a bundled model by folder name or version.

    Parameters
    ----------
    source : Path or str
        Folder, or a name such as ``default``.
    verify : bool
        Check the hashes of all files.

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged.
    """
    path = Path(source)
    if not (path / MANIFEST).is_file():
        matches = () if path.is_absolute() else bundled_models()
        for bundle in matches:
            if str(source) in (bundle.path.name, bundle.version):
                return load_bundle(bundle.path, verify=verify)
        known = ", ".join(b.path.name for b in matches) or "none"
        raise ModelError(
            f"There is no model '{source}': no folder with a {MANIFEST}.",
            f"Give the folder of a bundle, or one of the bundled models: {known}.",
        )
    bundle = Bundle(path.resolve(), _read_manifest(path / MANIFEST))
    if verify:
        bundle.verify()
    return bundle


def save_bundle(
    destination: Path,
    weights: Mapping[str, NDArray[np.generic]],
    *,
    name: str,
    card: str = "",
    write_ir: Callable[[Path], None] | None = None,
    **fields: Any,
) -> Bundle:
    """Write a bundle as a whole: a temporary folder beside it, then one rename.

    Parameters
    ----------
    destination : Path
        Folder to make; it must not exist.
    weights : mapping of str to ndarray
        State dict; floating-point tensors are stored as fp16.
    name : str
        Name shown to users; the version is made from it.
    card : str
        Text of the model card (Markdown).
    write_ir : callable, optional
        Called with the path of ``model.xml`` to write OpenVINO's representation there.
    **fields
        Further fields of `BundleManifest`.

    Raises
    ------
    ModelError
        If `destination` exists: bundles are immutable.
    """
    import numpy as np
    from safetensors.numpy import save_file

    if destination.exists():
        raise ModelError(
            f"{destination} exists already; a model is never overwritten.", "Choose another name."
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".bundle-", dir=destination.parent))
    try:
        half = {
            key: np.ascontiguousarray(
                value.astype(np.float16) if np.issubdtype(value.dtype, np.floating) else value
            )
            for key, value in weights.items()
        }
        save_file(half, staging / WEIGHTS)
        if write_ir is not None:
            write_ir(staging / IR)
        now = datetime.now(UTC)
        digest = file_sha256(staging / WEIGHTS)
        version = f"{name}-{now:%Y%m%d}-{digest[:8]}"
        if card:
            (staging / CARD).write_text(card.replace("{version}", version), encoding="utf-8")
        manifest = BundleManifest(
            name=name,
            version=version,
            created=now.isoformat(timespec="seconds"),
            files={p.name: file_sha256(p) for p in sorted(staging.iterdir()) if p.name != CARD},
            **fields,
        )
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (staging / MANIFEST).write_text(text + "\n", encoding="utf-8")
        for path in staging.iterdir():
            path.chmod(0o644)  # safetensors and mkdtemp write for the owner alone
            with path.open("rb") as file:
                os.fsync(file.fileno())
        staging.chmod(0o755)
        staging.replace(destination)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return Bundle(destination.resolve(), manifest)


def _read_manifest(path: Path) -> BundleManifest:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        schema = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(schema, int) and schema > SCHEMA_VERSION:
            raise ModelError(
                f"The model {path.parent} has format {schema}; this version of BrainSeg knows "
                f"{SCHEMA_VERSION}.",
                "Update napari-brainseg, or ask for the model in the older format.",
            )
        return BundleManifest.model_validate_json(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"The model description {path} cannot be read: {error}.",
            "Install or copy the bundle again.",
        ) from error


def file_sha256(path: Path) -> str:
    """Hash the bytes of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
