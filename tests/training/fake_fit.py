"""A trainer of two epochs that learns nothing; the run's name says what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def main() -> int:
    arguments = sys.argv[1:]
    folder = Path(arguments[arguments.index("--run-dir") + 1])
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
    resumed, name = "--resume" in arguments, folder.name
    stopped = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        stopped.set()

    def send(kind: str, **fields: object) -> None:
        with (folder / "events.jsonl").open("a") as log:
            log.write(json.dumps({"kind": kind, "time": time.time(), **fields}) + "\n")

    def epoch(number: int) -> None:
        send(
            "epoch", epoch=number, epochs=2, train_loss=0.5, train_dsc=0.8, validation_loss=0.4,
            validation_dsc=0.8 + number / 100, learning_rate=1e-3, seconds=1.0,
            remaining_s=60.0 * (2 - number), best_epoch=number,
            best_validation_dsc=0.8 + number / 100,
        )  # fmt: skip

    threading.Thread(target=listen, daemon=True).start()
    with (folder / "starts.txt").open("a") as starts:
        starts.write(" ".join([arguments[0], *arguments[5:]]) + "\n")
    send(
        "run-started", run_id=name, run_dir=str(folder), device="cpu", precision="32-true",
        epochs=2, steps_per_epoch=1, first_epoch=1 + resumed, train_patients=[],
        validation_patients=[],
    )  # fmt: skip
    sys.stderr.write(f"this is {name}, {config['threads']} threads\n")
    sys.stderr.flush()
    if not resumed:
        epoch(1)
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / "last.pt").write_text("weights")
    if name.startswith("fails") and not resumed:
        sys.stderr.write("a long traceback\n")
        send("run-finished", reason="failed", message="The loss became nan.", hint="Lower it.")
        return 1
    if name.startswith("killed"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("deaf") and not resumed:
        time.sleep(60)
    if name.startswith("waits") and not resumed and stopped.wait(60):
        send("run-finished", reason="cancelled", message="Stopped in epoch 2.")
        return 130
    epoch(2)
    (folder / "bundle").mkdir()
    send("run-finished", reason="completed", bundle=str(folder / "bundle"))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
