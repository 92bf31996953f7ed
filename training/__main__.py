"""Command line of the trainer."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import (
    EpochFinished,
    Event,
    FinishReason,
    Message,
    RunConfig,
    RunFinished,
    RunStarted,
    StepFinished,
    load_config,
    parse_config,
)
from napari_brainseg.core.protocol.stdio import claim_stdout
from training.flags import add_fields, given_fields
from training.stream import EventStream, StopFlag

__all__ = ["main"]

EXIT_CODES = {FinishReason.COMPLETED: 0, FinishReason.FAILED: 1, FinishReason.CANCELLED: 130}
COMMANDS = {
    "evaluate": ("training.evaluate", "measure a run's model"),
    "cross-validate": ("training.cross_validate", "train and measure every fold of a k-fold split"),
    "experiments": ("training.experiments", "run a suite of attempts, resumable"),
    "report": ("training.report", "write one page, tables and pictures about runs"),
    "networks": ("training.networks", "list networks with parameters, FLOPs and memory"),
    "postprocess": ("training.postprocess", "choose threshold and cleaning on validation patients"),
    "export": ("training.export", "write a bundle as state dict, ONNX or OpenVINO, checked"),
    "import": ("training.import_checkpoint", "make a bundle of a published checkpoint"),
}
"""Command to (module with `add_arguments` and `main`, help)."""
DESCRIPTION = """\
Train segmentation networks for BrainSeg.

  python -m training fit --data kaggle_3m --run-dir runs/first --epochs 20
  python -m training fine-tune --base default --data kaggle_3m --corrections training_set \\
      --run-dir runs/second --epochs 5
  python -m training fit --config run.toml --run-dir runs/third --resume
  python -m training evaluate runs/first --data kaggle_3m --json result.json
  python -m training import unet.pt --out models/published
  python -m training cross-validate --data kaggle_3m --run-dir runs/folds --folds 5
  python -m training experiments training/suites/smoke.toml --out runs/smoke
  python -m training report runs/smoke --out report
  python -m training networks

Events go to stdout as JSON lines (to a terminal: as text). SIGTERM, Ctrl-C, {"kind": "stop"} on
stdin or the end of stdin write a checkpoint and end the run; --detached ignores stdin.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 failed, 2 usage, 130 stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments[0] if arguments else "").parse_args(arguments)
    if options.command in COMMANDS:
        module = importlib.import_module(COMMANDS[options.command][0])
        code: int = module.main(options)
        return code
    return _train(options)


def _train(options: argparse.Namespace) -> int:
    terminal = sys.stdout.isatty()
    stream = EventStream(None if terminal else claim_stdout())
    finished = RunFinished(reason=FinishReason.FAILED, message="The run ended without a reason.")
    stop = StopFlag()
    try:
        config, run_dir = _config(options), _run_dir(options)
        config = _ready_folder(config, run_dir, resume=options.resume)
        stream.open_log(run_dir)
        if terminal:
            stream.send = _print_to(stream.send)  # type: ignore[method-assign]
        from training.loop import run

        with stop.listening(stdin=not (options.detached or sys.stdin.isatty())):
            finished = run(config, run_dir, stream, stop, resume=options.resume)
    except BrainSegError as error:
        finished = RunFinished(reason=FinishReason.FAILED, message=error.message, hint=error.hint)
    except Exception as error:  # noqa: BLE001 (the parent must learn of any failure)
        traceback.print_exc()
        finished = RunFinished(
            reason=FinishReason.FAILED,
            message=f"{type(error).__name__}: {error}",
            hint="The run's log (stderr.log) holds the details.",
        )
    stream.send(finished)
    stream.close()
    if finished.reason is FinishReason.FAILED:
        sys.stderr.write(f"{finished.message} {finished.hint}\n".replace(" \n", "\n"))
    return EXIT_CODES[finished.reason]


