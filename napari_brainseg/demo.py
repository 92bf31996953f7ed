"""``make demo``: the whole job on phantom patients, with or without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from napari_brainseg.core.imaging import ConfigError

__all__ = ["has_screen", "main"]

OUTPUT = Path("demo-output")
SIZE = (1600, 1000)


def main(output: Path = OUTPUT) -> int:
    """Open the viewer on a phantom study; without a screen, do the job on a virtual one.

    Parameters
    ----------
    output : Path
        Folder for screenshots and the report page of a run without a screen.

    Returns
    -------
    int
        Exit code: 0, or 1 if a step of the run without a screen failed.

    Raises
    ------
    ConfigError
        If there is no screen and none can be made.
    """
    if has_screen():
        return _for_a_person()
    return _by_itself(output)


def has_screen() -> bool:
    """Tell whether a window can be shown to somebody."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _for_a_person() -> int:
    import napari

    from napari_brainseg.viewer.launch import open_window

    open_window(phantoms=True, size=SIZE)
    napari.run()
    return 0


def _by_itself(output: Path) -> int:
    # napari's settings of this user stay as they are, and do not change what the demo shows
    os.environ["NAPARI_CONFIG"] = ""
    if shutil.which("Xvfb") is None:
        raise ConfigError(
            "There is no screen, and Xvfb, which makes a virtual one, is not installed.",
            "Install it (Debian, Ubuntu: apt-get install xvfb), or run on a machine with a screen.",
        )
    from pyvirtualdisplay import Display

    output.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(
        "No screen here: for some minutes the demo drives the window on a virtual one; pictures go "
        f"to {output}.\n"
    )
    with (
        tempfile.TemporaryDirectory(prefix="brainseg-demo-") as scratch,
        Display(visible=False, size=SIZE, backend="xvfb"),
    ):
        # In a process of its own: Qt must not see its screen go before it has ended.
        line = [sys.executable, "-P", "-m", "napari_brainseg.demo", scratch, str(output.resolve())]
        # The phantom's pseudonym is not to be remembered among those of this user's patients.
        apart = {**os.environ, "XDG_DATA_HOME": scratch}
        return subprocess.run(line, check=False, env=apart).returncode


if __name__ == "__main__":
    from napari_brainseg.widgets.tour import Tour

    sys.exit(Tour(Path(sys.argv[1]), Path(sys.argv[2]), SIZE).run())
