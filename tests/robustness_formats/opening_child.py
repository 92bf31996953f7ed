"""Opens files as the program does, one a line on standard input; tells on standard output.

Started by `opening.py` with ``-W error``: a warning that would reach a user's terminal, perhaps
with a value of the file in it, counts as a fault. Limits memory to 1 GB over what the program
itself takes; watches for anything that runs, connects or writes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

GIGABYTE = 1 << 30
FORBIDDEN = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "pty.spawn", "socket.connect", "socket.getaddrinfo", "pickle.find_class",
    "os.startfile", "webbrowser.open",
)  # fmt: skip

seen: list[str] = []
writable = tuple(str(Path(p).resolve()) for p in sys.argv[1].split(os.pathsep))


def watch(event: str, arguments: tuple) -> None:
    """Note what no reading of an image may do."""
    if event in FORBIDDEN:
        seen.append(f"{event} {arguments!r}"[:200])
    elif event == "open" and isinstance(arguments[0], str) and arguments[0] != os.devnull:
        mode, flags = arguments[1], arguments[2]
        writes = (
            any(sign in mode for sign in "wax+")
            if isinstance(mode, str)
            else bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        )
        if writes and not str(Path(arguments[0]).absolute()).startswith(writable):
            seen.append(f"write {arguments[0]!r}"[:200])


def data_bytes() -> int:
    """Private memory that counts for RLIMIT_DATA."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmData")


def ran_out(error: BaseException | None) -> bool:
    """Whether memory ran out anywhere in a chain of errors."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def open_all(path: Path) -> tuple[int, list[str]]:
    """Discover and load everything; how many patients opened, and what was refused."""
    from napari_brainseg.core.formats import discover, load_study
    from napari_brainseg.core.imaging import BrainSegError

    refused: list[str] = []
    opened = 0

    def refuse(error: BrainSegError) -> None:
        if ran_out(error):
            raise MemoryError(f"more than 1 GB was asked for: {error}")
        refused.append(str(error))

    try:
        found = discover(path)
    except BrainSegError as error:
        refuse(error)
        return 0, refused
    for fault in found.faults:
        refuse(fault.error)
    for folder in found.folders:
        try:
            load_study(folder, workers=1)
            opened += 1
        except BrainSegError as error:
            refuse(error)
    return opened, refused


def answer(path: Path) -> dict[str, object]:
    """Open one path and tell how it went."""
    seen.clear()
    start = time.process_time()
    try:
        opened, refused = open_all(path)
        reply = {"opened": opened, "refused": refused}
    except BaseException:  # noqa: BLE001 (that is what the test is after)
        reply = {"broken": traceback.format_exc()}
    return {**reply, "cpu_s": time.process_time() - start, "did": list(seen)}


def main() -> None:
    """Warm up with a sound file each, take the limit, then answer."""
    warm = json.loads(sys.stdin.readline())
    for path in warm:
        reply = answer(Path(path))
        assert "broken" not in reply, reply
    limit = data_bytes() + GIGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(watch)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(Path(json.loads(line)))), flush=True)


main()
