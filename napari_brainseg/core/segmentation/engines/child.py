"""Torch in a long-lived child process: the viewer imports no torch.

GPU memory is truly free when the child ends. Volumes go through memory that both processes map.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import (
    BrainSegError,
    CancelledError,
    DataError,
    Geometry,
    Modality,
    ModelError,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.segmentation.inference import Prediction, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["TorchChild", "serve"]

POLL_S = 0.05
GRACE_S = 3.0
STDERR_TAIL = 2_000
PLAIN = "plain_mask"
"""Comes too, where the mirrored view was averaged in."""
OUTPUTS = (("probability", np.float32), ("uncertainty", np.float32), ("mask", np.uint8))
_ERRORS = {cls.__name__: cls for cls in (BrainSegError, DataError, ModelError, CancelledError)}


class TorchChild:
    """A child process that predicts with Torch; started at the first prediction.

    One prediction at a time; `predict` blocks, so call it from a worker thread.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._stderr: Any = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id while the child runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def predict(
        self,
        study: Study,
        bundle: Bundle,
        *,
        device: str = "auto",
        tta: bool = False,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Predict in the child; see `inference.predict`.

        Raises
        ------
        DataError, ModelError, CancelledError
            As there; a child that dies is a `ModelError` with the end of its log.
        """
        with self._lock, tempfile.TemporaryDirectory(dir=_shared_memory(), prefix="brainseg-") as d:
            folder = Path(d)
            image = study.image.data
            np.save(folder / "image.npy", image)
            self._send(
                {
                    "kind": "predict",
                    "folder": str(folder),
                    "bundle": str(bundle.path),
                    "device": device,
                    "tta": tta,
                    "patient": study.patient,
                    "modalities": study.image.modalities,
                    "missing": study.missing_modalities,
                    "spacing_mm": study.image.geometry.spacing_mm,
                }
            )
            answer = self._wait(progress, cancelled)
            names = [name for name, _ in OUTPUTS] + ([PLAIN] if tta else [])
            arrays = {name: np.load(folder / f"{name}.npy") for name in names}
        return Prediction(patient=study.patient, **arrays, **answer)

    def close(self) -> None:
        """End the child; its memory, the GPU's too, is free afterwards."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._stderr.close()

    def _start(self) -> subprocess.Popen[str]:
        self.close()
        self._answers = queue.Queue()
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (lives as long as the child)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_brainseg.core.segmentation.engines.child_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(
            target=_pump, args=(self._process.stdout, self._answers), name="torch-child",
            daemon=True,
        ).start()  # fmt: skip
        return self._process

    def _send(self, command: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(command) + "\n")
                process.stdin.flush()

    def _wait(
        self,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> dict[str, Any]:
        asked = False
        while True:
            if cancelled is not None and not asked and cancelled():
                asked = True
                self._send({"kind": "cancel"})
            try:
                line = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if line is None:
                raise self._death()
            answer = json.loads(line)
            kind = answer.pop("kind")
            if kind == "progress" and progress is not None:
                progress(Progress(**answer))
            elif kind == "failed":
                raise _ERRORS[answer["type"]](answer["message"], answer["hint"])
            elif kind == "done":
                answer["notes"] = tuple(answer["notes"])
                return dict(answer)

    def _death(self) -> ModelError:
        code = self._process.wait() if self._process is not None else None
        self._stderr.seek(0)
        tail = self._stderr.read()[-STDERR_TAIL:].strip()
        self.close()
        return ModelError(
            f"The prediction process ended unexpectedly (exit code {code}). {tail}".strip(),
            "Predict again; it starts anew. If it happens again, choose the device cpu.",
        )


def serve(commands: queue.Queue[dict[str, Any] | None], send: Callable[[dict[str, Any]], None],
          ) -> None:  # fmt: skip
    """Child's side: answer commands until `None` comes. Engines stay open between them."""
    from napari_brainseg.core.segmentation.bundle import load_bundle
    from napari_brainseg.core.segmentation.engines.choice import choose, open_engine
    from napari_brainseg.core.segmentation.inference import predict_with

    engines: dict[tuple[str, str], Any] = {}
    while (command := commands.get()) is not None:
        if command["kind"] != "predict":
            continue  # a cancel that came after the end
        folder = Path(command["folder"])

        def cancelled() -> bool:
            with contextlib.suppress(queue.Empty):
                later = commands.get_nowait()
                if later is None:
                    commands.put(None)
                return True
            return False

        def progress(state: Progress) -> None:
            send({"kind": "progress", **asdict(state)})

        try:
            bundle = load_bundle(Path(command["bundle"]))
            choice = choose(bundle, command["device"])
            key = (str(bundle.path), choice.device)
            if key not in engines:
                for engine in engines.values():
                    engine.close()
                engines = {key: open_engine(bundle, choice)}
            prediction = predict_with(
                engines[key],
                _study(command, np.load(folder / "image.npy", mmap_mode="r")),
                bundle,
                reason=choice.reason,
                fallback=lambda b=bundle: open_engine(b, choose(b, "cpu")),  # type: ignore[misc]
                tta=command["tta"],
                progress=progress,
                cancelled=cancelled,
            )
            for name, dtype in OUTPUTS:
                np.save(folder / f"{name}.npy", getattr(prediction, name).astype(dtype, copy=False))
            if prediction.plain_mask is not None:
                np.save(folder / f"{PLAIN}.npy", prediction.plain_mask)
            fields = ("model_version", "engine", "reason", "timings", "notes")
            send({"kind": "done", **{f: getattr(prediction, f) for f in fields}})
        except BrainSegError as error:
            name = type(error).__name__ if type(error).__name__ in _ERRORS else "BrainSegError"
            send({"kind": "failed", "type": name, "message": error.message, "hint": error.hint})


def _study(command: dict[str, Any], image: NDArray[np.generic]) -> Study:
    spacing = command["spacing_mm"]
    return Study(
        patient=command["patient"],
        image=ScalarVolume(
            image,
            tuple(Modality(m) for m in command["modalities"]),
            Geometry(spacing_mm=tuple(spacing) if spacing else None),
        ),
        missing_modalities=tuple(Modality(m) for m in command["missing"]),
    )


def _pump(source: Any, answers: queue.Queue[str | None]) -> None:
    with contextlib.suppress(ValueError):  # closed while reading
        for line in source:
            answers.put(line)
    answers.put(None)


def _shared_memory() -> str | None:
    """Name a folder in memory where there is one; else the temporary folder serves."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() else None
