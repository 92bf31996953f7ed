"""The report as HTML and PDF: every figure on it, one page, one file, nobody's name unasked."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import features

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.reporting.follow_up import FollowUp, FollowUpPoint
from napari_brainseg.core.reporting.overlay import encoded
from napari_brainseg.core.reporting.patient_report import (
    Agreement,
    Basis,
    KeySlice,
    Lesion,
    MeasurementLine,
    ModelFacts,
    PatientReport,
    SignOff,
    Work,
)
from napari_brainseg.core.reporting.patient_report_html import render_html
from napari_brainseg.core.reporting.patient_report_layout import Layout, placed
from napari_brainseg.core.reporting.patient_report_pdf import (
    _story,
    fitted,
    pdf_bytes,
    render_pdf,
)
from napari_brainseg.core.reporting.patient_report_words import page_words
from napari_brainseg.core.reporting.pdf_letters import (
    BOLD,
    PLAIN,
    can_write,
    lettered,
    register,
    with_pictures,
)
from napari_brainseg.core.reporting.report_files import report_paths, write_index, write_report
from napari_brainseg.core.segmentation.diameters import Bidimensional

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHEN = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
PICTURE = encoded(np.full((40, 40, 3), 90, np.uint8), "jpeg")
DIAMETERS = Bidimensional(18, 62.61, 37.04, "mm", ((1, 1), (9, 9)), ((1, 9), (9, 1)))


def slices(
    count: int, *, why: tuple[str, ...] = ("largest cross-section",)
) -> tuple[KeySlice, ...]:
    return tuple(KeySlice(z, why, PICTURE, 40, 40) for z in range(count))


@pytest.fixture
def report() -> PatientReport:
    """An approved correction with all that a report can have."""
    points = (
        FollowUpPoint("P_20000208", date(2000, 2, 8), 10_000, 75.0, Basis.APPROVED),
        FollowUpPoint("P_20000908", date(2000, 9, 8), 9_000, 60.0, Basis.PREDICTION, "default-2"),
        FollowUpPoint("P_20010208", date(2001, 2, 8), 14_043, 68.2, Basis.APPROVED, is_this=True),
    )
    return PatientReport(
        patient="PT-3fa9c1d07e_20010208",
        basis=Basis.APPROVED,
        lesion=Lesion(14_043, 68.21, 2, 8, 28, DIAMETERS),
        heading="Klinik für Neuroradiologie <Süd>",
        study_date="2001-02-08",
        attributes={"Age": "58 y", "Scanner": "Siemens Avanto"},
        key_slices=slices(6),
        outlines=("truth", "correction", "prediction"),
        agreements=(
            Agreement("correction", 0.9083, 2.71, "mm"),
            Agreement("prediction", 0.8931, 4.5, "mm"),
        ),
        model=ModelFacts("default-3", "OpenVINO on CPU", 0.31, 0.021),
        work=Work(
            "prediction", "default-3", ("Ada Lovelace", "Jürgen Weiß"), 23, 254.0, WHEN, WHEN,
            1204, 388,
        ),
        sign_off=SignOff("approved", "Ελένη Παπαδοπούλου", WHEN, "Анна Ковалёва", "Coil artefact."),
        measurements=(
            MeasurementLine("ruler", "midline shift", 4.23, "mm", "axial slice 9"),
            MeasurementLine("area", "", 312.4, "mm2", "coronal slice 10"),
        ),
        follow_up=FollowUp(points),
        source=(("Format", "DICOM"), ("FLAIR", "AX T2 FLAIR"), ("Missing", "post-contrast")),
        warnings=("The pre-contrast series has another frame of reference.",),
        spacing_mm=(5.5, 0.9375, 0.9375),
        has_orientation=True,
        created=WHEN,
    )  # fmt: skip


@pytest.fixture
def pdf_text(monkeypatch: pytest.MonkeyPatch) -> Callable[[PatientReport], str]:
    """What a PDF says: letters in the file are numbers of a subset, so the drawing is heard."""

    def text(report: PatientReport) -> str:
        from reportlab.pdfgen.textobject import PDFTextObject

        said: list[str] = []
        write = PDFTextObject._formatText

        def listen(self: object, text: str) -> str:
            said.append(text)
            return str(write(self, text))

        with monkeypatch.context() as patch:
            patch.setattr(PDFTextObject, "_formatText", listen)
            pdf_bytes(report)
        return " ".join(" ".join(said).split())

    return text


class Page(HTMLParser):
    """Text and links of a page; fails on what would be fetched or run."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.pictures = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "object")
        for name, value in attrs:
            if name == "src":
                assert value is not None
                assert value.startswith("data:image/")
                self.pictures += 1
            assert not name.startswith("on")

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


