from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.imaging import CancelledError, DataError, Modality, ModelError, Study
from napari_brainseg.core.segmentation.engines.child import TorchChild
from napari_brainseg.core.segmentation.inference import predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle


@pytest.fixture
def child() -> Iterator[TorchChild]:
    child = TorchChild()
    yield child
    child.close()


def test_same_answer_as_in_process_then_survives_cancel_refusal_and_kill(
    child: TorchChild, small_study: Study, tiny_bundle: Bundle
) -> None:
    here = predict(small_study, tiny_bundle, device="cpu")
    seen = []
    there = child.predict(small_study, tiny_bundle, device="cpu", progress=seen.append)
    np.testing.assert_allclose(there.probability, here.probability, atol=1e-6)
    np.testing.assert_array_equal(there.mask, here.mask)
    assert there.engine == here.engine
    assert seen[-1].done == 7
    assert there.plain_mask is None
    mirrored = child.predict(small_study, tiny_bundle, device="cpu", tta=True)
    assert mirrored.plain_mask is not None
    np.testing.assert_array_equal(mirrored.plain_mask, here.mask)
    pid = child.pid
    assert pid is not None

    with pytest.raises(CancelledError):
        child.predict(small_study, tiny_bundle, device="cpu", cancelled=lambda: True)
    blank = Study("BLANK", small_study.image, missing_modalities=(Modality.FLAIR,))
    with pytest.raises(DataError, match="BLANK has no FLAIR"):
        child.predict(blank, tiny_bundle, device="cpu")
    assert child.pid == pid, "one child serves them all"

    def kill(_: object) -> None:
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(ModelError, match="ended unexpectedly"):
        child.predict(small_study, tiny_bundle, device="cpu", tta=True, progress=kill)
    again = child.predict(small_study, tiny_bundle, device="cpu")
    np.testing.assert_array_equal(again.mask, here.mask)


def test_the_parent_imports_no_torch() -> None:
    code = (
        "import sys, napari_brainseg.core.segmentation.engines.child, "
        "napari_brainseg.core.segmentation.engines;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
