"""Promises about the page's files that need no browser."""

from __future__ import annotations

import re
from pathlib import Path

from playground.server import STATIC

SCRIPTS = sorted(STATIC.glob("*.js"))
STYLES = sorted((STATIC / "styles").glob("*.css"))


def test_every_file_is_short_and_says_what_it_is_for() -> None:
    for file in [*SCRIPTS, *STYLES]:
        lines = file.read_text().splitlines()
        assert len(lines) < 400, file.name
        assert lines[0].startswith(("// ", "/* ")), file.name


def test_no_script_makes_markup_or_code_out_of_text() -> None:
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")
    found = [f"{file.name}: {match[0]}" for file in SCRIPTS for match in ways.finditer(file.read_text())]
    assert found == []


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/static/")
        assert (STATIC / address.removeprefix("/static/")).is_file(), address
    for file in SCRIPTS:
        for path in re.findall(r'(?:from|import) "([^"]+)"', file.read_text()):
            assert (file.parent / path).is_file(), f"{file.name}: {path}"
    for file in STYLES:
        assert not re.search(r"url\(|@import", file.read_text()), file.name


def test_every_script_is_used() -> None:
    used = {Path(path).name for file in SCRIPTS for path in re.findall(r'from "([^"]+)"', file.read_text())}
    assert {file.name for file in SCRIPTS} == used | {"main.js"}
