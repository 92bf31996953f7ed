from __future__ import annotations

import subprocess
import sys
import textwrap

HEAVY = ("torch", "monai", "lightning", "napari", "qtpy", "PyQt5", "openvino", "training")


def test_the_desk_brings_neither_torch_nor_qt_nor_napari() -> None:
    code = textwrap.dedent(f"""
        import pkgutil, sys, importlib
        import napari_brainseg.session as room
        importlib.import_module("napari_brainseg.session.desk")
        late = [m for m in ("sqlalchemy", "scipy") if m in sys.modules]
        for module in pkgutil.iter_modules(room.__path__):
            importlib.import_module("napari_brainseg.session." + module.name)
        print(",".join(late), "|", ",".join(m for m in {HEAVY} if m in sys.modules))
    """)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    late, _, heavy = done.stdout.strip().partition("|")
    assert heavy.strip() == ""
    assert late.strip() == "", "the desk must open before the database library is loaded"
