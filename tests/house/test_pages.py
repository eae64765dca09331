"""What the pages of the house say is true."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bot.settings import Settings

ROOT = Path(__file__).parents[2]
ROOMS = "bot|web|storage|generation|playground|training|benchmarks|tests|docs|models"
FOLDERS = ["docs/**/*.md", "[!.]*/README.md", "models/**/README.md"]
PAGES = [
    *(ROOT / page for page in ("README.md", "CHANGELOG.md")),
    *sorted({page for folder in FOLDERS for page in ROOT.glob(folder)}),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_named_on_a_page_exists(page: Path) -> None:
    named = re.findall(rf"`((?:{ROOMS})/[\w./-]*\w)/?`", page.read_text())
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert not missing


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "elsewhere.md").read_text())
    assert len(named) > 17
    for file, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
    missing = sorted({link for link in links if not (page.parent / link).exists()})
    assert not missing


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z]+)`?", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_the_example_of_the_settings_names_each_of_them_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_nothing_in_the_project_depends_on_where_it_was_made() -> None:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    # Spelled in pieces, so that this file does not hold them.
    strange = ["/" + "work/", "/" + "root/", "pythonhosted" + ".org", "pypi" + ".org", "npmjs" + ".org"]
    found = []
    for name in done.stdout.split("\0"):
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".txt", ".js", ".html", ".css", ".json", ".sh"}
            and path.is_file()
        ):
            text = path.read_text()
            found += [f"{name}: {word}" for word in strange if word in text]
    assert not found
