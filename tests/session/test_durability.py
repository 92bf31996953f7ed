from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.imaging import Study
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAINTER = textwrap.dedent("""
    import sys
    import numpy as np
    from napari_brainseg.core.imaging import ScalarVolume, Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue

    study = Study("P", ScalarVolume(np.load(sys.argv[2])))
    case = Case(study, Catalogue(sys.argv[1]))
    correction = case.start_correction("empty", "Ada")
    for number in range(correction.meter.strokes, 10_000):
        correction.data.flat[number] = 1
        correction.commit()
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
""")


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_viewer_loses_at_most_the_stroke_under_the_cursor(
    tmp_path: Path, make_study: Callable[..., Study]
) -> None:
    image = make_study(shape=(8, 64, 64)).image
    np.save(tmp_path / "image.npy", image.data)
    path = tmp_path / "catalogue.sqlite"
    told = 0
    for _ in range(3):  # killed, started again, killed again
        painter = subprocess.Popen(
            [sys.executable, "-c", PAINTER, str(path), str(tmp_path / "image.npy")],
            stdout=subprocess.PIPE,
        )
        assert painter.stdout is not None
        for _ in range(7):
            told = int(painter.stdout.readline()) + 1
        painter.send_signal(signal.SIGKILL)  # in the middle of some later stroke
        rest = painter.stdout.read().split()
        told = int(rest[-1]) + 1 if rest else told
        painter.wait()
        painter.stdout.close()

    catalogue = Catalogue(path)
    correction = Case(Study("P", image), catalogue).correction
    assert correction is not None
    kept = correction.meter.strokes
    assert kept in (told, told + 1)  # one may have been saved but not told of any more
    expected = np.zeros(correction.shape, np.uint8)
    expected.flat[:kept] = 1
    np.testing.assert_array_equal(correction.data, expected)
    correction.undo()
    assert correction.data.sum() == kept - 1
    catalogue.close()
