"""Phantom studies: synthetic patients in the manner of kaggle_3m, free of anybody's data.

A head ellipsoid with folded cortex, ventricles and deep grey matter, in three contrasts, with
lesions that are bright on FLAIR. Every patient follows from (seed, index) alone.
"""

from __future__ import annotations

from napari_brainseg.core.dataset.phantom.study import phantom_study, write_phantoms

__all__ = ["phantom_study", "write_phantoms"]
