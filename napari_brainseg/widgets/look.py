"""How our widgets look in napari's themes: one filled button, quiet hints, red for faults only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import get_theme

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["ACCENT", "BETTER", "WORSE", "set_role", "stylesheet", "text_colour"]

ACCENT = "#3B5BDB"
"""Fill of the next act; no mask has this colour."""
BETTER = "#009E73"
"""Sign of a gate that was passed (Okabe-Ito, bluish green)."""
WORSE = "#D55E00"
"""Sign of a gate that was failed (Okabe-Ito, vermilion); not red, for it is no fault."""
_FAULT = "#E03131"
_NOTICE = "#E69F00"


def stylesheet(theme_id: str) -> str:
    """Style sheet of the dock in a napari theme."""
    theme = get_theme(theme_id)
    text, line, ground = (
        theme.text.as_hex(),
        theme.primary.as_hex(),
        theme.background.as_hex(),
    )
    dark = sum(theme.background.as_rgb_tuple()[:3]) < 3 * 128
    quiet = "#a9afb9" if dark else "#55585f"
    soft = theme.foreground.as_hex()
    return f"""
    QLabel {{ font-size: 9pt; }}
    QLabel[role="title"] {{ font-size: 10pt; font-weight: 600; color: {text}; }}
    QLabel[role="hint"] {{ color: {quiet}; }}
    QLabel[role="figure"] {{ font-size: 10pt; font-weight: 600; color: {text}; }}
    QLabel[role="column"] {{ color: {quiet}; padding: 0px; }}
    QLabel[role="cell"] {{ font-weight: 600; color: {text}; padding: 0px; }}
    QLabel[role="cell"]:disabled {{ font-weight: 400; color: {quiet}; }}
    QLabel[role="notice"] {{ border-left: 3px solid {_NOTICE}; padding-left: 6px; }}
    QFrame[role="fault"] {{ border-left: 3px solid {_FAULT}; background: {soft}; }}
    QFrame[role="note"] {{ border-left: 3px solid {_NOTICE}; background: {soft}; }}
    QFrame[role="panel"] {{ border: 0px; border-bottom: 1px solid {line}; }}
    QPushButton, QToolButton {{
        background: transparent; border: 1px solid {line}; border-radius: 3px;
        padding: 4px 8px; font-size: 9pt; color: {text};
    }}
    QPushButton:hover, QToolButton:hover {{ background: {line}; }}
    QToolButton {{ padding: 3px 2px; }}
    QToolButton:checked {{ border: 1px solid {text}; background: {line}; }}
    QPushButton:disabled, QToolButton:disabled {{ color: {quiet}; border-color: {soft}; }}
    QPushButton[next="true"] {{
        background: {ACCENT}; color: white; border: 1px solid {ACCENT}; font-weight: 600;
    }}
    QPushButton[next="true"]:hover {{ background: #4C6EF5; }}
    QPushButton[next="true"]:disabled {{
        background: transparent; color: {quiet}; border-color: {soft};
    }}
    QToolButton[role="menu"] {{ padding: 3px 16px 3px 6px; }}
    QToolButton[role="menu"]::menu-indicator {{
        subcontrol-origin: padding; subcontrol-position: right center; right: 3px;
    }}
    QToolButton[role="fold"], QToolButton[role="fold"]:checked {{
        border: 0px; padding: 2px 0px; color: {quiet}; background: transparent;
    }}
    QTabBar::tab {{ padding: 5px 9px; min-height: 16px; font-size: 9pt; }}
    QProgressBar {{ min-height: 18px; max-height: 18px; }}
    QProgressBar::chunk {{ background: {ACCENT}; width: 1px; }}
    QProgressBar[role="thin"] {{ min-height: 4px; max-height: 4px; border: 0px; }}
    QScrollArea, QScrollArea > QWidget > QWidget {{ background: {ground}; border: 0px; }}
    QTreeWidget {{ background: {ground}; border: 1px solid {line}; font-size: 9pt; }}
    QTableView[role="compact"] {{
        background: {ground}; border: 1px solid {line}; font-size: 9pt;
    }}
    QTableView[role="compact"] QHeaderView::section {{ font-size: 9pt; }}
    QHeaderView::section {{ background: {soft}; color: {text}; border: 0px; padding: 3px; }}
    QPlainTextEdit {{ font-family: monospace; font-size: 8pt; background: {soft}; }}
    QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit, QCheckBox, QRadioButton {{ font-size: 9pt; }}
    QToolButton[role="health"] {{
        border: 0px; padding: 3px 7px; text-align: left; color: {quiet}; font-size: 8pt;
    }}
    QToolButton[role="health"][attention="true"] {{
        border-left: 3px solid {_NOTICE}; color: {text};
    }}
    QFrame[role="popup"] {{ background: {soft}; border: 1px solid {line}; }}
    QFrame[role="verdict"] {{ border-left: 3px solid {quiet}; background: {soft}; }}
    QFrame[role="verdict"][outcome="passed"] {{ border-left: 3px solid {BETTER}; }}
    QFrame[role="verdict"][outcome="failed"] {{ border-left: 3px solid {WORSE}; }}
    QWidget[role="plain"] {{ background: transparent; }}
    QLabel[role="sign"] {{ font-weight: 600; color: {quiet}; }}
    QLabel[role="sign"][outcome="passed"] {{ color: {BETTER}; }}
    QLabel[role="sign"][outcome="failed"] {{ color: {WORSE}; }}
    QRadioButton:disabled, QCheckBox:disabled {{ color: {quiet}; }}
    """


def text_colour(theme_id: str) -> str:
    """Colour of text in a napari theme, for what style sheets do not reach."""
    return str(get_theme(theme_id).text.as_hex())


def set_role(widget: QWidget, role: str) -> None:
    """Mark a widget for the style sheet."""
    widget.setProperty("role", role)
