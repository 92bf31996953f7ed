"""A trainer that speaks the protocol and learns nothing; the run's name says what it does."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path


def main() -> int:
    arguments = sys.argv[1:]
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
    run_dir = Path(arguments[arguments.index("--run-dir") + 1])
    resumed = "--resume" in arguments
    name = config["name"]
    stopped = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        stopped.set()

    def send(kind: str, **fields: object) -> None:
        line = json.dumps({"kind": kind, "time": time.time(), **fields})
        with (run_dir / "events.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    threading.Thread(target=listen, daemon=True).start()
    send(
        "run-started", run_id=run_dir.name, run_dir=str(run_dir), device="cpu", precision="fp32",
        epochs=config["epochs"], steps_per_epoch=2, train_patients=config["train_patients"] or [],
        validation_patients=config["validation_patients"] or [], parent_validation_dsc=0.7,
    )  # fmt: skip
    send("step", epoch=1, step=1, steps_per_epoch=2, loss=0.6, samples_per_second=9.0,
         remaining_s=12.0, cpu_percent=180.0, memory_mb=1536.0)  # fmt: skip
    checkpoint = run_dir / "checkpoints" / "last.pt"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_text("weights")
    if not resumed and name == "crashes":
        print("Segmentation fault in a library", file=sys.stderr, flush=True)
        return 3
    if not resumed and name == "waits":
        stopped.wait(60)
        send("run-finished", reason="cancelled", message="Stopped in epoch 1.")
        return 130
    send(
        "epoch", epoch=1, epochs=config["epochs"], train_loss=0.5, train_dsc=0.8,
        validation_loss=0.4, validation_dsc=0.85, learning_rate=1e-3, seconds=1.0, remaining_s=1.0,
        best_epoch=1, best_validation_dsc=0.85,
    )  # fmt: skip
    dsc = float(os.environ.get("FAKE_TRAINER_DSC", "0.85"))
    bundle = os.environ["FAKE_TRAINER_BUNDLE"]
    version = json.loads(Path(bundle, "model.json").read_text())["version"]
    send("bundle", path=bundle, version=version, validation_dsc=dsc, parent_validation_dsc=0.7)
    send("run-finished", reason="completed", bundle=bundle)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
