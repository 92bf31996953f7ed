"""A trainer that speaks the protocol and learns nothing; the run's name says what it does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

FIRST_EPOCH_FILE = "checkpoints/last.pt"


def send(folder: Path, kind: str, **fields: object) -> None:
    line = json.dumps({"kind": kind, "time": time.time(), **fields})
    with (folder / "events.jsonl").open("a") as log:
        log.write(line + "\n")
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def main() -> int:
    arguments = sys.argv[1:]
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
    run_dir = Path(arguments[arguments.index("--run-dir") + 1])
    resumed = "--resume" in arguments
    name = config["name"]
    stopped = threading.Event()
    told: list[str] = []

    def obey(line: str) -> None:
        kind = json.loads(line)["kind"]
        told.append(kind)
        with (run_dir / "told.txt").open("a") as heard:
            heard.write(line.strip() + "\n")
        if kind == "stop":
            stopped.set()
        if kind == "pause":
            send(run_dir, "paused", why="asked")
        if kind == "continue" and json.loads(line).get("what") != "prediction":
            send(run_dir, "resumed")

    def listen() -> None:
        for line in sys.stdin:
            obey(line)
        if "detach" not in told:
            stopped.set()

    def follow() -> None:
        path, seen = run_dir / "commands.jsonl", 0
        seen = len(path.read_text().splitlines()) if path.is_file() else 0
        while True:
            lines = path.read_text().splitlines() if path.is_file() else []
            for line in lines[seen:]:
                obey(line)
            seen = len(lines)
            time.sleep(0.02)

    for job in (listen, follow):
        threading.Thread(target=job, daemon=True).start()
    sys.stderr.write(f"fake trainer {name}, nice {os.nice(0) if os.name == 'posix' else 0}\n")
    sys.stderr.flush()
    send(
        run_dir, "run-started", run_id=run_dir.name, run_dir=str(run_dir), device="cpu",
        precision="32-true", epochs=2, steps_per_epoch=1, first_epoch=int(resumed),
        train_patients=config["train_patients"] or [],
        validation_patients=config["validation_patients"] or [],
    )  # fmt: skip
    checkpoint = run_dir / FIRST_EPOCH_FILE
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_text("weights")
    send(run_dir, "checkpoint", epoch=1, path=str(checkpoint))
    if name == "waits" and not resumed:
        stopped.wait(60)
        send(run_dir, "run-finished", reason="cancelled", message="Stopped in epoch 1.")
        return 130
    if name == "until-told":
        while not stopped.is_set() and "continue" not in told:
            time.sleep(0.02)
        if stopped.is_set():
            send(run_dir, "run-finished", reason="cancelled", message="Stopped in epoch 1.")
            return 130
    if name == "crashes" and not resumed:
        sys.stderr.write("Segmentation fault in a library\n")
        return 3
    if name == "leaves-a-worker":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        return 4
    if name == "fails":
        sys.stderr.write("a long traceback\n")
        send(run_dir, "run-finished", reason="failed", message="The loss became nan.",
             hint="Lower the learning rate.")  # fmt: skip
        return 1
    if name == "babbles":
        sys.stdout.write("Downloading things...\n")
        sys.stdout.flush()
    send(
        run_dir, "epoch", epoch=1, epochs=2, train_loss=0.5, train_dsc=0.8, validation_loss=0.4,
        validation_dsc=0.85, learning_rate=1e-3, seconds=1.0, remaining_s=1.0,
    )  # fmt: skip
    bundle = os.environ.get("FAKE_TRAINER_BUNDLE")
    if bundle:
        send(run_dir, "bundle", path=bundle, version=Path(bundle).name, validation_dsc=0.85,
             parent_validation_dsc=0.75)  # fmt: skip
    evidence = os.environ.get("FAKE_TRAINER_GATE")
    if evidence:
        (run_dir / "gate.json").write_text(Path(evidence).read_text())
    send(run_dir, "run-finished", reason="completed", bundle=bundle)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
