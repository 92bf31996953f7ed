from __future__ import annotations

import json
import subprocess
import sys

import pytest

from training.allocator import keep_freed_memory

# page faults of ten times 64 MiB taken, filled and freed, once the heap has grown to what it needs;
# in a process of its own, because the setting stays
JOB = """
import json, resource, sys
import torch
from training.allocator import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == "keep" else False
def fill():
    torch.ones(2**24)
for _ in range(30):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(json.dumps([done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


def faults(mode: str) -> tuple[bool, int]:
    run = subprocess.run([sys.executable, "-c", JOB, mode], capture_output=True, check=True)
    done, count = json.loads(run.stdout)
    return done, count


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of the GNU C library")
def test_memory_once_taken_is_taken_again_without_page_faults() -> None:
    done, kept = faults("keep")
    if not done:
        pytest.skip("another C library")
    assert kept < faults("leave")[1] / 4


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_freed_memory()
