"""The pages say what is true: paths, links, commands, options, settings and make targets exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from napari_brainseg.core.protocol import RunConfig

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
OURS = ("napari_brainseg/", "training/", "tests/", "docs/", ".ci/")
FILES = {"napari.yaml", "pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md"}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def names(page: Path) -> list[str]:
    """Text in single backticks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_paths_named_exist(page: Path) -> None:
    paths = [n for n in names(page) if n.startswith(OURS) or n in FILES]

    assert [p for p in paths if not (ROOT / p).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(page))
    local = [t for t in targets if not re.match(r"[a-z]+:", t)]

    assert [t for t in local if not (page.parent / t).exists()] == []


def test_architecture_names_every_package() -> None:
    named = {n.rstrip("/") for n in names(DOCS / "architecture.md")}
    top = [*ROOT.glob("napari_brainseg/*/__init__.py"), *ROOT.glob("napari_brainseg/core/*/*.py")]
    rooms = {f.parent.relative_to(ROOT).as_posix() for f in top} - {"napari_brainseg/core"}

    assert rooms - named == set()


def test_every_page_can_be_reached_from_the_start() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", text(page))
        waiting += [p for link in links if (p := (page.parent / link).resolve()).is_file()]

    assert set(PAGES) - reached == set()


def test_decisions_are_numbered_and_indexed() -> None:
    records = sorted(DOCS.glob("decisions/[0-9]*.md"))
    index = text(DOCS / "decisions" / "README.md")

    assert [int(r.name[:4]) for r in records] == list(range(1, len(records) + 1))
    for record in records:
        number = int(record.name[:4])
        title = re.match(rf"# {number}\. (.+)", text(record))
        assert title is not None, record.name
        assert f"[{record.name[:4]}]({record.name}) {title[1]}" in index
        for part in ("## Context", "## Choice", "## Consequences"):
            assert part in text(record), record.name


def test_command_line_page_names_every_command_and_option() -> None:
    import typer

    from napari_brainseg.cli import app

    page = text(DOCS / "reference" / "command-line.md")
    commands = typer.main.get_command(app).commands
    options = {
        (name, option)
        for name, command in commands.items()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-") and option not in ("-h", "--help")
    }
    rows = [line for line in page.splitlines() if line.startswith("|")]
    told = {
        (command, option)
        for row in rows
        for command in re.findall(r"[\w-]+", row.split("|")[1])
        for option in re.findall(r"`(--?[\w-]+)`", row)
    }

    assert {name for name in commands if f"`brainseg {name}" not in page} == set()
    assert set(re.findall(r"`brainseg ([a-z][\w-]*)", page)) - {"COMMAND"} == set(commands)
    assert options - told == set()


def test_labels_in_bold_stand_on_buttons_tabs_and_panels() -> None:
    widgets = "".join(text(f) for f in (ROOT / "napari_brainseg" / "widgets").glob("*.py"))
    labels = set(re.findall(r'\btr\(\s*"([^"]+)"', widgets))
    key = re.compile(r"[A-Z]|F\d+|Ctrl\+.+")
    pages = [*DOCS.glob("tutorials/*.md"), DOCS / "reference" / "window.md"]
    named = {b for page in pages for b in re.findall(r"\*\*([^*]+)\*\*", text(page))}

    assert {name for name in named if not key.fullmatch(name)} - labels == set()


def test_run_config_page_has_every_setting_as_it_is() -> None:
    page = text(DOCS / "reference" / "run-config.md").splitlines()
    wanted = []
    for name, field in RunConfig.model_fields.items():
        default = "-" if field.default in (None, ()) else str(field.default)
        default = default.lower() if isinstance(field.default, bool) else default
        wanted.append(f"| `{name}` | `{default}` | {field.description} |")

    assert [line for line in page if line.startswith("| `")] == wanted


def test_make_targets_named_exist() -> None:
    makefile = text(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {t for page in PAGES for t in re.findall(r"`make ([a-z-]+)", text(page))}

    assert named - targets == set()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert targets == set(phony[1].split())


def test_changelog_names_the_version() -> None:
    version = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["version"]

    assert f"## {version}" in text(ROOT / "CHANGELOG.md")


def test_install_page_names_the_packages_that_make_installs() -> None:
    script = re.search(r'PACKAGES="([^"]+)"', text(ROOT / ".ci" / "system-packages"))
    page = re.search(r"sudo apt-get install ((?:.+\\\n)*.+)", text(DOCS / "how-to" / "install.md"))

    assert script is not None
    assert page is not None
    assert page[1].replace("\\", " ").split() == script[1].split()