def _parser(invoked: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("fit", "train from random weights"),
        ("fine-tune", "train on from a model bundle (--base)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, help="TOML or JSON; flags win over it")
        command.add_argument("--run-dir", type=Path, required=True, help="folder of the run")
        command.add_argument("--resume", action="store_true", help="go on from its checkpoint")
        command.add_argument("--detached", action="store_true", help="ignore stdin")
        add_fields(command)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == invoked:  # the others need not be imported
            importlib.import_module(module).add_arguments(command)
    return parser


def _config(options: argparse.Namespace) -> RunConfig:
    flags = given_fields(options)
    if "base" in flags:
        from napari_brainseg.core.segmentation.bundle import load_bundle

        flags["base"] = load_bundle(flags["base"]).path
    stored = options.run_dir / "config.json"
    if options.config is not None:
        config = load_config(options.config, **flags)
    elif options.resume and stored.is_file():
        config = load_config(stored, **flags)
    else:
        config = parse_config(flags)
    if (options.command == "fine-tune") != (config.base is not None):
        raise ConfigError(
            "Fine-tuning needs a base model, and only fine-tuning takes one.",
            "Use fine-tune with --base BUNDLE, or fit without.",
        )
    return config


def _run_dir(options: argparse.Namespace) -> Path:
    return Path(options.run_dir).expanduser().resolve()


def _ready_folder(config: RunConfig, run_dir: Path, *, resume: bool) -> RunConfig:
    """Make the run folder; refuse to overwrite a run, or to resume it differently."""
    stored = run_dir / "config.json"
    if (run_dir / "bundle").exists():
        raise ConfigError(
            f"The run in {run_dir} is complete; it is never overwritten.", "Choose another folder."
        )
    if stored.is_file() and not resume and (run_dir / "checkpoints").exists():
        raise ConfigError(
            f"{run_dir} holds a run already.", "Add --resume, or choose another folder."
        )
    config = config.model_copy(
        update={
            "data": tuple(p.expanduser().resolve() for p in config.data),
            "corrections": config.corrections and config.corrections.expanduser().resolve(),
            "base": config.base and config.base.expanduser().resolve(),
        }
    )
    if resume and stored.is_file():
        before = load_config(stored)
        running = {"device", "threads", "precision", "compile"}
        changed = [
            key
            for key in RunConfig.model_fields
            if key not in running and getattr(before, key) != getattr(config, key)
        ]
        if changed:
            raise ConfigError(
                f"The run in {run_dir} was started with other values of {', '.join(changed)}.",
                "Resume it as it was, or start a new run.",
            )
    run_dir.mkdir(parents=True, exist_ok=True)
    partial = stored.with_suffix(".partial")
    partial.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(stored)
    return config


def _print_to(send: Any) -> Any:
    """Also show events as lines of text, for a person at a terminal."""
    last = 0.0

    def both(event: Event) -> None:
        nonlocal last
        send(event)
        text = ""
        if isinstance(event, Message):
            text = event.text
        elif isinstance(event, RunStarted):
            text = (
                f"{len(event.train_patients)} patients to train on, "
                f"{len(event.validation_patients)} to validate with; {event.device}, "
                f"{event.precision}"
            )
        elif isinstance(event, StepFinished):
            if time.monotonic() - last < 2:
                return
            last = time.monotonic()
            text = (
                f"epoch {event.epoch} step {event.step}/{event.steps_per_epoch}  loss "
                f"{event.loss:.4f}  {event.samples_per_second:.1f} slices/s  "
                f"{event.remaining_s / 60:.1f} min left"
            )
        elif isinstance(event, EpochFinished):
            validation = "" if event.validation_dsc is None else f"{event.validation_dsc:.4f}"
            text = (
                f"epoch {event.epoch}/{event.epochs}  loss {event.train_loss:.4f}  "
                f"DSC {event.train_dsc:.4f}  validation {validation}"
            )
        elif isinstance(event, RunFinished):
            text = f"{event.reason}: {event.bundle or event.message} {event.hint}"
        if text:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    return both


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # a reader thread may sit in read(0); leaving at once is what it needs
    os._exit(code)
