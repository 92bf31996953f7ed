"""The command line: ``brainseg predict | evaluate | phantom | run | demo | effort | ...``.

Exit codes: 0 done, 1 a fault (message and hint on stderr), 2 wrong usage, 130 stopped.
"""

from __future__ import annotations

from napari_brainseg.cli.app import app

__all__ = ["app"]
