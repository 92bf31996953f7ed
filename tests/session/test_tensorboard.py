from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.session import tensorboard
from napari_brainseg.session.tensorboard import TensorBoard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAKE = """
import http.server, sys
port, folder = sys.argv[sys.argv.index("--port") + 1], sys.argv[sys.argv.index("--logdir") + 1]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(folder.encode())
    def log_message(self, *_): pass
http.server.HTTPServer((sys.argv[sys.argv.index("--host") + 1], int(port)), Answer).serve_forever()
"""


def get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as reply:
        text: str = reply.read().decode(errors="replace")
        return text


@pytest.fixture
def board(tmp_path: Path) -> Iterator[TensorBoard]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    made = TensorBoard(command=(sys.executable, str(script)))
    yield made
    made.close()


def a_run(tmp_path: Path, name: str) -> Path:
    run = tmp_path / name
    (run / "tensorboard").mkdir(parents=True)
    return run


def test_a_run_is_shown_once_and_another_one_in_its_place(
    board: TensorBoard, tmp_path: Path
) -> None:
    first, second = a_run(tmp_path, "a"), a_run(tmp_path, "b")
    url = board.open(first)
    assert url.startswith("http://127.0.0.1:")
    assert get(url) == str(first / "tensorboard")
    assert board.open(first) == url
    assert get(board.open(second)) == str(second / "tensorboard")
    board.close()
    with pytest.raises(OSError, match="refused"):
        get(url)


def test_a_run_without_figures_says_so(board: TensorBoard, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has written nothing"):
        board.open(tmp_path)


def test_one_that_does_not_start_tells_its_last_words(tmp_path: Path) -> None:
    board = TensorBoard(command=(sys.executable, "-c", "raise SystemExit('no such flag')"))
    with pytest.raises(ConfigError, match=r"exit code 1\. no such flag"):
        board.open(a_run(tmp_path, "a"))
    board.close()


def test_where_it_is_not_installed_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda _name: None)
    board = TensorBoard()
    assert not board.available
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        board.open(a_run(tmp_path, "a"))


@pytest.mark.slow
def test_the_real_one_shows_a_run_and_ends_with_a_window_that_is_killed(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    run = a_run(tmp_path, "a")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from napari_brainseg.session.tensorboard import TensorBoard\n"
        "board = TensorBoard(); print(board.open(Path(sys.argv[1])), board._process.pid,"
        " flush=True)\n"
        "time.sleep(600)\n"
    )
    window = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdout=subprocess.PIPE, text=True
    )
    assert window.stdout is not None
    url, pid = window.stdout.readline().split()
    assert "TensorBoard" in get(url)
    window.send_signal(signal.SIGKILL)
    window.wait(30)
    window.stdout.close()
    until(lambda: not psutil.pid_exists(int(pid)), timeout=30.0)
