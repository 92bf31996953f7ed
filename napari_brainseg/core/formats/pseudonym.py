"""Names that stand for patients: the same person always gets the same, and none can be read back.

A keyed hash (RFC 2104): without the key nobody can try out a hospital's patient numbers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from functools import lru_cache
from pathlib import Path

import platformdirs

from napari_brainseg.core.imaging import DataError

__all__ = ["KEY_VARIABLE", "keyed_digest", "pseudonym"]

KEY_VARIABLE = "BRAINSEG_PSEUDONYM_KEY"
"""Overrides the key, so that the computers of a department give the same names."""

_KEY_BYTES = 32
_DIGITS = 10


def pseudonym(patient_id: str, issuer: str = "") -> str:
    """Name a patient, e.g. ``PT-3f9a0c12be``.

    Parameters
    ----------
    patient_id : str
        PatientID.
    issuer : str
        IssuerOfPatientID: two hospitals may use one number for two people.

    Raises
    ------
    DataError
        If the user's key can neither be read nor made.
    """
    return f"PT-{keyed_digest(f'{issuer}|{patient_id}')[:_DIGITS]}"


def keyed_digest(text: str) -> str:
    """HMAC-SHA256 of a text under the user's key, in hexadecimal.

    Raises
    ------
    DataError
        If the key can neither be read nor made.
    """
    return hmac.new(_key(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _key() -> bytes:
    # A blank one would give names that anyone can try out.
    if (said := os.environ.get(KEY_VARIABLE)) and said.strip():
        return said.encode("utf-8", "surrogateescape")
    folder = Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False))
    return _kept_key(folder / "pseudonym.key")


@lru_cache(maxsize=8)
def _kept_key(path: Path) -> bytes:
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The key of patients' names cannot be kept in {path}: {error.strerror or error}.",
            f"Make the folder writable, or set {KEY_VARIABLE}.",
        ) from error
    if len(key) < _KEY_BYTES:
        raise DataError(
            f"The key of patients' names in {path} is damaged: {len(key)} of {_KEY_BYTES} bytes.",
            "Restore it from a backup; without it, patients of DICOM files get other names.",
        )
    return key


def _make(path: Path) -> None:
    """Write a key, whole or not at all; one that came first stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file for the user alone (mode 0600).
    handle, name = tempfile.mkstemp(prefix=".pseudonym.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass
        except OSError:
            # A file system without hard links.
            if not path.exists():
                scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
