"""Threads of a step sleep soon while they wait; what the user set stays."""

from __future__ import annotations

import os
import subprocess
import sys


def waits(**given: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    code = (
        "import os, sys\n"
        "from training.__main__ import main\n"
        "assert 'torch' not in sys.modules, 'OpenMP has read its settings already'\n"
        "main(['networks', '--help'])"
    )
    code = code.replace("main([", "import contextlib\nwith contextlib.suppress(SystemExit): main([")
    code += "\nsys.stderr.write(os.environ.get('GOMP_SPINCOUNT', 'as it comes'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=env | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr


def test_every_command_of_the_trainer_spins_shortly() -> None:
    assert waits().endswith("20000")


def test_what_the_user_set_stays() -> None:
    assert waits(GOMP_SPINCOUNT="7").endswith("7")
    assert waits(OMP_WAIT_POLICY="ACTIVE").endswith("as it comes")
