"""Cards and licence of the models that ship with the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_brainseg.core.segmentation.bundle import Bundle, bundled_models
from training.card.terms import LICENCE_PAGE
from training.card.text import SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "models"
BUNDLES = bundled_models()
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda b: b.path.name)


def card(bundle: Bundle) -> str:
    return (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")


@each_bundle
def test_a_card_has_every_section_and_is_of_this_version(bundle: Bundle) -> None:
    text = card(bundle)

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [h for h in headings if h in SECTIONS] == list(SECTIONS)
    assert f"Version `{bundle.version}`" in text
    assert "**Not for diagnosis.**" in text
    assert LICENCE_PAGE in text


@each_bundle
def test_a_page_tells_what_the_bundle_tells(bundle: Bundle) -> None:
    assert (PAGES / f"{bundle.path.name}.md").read_text(encoding="utf-8") == card(bundle)


def test_the_index_names_every_bundle_and_no_other() -> None:
    names = [bundle.path.name for bundle in BUNDLES]
    index = (PAGES / "README.md").read_text(encoding="utf-8")

    assert sorted(re.findall(r"^\| `([\w.-]+)` \| \[", index, re.MULTILINE)) == sorted(names)
    assert sorted(p.stem for p in PAGES.glob("*.md") if p.stem != "README") == sorted(names)


def test_the_index_tells_every_option_of_the_command() -> None:
    import argparse

    from training.card.command import add_arguments

    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    options = set(re.findall(r"--[a-z-]+", parser.format_help()))

    page = (PAGES / "README.md").read_text(encoding="utf-8")
    assert {o for o in options if f"| `{o}` |" not in page} == set()


def test_weights_have_a_licence_apart_from_the_code() -> None:
    text = (ROOT / LICENCE_PAGE).read_text(encoding="utf-8")

    for part in ("CC BY-NC-SA 4.0", "legalcode", "Apache-2.0", "Not for diagnosis", "ImageNet",
                 "10.1016/j.compbiomed.2019.05.002", "10.7937/K9/TCIA.2016.L4LTD3TK"):  # fmt: skip
        assert part in text