SAID = (
    "Klinik für Neuroradiologie <Süd>", "PT-3fa9c1d07e_20010208", "study of 2001-02-08",
    "58 y", "Approved correction", "Ada Lovelace and Jürgen Weiß", "23 strokes, 4 min",
    "Approved by Ελένη Παπαδοπούλου on 2026-11-22 14:03", "68.2 ml", "14 043 voxels",
    "62.6 × 37.0 mm", "slice 19, product 2 319 mm²", "in 8 of 28 slices", "0.908",
    "HD95 2.7 mm", "0.31 bit", "Slice 1 – largest cross-section", "ground truth",
    "patient's right on the left", "1 204 added, 388 removed", "Анна Ковалёва", "Coil artefact.",
    "default-3", "OpenVINO on CPU", "DSC of prediction", "0.893, HD95 4.5 mm",
    "DSC 0.979 with the plain one",
    "DICOM", "AX T2 FLAIR", "post-contrast", "0.94 × 0.94 mm, slices every 5.5 mm",
    "midline shift", "4.2 mm, axial slice 9", "3.1 cm², coronal slice 10", "2000-09-08",
    "60.0 ml", "−20 % *", "+14 % *", "−9 %", "prediction by default-2",
    "stand on different things", "another frame of reference", "10.1200/JCO.2009.26.3541",
    "Not for diagnosis.", "2026-11-22 14:03.",
)  # fmt: skip


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def test_the_html_page_says_it_all_in_one_file(report: PatientReport) -> None:
    page = Page(render_html(report))
    missing = [words for words in SAID if words not in plain(page.text)]
    assert not missing
    assert page.pictures == len(fitted(report, spare_mm=9)[1].shown) + 1


def test_the_pdf_says_the_same(
    report: PatientReport, pdf_text: Callable[[PatientReport], str]
) -> None:
    said = "".join(plain(pdf_text(report)).split())
    missing = [words for words in SAID if "".join(words.split()) not in said]
    assert not missing


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_pdf_is_one_page_with_its_letters_in_it(report: PatientReport, paper: str) -> None:
    content = pdf_bytes(report, paper=paper, compressed=False)  # type: ignore[arg-type]
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    assert b"/FontFile2" in content
    assert b"/CreationDate (D:20261122140300+00'00')" in content
    width, height = {"a4": (595, 842), "letter": (612, 792)}[paper]
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
    assert box is not None
    assert [round(float(side)) for side in box.groups()] == [width, height]


def test_the_same_report_gives_the_same_pdf(report: PatientReport) -> None:
    assert pdf_bytes(report) == pdf_bytes(report)


def test_few_pictures_are_spread_through_the_lesion() -> None:
    of = [(z, ("largest cross-section",) if z == 10 else ()) for z in (5, 7, 10, 12, 14, 18)]
    keys = tuple(KeySlice(z, why, PICTURE, 40, 40) for z, why in of)
    shown = placed(keys, [""] * 6, 60.0).shown
    assert [keys[place].index for place in shown] == [5, 10, 14, 18]


@pytest.mark.parametrize(
    ("count", "room", "columns", "side"),
    [(4, 200.0, 2, 60.0), (4, 60.0, 4, 44.25), (3, 200.0, 3, 60.0), (1, 200.0, 1, 60.0)],
)
def test_few_pictures_are_as_large_as_there_is_room(
    count: int, room: float, columns: int, side: float
) -> None:
    found = placed(slices(count, why=("x",)), ["x"] * count, room)
    assert (len(found.shown), found.columns) == (count, columns)
    assert found.side_mm == pytest.approx(side)


