"""Nothing calls out: neither while predicting nor while a model is published."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import multiprocessing, socket, sys, threading
from pathlib import Path

log = Path({log!r})

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
        with log.open("a") as file:  # children forked from here write to it too
            file.write(f"{{event}} {{arguments}}\\n")
        raise OSError(f"{{event}} is forbidden here")

sys.addaudithook(note)
{body}
threads = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
for thread in threads:
    thread.join(2)
assert "openvino" in sys.modules
"""
PREDICT = """
import numpy as np
from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

ov = quiet_openvino()
value = ov.opset13.parameter([1, 3, 4, 4], np.float32)
compiled = ov.Core().compile_model(ov.Model([ov.opset13.relu(value)], [value], "m"), "CPU")
assert compiled(np.full((1, 3, 4, 4), -1, np.float32))[0].max() == 0
"""
PUBLISH = """
import torch
from napari_brainseg.core.segmentation.engines.ir import write_ir

write_ir(torch.nn.Conv2d(3, 1, 3), Path({target!r}))
assert Path({target!r}).is_file()
"""


@pytest.mark.parametrize("job", ["predict", pytest.param("publish", marks=pytest.mark.slow)])
def test_openvino_opens_no_connection_and_leaves_no_client_id(job: str, tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "connections.txt"
    home.mkdir()
    body = PREDICT if job == "predict" else PUBLISH.format(target=str(tmp_path / "model.xml"))
    # openvino-telemetry keeps silent in CI by itself; what counts is what happens elsewhere
    quiet_anyway = ("CI", "TF_BUILD", "JENKINS_URL")
    env = {k: v for k, v in os.environ.items() if k not in quiet_anyway}
    env |= {"HOME": str(home), "LOCALAPPDATA": str(home)}

    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(log=str(log), body=body)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert not log.exists(), log.read_text()
    assert list(home.rglob("*openvino*")) == []
