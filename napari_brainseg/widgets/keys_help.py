"""The keys, at a glance."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import QCoreApplication

from napari_brainseg.viewer.case_view import HIDE_KEY
from napari_brainseg.viewer.modes import LAYERS_KEY

__all__ = ["keys_help"]


def keys_help() -> str:
    """Return a table of the keys as rich text."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("KeysHelp", text)

    rows = (
        ("← →", tr("previous and next slice")),
        (tr("{key} held").format(key=HIDE_KEY), tr("hide all outlines")),
        (tr("2 or P"), tr("brush")),
        (tr("1 or E"), tr("eraser")),
        (tr("4 or F"), tr("fill")),
        (tr("6, or Space held"), tr("move and zoom")),
        ("[ ]", tr("smaller and larger brush")),
        ("Ctrl+Z", tr("take the last stroke back, on whatever slice")),
        ("Ctrl+Shift+Z", tr("do it again")),
        (LAYERS_KEY, tr("napari's layer list and controls")),
    )
    cells = "".join(
        f"<tr><td><b>{escape(key)}</b>&nbsp;&nbsp;</td><td>{escape(does)}</td></tr>"
        for key, does in rows
    )
    return f"<table cellpadding='2'>{cells}</table>"