def test_names_in_other_letters_are_written_or_the_page_says_so(
    report: PatientReport, pdf_text: Callable[[PatientReport], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_brainseg.core.reporting import fonts, pdf_letters

    monkeypatch.setattr(fonts, "_files_here", tuple)
    fonts.file_for.cache_clear()
    pdf_letters._way.cache_clear()
    names = {"Ja": "山田, 太郎 たろう", "Ko": "홍, 길동", "Zh": "王, 小东", "Ru": "Ковалёв, Иван"}
    asian = replace(report, identity=names)
    content = pdf_bytes(asian, compressed=False)
    assert {b"/HeiseiKakuGo-W5", b"/HYGothic-Medium", b"/STSong-Light"} <= set(
        re.findall(rb"/[A-Za-z0-9-]+", content)
    )
    assert "Boxes" not in pdf_text(asian)
    thai = replace(report, identity={"Name": "สมชาย"})
    assert "Boxes stand for letters" in pdf_text(thai)
    html = Page(render_html(thai)).text
    assert "สมชาย" in html
    assert "Boxes" not in html
    assert can_write("Jürgen Ковалёв Ελένη 王小东")
    fonts.file_for.cache_clear()
    pdf_letters._way.cache_clear()


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow without libraqm")
def test_names_from_right_to_left_are_one_picture(report: PatientReport) -> None:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    register()
    markup = lettered("قباني، نزار abc", 8, "#1b1f24", bold=True)
    style = ParagraphStyle("plain", fontName=PLAIN)
    parts = with_pictures(Paragraph(markup, style)).frags
    pictures = [part.cbDefn for part in parts if getattr(part, "cbDefn", None) is not None]
    (picture,) = pictures
    assert picture.kind == "img"
    assert picture.width > picture.height
    named = replace(report, identity={"Name": "קורן, דבורה"})
    assert len(re.findall(rb"/Subtype /Image", pdf_bytes(named, compressed=False))) > len(
        re.findall(rb"/Subtype /Image", pdf_bytes(report, compressed=False))
    )


def test_names_of_people_are_set_in_bold(report: PatientReport) -> None:
    bold = replace(report, identity={"Name": "Q"}, sign_off=None)
    story = [p for p in _story(bold, page_words(bold), Layout((), 1, 1.0)) if hasattr(p, "frags")]
    fonts = {part.text: part.fontName for p in story for part in p.frags}
    assert fonts["Q"] == BOLD


def test_who_the_patient_is_stands_there_only_if_asked_for(
    report: PatientReport, pdf_text: Callable[[PatientReport], str]
) -> None:
    named = replace(report, identity={"Name": "Müller^Gertrud", "ID": "12345678"})
    assert "Müller" not in render_html(report)
    assert "Müller^Gertrud" in Page(render_html(named)).text
    assert "Müller^Gertrud" in pdf_text(named)
    # Neither then: properties are indexed and shown by other programs.
    content = pdf_bytes(named, compressed=False)
    number = re.search(rb"/Info (\d+) 0 R", content)
    assert number is not None
    info = re.search(rb"\n" + number[1] + rb" 0 obj(.*?)endobj", content, re.DOTALL)
    assert info is not None
    assert b"/Title (Segmentation report)" in info[1]
    for secret in ("Gertrud", "12345678", "PT-3fa9c1d07e"):
        assert secret.encode() not in info[1]
        assert secret.encode("utf-16-be") not in info[1]
    assert b"/Metadata" not in content


def test_letters_of_many_languages_are_in_the_typeface() -> None:
    from reportlab.pdfbase import pdfmetrics

    pdf_bytes(PatientReport("P", Basis.TRUTH, Lesion(0, None, 0, 0, 1, None)))
    known = pdfmetrics.getFont("BrainSeg-Sans").face.charToGlyph
    assert all(ord(letter) in known for letter in "äöüßéÅλξωЖщё×²−–\u202f•…")


def test_a_prediction_says_that_nobody_checked_it(report: PatientReport) -> None:
    words = page_words(replace(report, basis=Basis.PREDICTION, work=None, sign_off=None))
    assert words.basis == "Prediction, not checked by a person"
    assert words.basis_detail == "Made by model default-3; nobody corrected or approved it."
    assert not words.is_approved
    assert "Review" not in [section.title for section in words.left]


def test_a_correction_that_nobody_approved_says_so(report: PatientReport) -> None:
    words = page_words(replace(report, basis=Basis.CORRECTION, sign_off=None))
    assert words.basis == "Correction, not approved"
    assert ("Approved", "no") in words.left[0].rows
    changed = page_words(replace(report, basis=Basis.CHANGED))
    assert changed.basis == "Correction, changed since its approval"
    assert not changed.is_approved


def test_without_spacing_there_are_no_millilitres(report: PatientReport) -> None:
    lesion = Lesion(14_043, None, 2, 8, 28, replace(DIAMETERS, unit="px"))
    bare = replace(report, lesion=lesion, spacing_mm=None, has_orientation=False, follow_up=None)
    text = plain(Page(render_html(replace(bare, agreements=(), measurements=()))).text)
    assert "14 043 voxels" in text
    assert "voxel size unknown" in text
    assert "63 × 37 px" in text
    assert "left and right unknown; no scale bar" in text
    assert " ml" not in text
    assert " mm" not in text


def test_a_report_without_a_lesion_has_no_diameters() -> None:
    empty = PatientReport(
        "P", Basis.PREDICTION, Lesion(0, 0.0, 0, 0, 20, None), key_slices=slices(1, why=())
    )
    text = Page(render_html(empty)).text
    assert "0.0 ml" in text
    assert "diameters" not in text.casefold()
    assert len(re.findall(rb"/Type /Page\b", pdf_bytes(empty))) == 1


@pytest.mark.parametrize("count", [0, 1, 6])
def test_any_number_of_pictures_fits_with_the_longest_texts(
    report: PatientReport, count: int
) -> None:
    long = "A long word-Donaudampfschifffahrtsgesellschaft and more " * 20
    points = tuple(
        FollowUpPoint(f"P_20{y:02d}0101", date(2000 + y, 1, 1), 100, 1.0, Basis.APPROVED)
        for y in range(14)
    )
    assert report.sign_off is not None
    full = replace(
        report,
        key_slices=slices(count, why=("largest cross-section", "longest diameter", "most doubt")),
        sign_off=replace(report.sign_off, note=long),
        measurements=(MeasurementLine("ruler", long, 9.0, "mm", "axial slice 9"),) * 20,
        warnings=(long,) * 9,
        source=(("FLAIR", long), ("pre-contrast", long), ("post-contrast", long)),
        identity=dict.fromkeys(("Name", "ID", "Birth date", "Accession number"), long[:80]),
        follow_up=FollowUp(points),
    )
    words, layout = fitted(full)
    assert words.follow_up is not None
    between = 14 - len(words.follow_up.rows)
    assert f"{between} studies between" in " ".join(words.follow_up.notes)
    assert f"{9 - len(words.warnings) + 1} more" in words.warnings[-1]
    assert words.right[-1].rows[-1][0] == "Further"
    assert layout.side_mm > 30
    assert len(layout.shown) == min(count, 4)
    assert len(re.findall(rb"/Type /Page\b", pdf_bytes(full, paper="letter"))) == 1


def test_slices_that_stand_for_something_stay_when_room_is_short(report: PatientReport) -> None:
    mixed = tuple(
        KeySlice(z, ("most doubt",) if z in (1, 5) else (), PICTURE, 40, 40) for z in range(6)
    )
    warnings = ("A warning that is so long that it takes two whole lines of the page. " * 2,) * 3
    crowded = replace(report, key_slices=mixed, warnings=warnings)
    _words, layout = fitted(crowded)
    assert len(layout.shown) == 4
    assert {1, 5} <= set(layout.shown)
    assert list(layout.shown) == sorted(layout.shown)


def test_files_are_named_by_the_study_and_not_overwritten_unasked(
    report: PatientReport, tmp_path: Path
) -> None:
    html, pdf = write_report(report, tmp_path / "new")
    assert (html.name, pdf.name) == (
        "PT-3fa9c1d07e_20010208_report.html",
        "PT-3fa9c1d07e_20010208_report.pdf",
    )
    with pytest.raises(DataError, match="is there already"):
        write_report(report, tmp_path / "new")
    write_report(report, tmp_path / "new", html=False, overwrite=True)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted([html.name, pdf.name])
    assert report_paths(tmp_path, "../a b/ü", html=False) == (tmp_path / "_a_b_ü_report.pdf",)


def test_a_place_that_cannot_be_written_is_a_fault(report: PatientReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError):
        render_pdf(report, tmp_path / "file" / "report.pdf")


def test_the_index_names_faults(tmp_path: Path) -> None:
    page = write_index(tmp_path, [], ["P_1: cannot be read"]).read_text()
    assert "P_1: cannot be read" in page
    assert "Not for diagnosis" in page
