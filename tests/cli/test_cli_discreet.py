"""What commands write of DICOM patients whose files are damaged: nothing of their folders."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomPatient, write_dicom_phantom

SECRETS = ("DOE", "4711", "99817", "Hospital", "1970-02-03")


def readable(name, content):
    """What somebody can read in a file; in compressed pixels three letters come up by chance."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = archive.namelist()
            parts = [readable(each, archive.read(each)) for each in inside]
        return b" ".join([*(each.encode() for each in inside), *parts])
    if name.endswith((".png", ".gif", ".pdf", ".tif")):
        return b" ".join(re.findall(rb"[ -~]{6,}", content))
    return content


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Two patients; the FLAIR of the second is cut off."""
    root = tmp_path_factory.mktemp("export")
    for number, name in enumerate(("DOE_JANE_4711", "DOE_JOHN_4712")):
        study = phantom_study(9, number, slices=4, size=48, lesions=1)
        who = PhantomPatient(name="DOE^J", patient_id=f"471{number + 1}", accession_number="99817")
        write_dicom_phantom(root / name, study, patient=who, seed=number)
    broken = sorted((root / "DOE_JOHN_4712" / "S0002").iterdir())
    for path in broken:
        path.write_bytes(path.read_bytes()[:-3000])
        path.rename(path.with_name(f"DOE_{path.name}"))
    return root


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "-o", "{out}/masks", "--json", "{out}/all.json"),
        ("report", "-o", "{out}/reports"),
        ("pictures", "-o", "{out}/pictures", "--archive", "{out}/all.zip"),
    ],
    ids=lambda words: words[0],
)
def test_records_of_a_damaged_patient_name_nobody(brainseg, export, model, tmp_path, words):
    command, *options = (word.format(out=tmp_path) for word in words)

    result = brainseg(command, export, *options, "-m", model.path, "-d", "cpu")

    assert result.exit_code == 1
    assert "DOE_JOHN_4712" in result.stderr, "who sits at the computer has to find the file"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("PT-" in path.name for path in written)
    if command != "pictures":
        told = b"".join(p.read_bytes() for p in written if p.suffix in (".json", ".html"))
        assert b"claims" in told or b"cut" in told
    for path in written:
        name = path.relative_to(tmp_path).as_posix()
        content = name.encode() + readable(name, path.read_bytes())
        assert not [word for word in SECRETS if word.encode() in content], path


def test_a_locked_patient_is_listed_without_its_folder(brainseg, export, tmp_path):
    from napari_brainseg.core.dataset.masks import write_mask
    from napari_brainseg.core.formats import load_study
    from napari_brainseg.core.formats.mask_kinds import MaskFormat, MaskMaker

    root = tmp_path / "root" / "DOE_JANE_4711"
    shutil.copytree(export / "DOE_JANE_4711", root)
    study = load_study(root)
    mask = (study.image.data[1] > 120).astype("uint8")
    seg = tmp_path / "truth.dcm"
    write_mask(seg, study, mask, MaskFormat.DICOM_SEG, maker=MaskMaker("MANUAL", editor="AB"))
    shutil.move(seg, root / "truth.dcm")
    workspace = tmp_path / "workspace"

    chosen = brainseg("locked", "choose", root.parent, "--workspace", workspace, "-n", 1, "--json")

    assert chosen.exit_code == 0, chosen.stderr
    assert study.patient in chosen.stdout
    file = workspace / "training_set" / "locked.json"
    for text in (chosen.stdout, file.read_text()):
        assert study.patient in text
        assert "DOE" not in text


def tree(folder):
    return {p: p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@pytest.mark.parametrize("layout", ["folders", "flat"])
@pytest.mark.parametrize(
    "words",
    [
        ("predict", "--json", "{in}/all.json", "-o", "{out}/masks"),
        ("evaluate", "--json", "{in}/all.json"),
        ("report", "-o", "{in}"),
        ("pictures", "-o", "{in}"),
        ("pictures", "--archive", "{in}/all.zip"),
    ],
    ids=lambda words: f"{words[0]} {words[1]}",
)
def test_nothing_is_written_among_originals(brainseg, export, model, tmp_path, words, layout):
    root = tmp_path / "root"
    shutil.copytree(export, root)
    inside = root / "DOE_JANE_4711" / "S0001"
    if layout == "flat":
        inside = root
        for number, path in enumerate(sorted(p for p in root.rglob("*") if p.is_file())):
            path.rename(root / f"f{number}")
    before = tree(root)
    command, *options = (
        w.replace("{in}", str(inside)).replace("{out}", str(tmp_path)) for w in words
    )

    result = brainseg(command, root, *options, "-m", model.path, "-d", "cpu")

    assert result.exit_code == 1
    assert "never written to" in result.stderr
    assert tree(root) == before


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_an_archive_is_not_replaced_by_records_of_it(brainseg, export, model, tmp_path, command):
    archive = Path(shutil.make_archive(str(tmp_path / "export"), "zip", export))
    before = archive.read_bytes()
    out = ("-o", tmp_path / "masks") if command == "predict" else ()

    result = brainseg(command, archive, *out, "--json", archive, "-m", model.path, "-d", "cpu")

    assert result.exit_code == 1
    assert archive.read_bytes() == before


def test_a_report_does_not_name_files_that_were_left_out(brainseg, export, model, tmp_path):
    root = tmp_path / "DOE_JANE_4711"
    shutil.copytree(export / "DOE_JANE_4711", root)
    whole = next((root / "S0002").iterdir()).read_bytes()
    for number in range(2):
        (root / "S0002" / f"DOE_{number}.dcm").write_bytes(whole[:300])

    result = brainseg("report", root, "-o", tmp_path / "out", "-m", model.path, "-d", "cpu")

    assert result.exit_code == 0, result.stderr
    (page,) = (tmp_path / "out").glob("PT-*.html")
    assert "beside the others are left out" in page.read_text()
    assert "DOE" not in page.read_text()
