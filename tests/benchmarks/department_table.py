"""The table of `simulated_department`: every version against the base, with intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.segmentation.metrics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["write_table"]

TUNED_ON = frozenset(
    {
        "TCGA_CS_6186_20000601", "TCGA_DU_7300_19910814", "TCGA_DU_8162_19961029",
        "TCGA_DU_8163_19961119", "TCGA_FG_5964_20010511", "TCGA_FG_6689_20020326",
        "TCGA_HT_7475_19970918", "TCGA_HT_7605_19950916", "TCGA_HT_7684_19950816",
        "TCGA_HT_7686_19950629",
    }
)  # fmt: skip
"""On these the default settings of fine-tuning were chosen: they are told apart."""


def write_table(out: Path, who: dict[str, Any]) -> str:
    """Put the steps' files together as Markdown, in ``department.md``, as far as they are done.

    Intervals: 95 % bootstrap over patients; differences are paired by patient.
    """
    new, old = (sum(n not in TUNED_ON for n in who[k]) for k in ("new", "old"))
    lines = [
        f"Base: {len(who['base'])} patients of DU and CS. Unseen: {new} of HT and FG (new), {old} "
        f"of DU and CS (old). Gate: {len(who['locked'])} locked patients.",
        "",
        *_versions(out, who, lambda patient: patient not in TUNED_ON),
        "",
        f"With the {len(TUNED_ON)} patients that the default settings were chosen on "
        f"({len(who['new'])} and {len(who['old'])}):",
        "",
        *_versions(out, who, lambda _patient: True),
        "",
        "| round | patients corrected | strokes a case | DSC before | after |",
        "|---|---|---|---|---|",
    ]
    for number, patients in enumerate(who["rounds"], 1):
        rows = _read(out, f"round-{number}-corrections")
        if rows:
            mean = {k: np.mean([r[k] for r in rows]) for k in ("strokes", "dsc_start", "dsc_end")}
            lines.append(
                f"| {number} | {len(patients)} | {mean['strokes']:.1f} | {mean['dsc_start']:.3f} "
                f"| {mean['dsc_end']:.3f} |"
            )
    text = "\n".join(lines) + "\n"
    (out / "department.md").write_text(text)
    print(text)
    return text


def _versions(out: Path, who: dict[str, Any], counts: Callable[[str], bool]) -> list[str]:
    """One row a version, over the patients that count."""
    lines = [
        "| version | corrections | DSC new | change | DSC old | change | strokes a case | change "
        "| share of new weights | gate |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    base: dict[str, dict[str, float]] = {}
    for number in range(len(who["rounds"]) + 1):
        found = {k: _read(out, f"version-{number}-{k}") for k in ("new", "old", "strokes")}
        if any(rows is None for rows in found.values()):
            break
        cells = []
        for key, figure in (("new", "dsc"), ("old", "dsc"), ("strokes", "strokes")):
            rows = [r for r in found[key] or () if counts(r["patient"])]
            values = {r["patient"]: float(r[figure]) for r in rows}
            if number == 0:
                base[key] = values
            digits = 1 if key == "strokes" else 4
            cells.append(_with_interval(list(values.values()), digits))
            changes = [values[p] - base[key][p] for p in values]
            cells.append("" if number == 0 else _with_interval(changes, digits, sign="+"))
        made = _read(out, f"round-{number}-training") if number else None
        share = made["interpolation"] if made else ""
        lines.append(
            f"| {number} | {sum(len(r) for r in who['rounds'][:number])} | {' | '.join(cells)} "
            f"| {share} | {made['gate'] if made else ''} |"
        )
    return lines


def _read(out: Path, name: str) -> Any:
    path = out / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _with_interval(values: list[float], digits: int, sign: str = "") -> str:
    low, high = bootstrap_interval(values, seed=0)
    return f"{np.mean(values):{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"
