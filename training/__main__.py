"""Command line of the trainer."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import traceback
from pathlib import Path

from napari_brainseg.core.imaging import BrainSegError, CancelledError, ConfigError
from napari_brainseg.core.protocol import (
    Detach,
    FinishReason,
    RunConfig,
    RunFinished,
    load_config,
    parse_config,
)
from napari_brainseg.core.protocol.run_folder import (
    BUNDLE,
    CHECKPOINT,
    CONFIG,
    RUNNING,
    can_resume,
    is_complete,
)
from napari_brainseg.core.protocol.stdio import claim_stdout
from training.allocator import keep_freed_memory
from training.cores import spin_shortly
from training.deadline import leaving_in_time
from training.faults import finished_by
from training.flags import add_fields, given_fields
from training.stream import EventStream, StopFlag, is_first_process, world_size
from training.terminal import TerminalView
from training.turn import turn

__all__ = ["main"]

EXIT_CODES = {FinishReason.COMPLETED: 0, FinishReason.FAILED: 1, FinishReason.CANCELLED: 130}
COMMANDS = {
    "evaluate": ("training.evaluate", "measure a run's model"),
    "cross-validate": (
        "training.experiments.cross_validate",
        "train and measure every fold of a k-fold split",
    ),
    "experiments": ("training.experiments.command", "run a suite of attempts, resumable"),
    "report": ("training.report.command", "write one page, tables and pictures about runs"),
    "networks": ("training.networks", "list networks with parameters, FLOPs and memory"),
    "postprocess": (
        "training.postprocess.command",
        "choose threshold and cleaning on validation patients",
    ),
    "calibrate": (
        "training.calibrate.command",
        "choose temperature, threshold and cleaning on what a cross-validation held out",
    ),
    "robustness": (
        "training.robustness.command",
        "measure what missing modalities, other pixels, noise and the like do to masks",
    ),
    "export": (
        "training.export.command",
        "write a bundle as state dict, ONNX or OpenVINO, checked",
    ),
    "ensemble": ("training.ensemble", "average models, such as those of all folds, in one bundle"),
    "fidelity": (
        "training.fidelity",
        "measure what fp16 weights and the engines of a CPU cost in DSC",
    ),
    "gate": ("training.gate.command", "measure a candidate against the version in use"),
    "measure-step": (
        "training.measure_step",
        "time a few steps and say how long a run would take",
    ),
    "card": ("training.card.command", "rewrite a model card from what was measured"),
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
stdin or the end of stdin write a checkpoint and end the run; --detached ignores stdin. Commands
may also be added to commands.jsonl in the run folder. Runs with --queue, as the viewer starts them,
train one after another on a machine; others start at once.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 failed, 2 usage, 130 stopped."""
    spin_shortly()
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments[0] if arguments else "").parse_args(arguments)
    if options.command in COMMANDS:
        module = importlib.import_module(COMMANDS[options.command][0])
        code: int = module.main(options)
        return code
    return _train(options)


def _train(options: argparse.Namespace) -> int:
    first = is_first_process()
    terminal = sys.stdout.isatty()
    stream = EventStream(
        claim_stdout() if first and not terminal else None,
        show=TerminalView().show if first and terminal else None,
    )
    finished = RunFinished(reason=FinishReason.FAILED, message="The run ended without a reason.")
    stop, run_dir, config = StopFlag(), _run_dir(options), None
    try:
        config = _resolved(_config(options))
        if first:
            _claim_folder(config, run_dir, resume=options.resume)
            stream.open_log(run_dir)
        alone = options.detached or not first or sys.stdin.isatty()
        if options.detached:
            stop.obey(Detach())
        with contextlib.ExitStack() as stack:
            stack.enter_context(stop.listening(stdin=not alone, run_dir=run_dir if first else None))
            if options.queue and first:
                stack.enter_context(turn(run_dir, stream, stop))
            if first and world_size() == 1:
                stack.enter_context(leaving_in_time(stop, lambda: _leave(run_dir, stream)))
            keep_freed_memory()
            from training.loop import run  # takes seconds, in which a stop may come

            stop.check()
            finished = run(config, run_dir, stream, stop, resume=options.resume)
    except CancelledError as error:
        finished = _cancelled(run_dir, error.message)
    except BrainSegError as error:
        finished = RunFinished(reason=FinishReason.FAILED, message=error.message, hint=error.hint)
    except Exception as error:  # noqa: BLE001 (the parent must learn of any failure)
        traceback.print_exc()
        finished = finished_by(error, config)
    stream.finish(finished)
    stream.close()
    if finished.reason is FinishReason.FAILED:
        sys.stderr.write(f"{finished.message} {finished.hint}\n".replace(" \n", "\n"))
    return EXIT_CODES[finished.reason]


def _cancelled(run_dir: Path, message: str) -> RunFinished:
    hint = "The run can be resumed from its checkpoint." if can_resume(run_dir) else ""
    return RunFinished(reason=FinishReason.CANCELLED, message=message, hint=hint)


def _leave(run_dir: Path, stream: EventStream) -> None:
    """End at once; resuming repeats what came after the last checkpoint."""
    stream.finish(_cancelled(run_dir, "The run was stopped."))
    os._exit(EXIT_CODES[FinishReason.CANCELLED])


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
        command.add_argument(
            "--queue", action="store_true", help="wait for other runs with this flag to end first"
        )
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


def _resolved(config: RunConfig) -> RunConfig:
    """Paths made absolute: a run may be resumed from another folder."""
    paths = {
        key: value.expanduser().resolve()
        for key in ("corrections", "base", "encoder_weights", "cache", "current", "locked")
        if isinstance(value := getattr(config, key), Path)
    }
    data = tuple(p.expanduser().resolve() for p in config.data)
    return config.model_copy(update={**paths, "data": data})


def _claim_folder(config: RunConfig, run_dir: Path, *, resume: bool) -> None:
    """Make the run folder; refuse to overwrite a run, or to resume it differently."""
    stored, bundle = run_dir / CONFIG, run_dir / BUNDLE
    if resume and bundle.exists() and not is_complete(run_dir):
        shutil.rmtree(bundle)  # it was cut off after publishing: the checkpoint gives the same
    if bundle.exists():
        raise ConfigError(
            f"The run in {run_dir} is complete; it is never overwritten.", "Choose another folder."
        )
    if stored.is_file() and not resume and (run_dir / CHECKPOINT).is_file():
        raise ConfigError(
            f"{run_dir} holds a run already.", "Add --resume, or choose another folder."
        )
    if resume and stored.is_file():
        before = load_config(stored)
        changed = [
            key
            for key in RunConfig.model_fields
            if key not in RUNNING and getattr(before, key) != getattr(config, key)
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


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # a reader thread may sit in read(0); leaving at once is what it needs
    os._exit(code)
