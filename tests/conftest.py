"""What every test gets: few threads, nothing of the user's own settings and data, no leftovers."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything imports numpy, torch or Qt: they read these once.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "2")
os.environ.setdefault("QT_API", "pyqt5")
os.environ["NAPARI_CONFIG"] = ""

import hypothesis  # noqa: E402
import psutil  # noqa: E402
import pytest  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOME = tempfile.TemporaryDirectory(prefix="brainseg-tests-", ignore_cleanup_errors=True)
# Fixtures of a wider scope than one test run before `isolated_user_folders`.
os.environ["XDG_CONFIG_HOME"] = str(Path(_HOME.name, "config"))
os.environ["XDG_DATA_HOME"] = str(Path(_HOME.name, "data"))
os.environ["XDG_CACHE_HOME"] = str(Path(_HOME.name, "cache"))
for _name in ("BRAINSEG_WORKSPACE", "BRAINSEG_SERIES_CHOICES", "BRAINSEG_PSEUDONYM_KEY"):
    os.environ.pop(_name, None)

# A shell that starts the tests in the background has them ignore Ctrl-C, and their children too.
if (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two noisy cores: a deadline for each example only finds out how noisy.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

SHARED = Path(__file__).resolve().parents[2] / "shared"
GRACE_S = 5.0
"""How long threads and children of a test may take to end after it."""
LONGEST_FILES = ("test_demo.py", "test_run.py", "test_ddp.py", "test_effect_review_window.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end one process would wait for it in vain."""
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)


@pytest.fixture(autouse=True)
def isolated_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    """Keep each test's default workspaces to itself."""
    home = tmp_path_factory.mktemp("user", numbered=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.delenv("BRAINSEG_WORKSPACE", raising=False)
    if sys.platform == "darwin":
        monkeypatch.setenv("HOME", str(home))
    elif sys.platform == "win32":
        monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(home))


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of real patients in kaggle_3m layout, original bytes.

    Taken from ``BRAINSEG_DATA``, by default ``../shared/data``: a folder ``kaggle_3m``, or the
    two patients of ``kaggle_3m_sample.zip``.
    """
    source = Path(os.environ.get("BRAINSEG_DATA") or SHARED / "data")
    archive = source / "kaggle_3m_sample.zip"
    if archive.is_file():
        root = tmp_path_factory.mktemp("real")
        with zipfile.ZipFile(archive) as file:
            file.extractall(root)
        return root / "kaggle_3m"
    for folder in (source / "kaggle_3m", source):
        if any(folder.glob("TCGA_*_*/*.tif")):
            return folder
    pytest.skip(f"no real patients in {source}: set BRAINSEG_DATA to a folder that has them")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a child process or a thread which keeps Python from ending.

    Fixtures of a wider scope are set up before this one, so what they start was there before.
    """
    me = psutil.Process()
    children = {child.pid for child in me.children()}
    threads = set(threading.enumerate())
    yield
    end = time.monotonic() + GRACE_S
    while True:
        left = [c for c in me.children() if c.pid not in children and not _is_helper(c)]
        alive = [t for t in threading.enumerate() if t not in threads and not _may_stay(t)]
        if not (left or alive):
            return
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    names = [" ".join(child.cmdline()) for child in left]
    for child in left:
        child.kill()
    pytest.fail(f"left behind: children {names}, threads {[t.name for t in alive]}")


def _is_helper(child: psutil.Process) -> bool:
    """Tell multiprocessing's own helpers, which live as long as the parent, and ended children."""
    try:
        if child.status() == psutil.STATUS_ZOMBIE:
            return True
        line = " ".join(child.cmdline())
    except psutil.Error:
        return True
    return any(word in line for word in ("resource_tracker", "forkserver", "Xvfb"))


def _may_stay(thread: threading.Thread) -> bool:
    return thread.daemon or not thread.is_alive()
