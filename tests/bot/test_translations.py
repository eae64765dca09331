"""Everything the bot says is said in every language, with the same values, marks and lengths."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from string import Formatter

import polib
import pytest

from bot.catalogues import COMMANDS, ROOT, Found, forms_of, templates
from bot.language import CATALOGUES, language, languages

LANGUAGES = ("de", "es-ES", "fr", "ja")
SAME: Mapping[str, frozenset[str]] = {
    "all": frozenset({"ControlNet", "LoRA"}),
    "de": frozenset(
        {
            "**Guidance** {guidance:g}",
            "**Prompt** {prompt}",
            "**Sampler** {sampler}",
            "**Seed** {seed}",
            "April",
            "August",
            "Guidance",
            "Look",
            "Name",
            "November",
            "Prompt",
            "Remix",
            "Sampler",
            "Seed",
            "September",
            "Spoiler",
            "Tag",
            "Tags",
            "aspect",
            "count",
            "guidance",
            "model",
            "negative_prompt",
            "none",
            "sampler",
            "size",
            "steps",
            "style",
            "{hours} h {minutes} min",
            "{minutes} min {rest} s",
            "{seconds:.0f} s",
            "{size:.1f} MB",
            "{number:,} MB",
            "{number:,} GB",
        }
    ),
    "es-ES": frozenset(
        {
            "Clip skip",
            "Inpaint",
            "Look",
            "Prompt",
            "Remix",
            "Sampler",
            "Spoiler",
            "Spoilers",
            "prompt",
            "sampler",
            "{hours} h {minutes} min",
            "{minutes} min {rest} s",
            "{seconds:.0f} s",
            "{size:.1f} MB",
            "{number:,} MB",
            "{number:,} GB",
        }
    ),
    "fr": frozenset(
        {
            "**Clip skip** {layers}",
            "**Prompt** {prompt}",
            "**Sampler** {sampler}",
            "**Seed** {seed}",
            "Clip skip",
            "Pages",
            "Prompt",
            "Sampler",
            "Seed",
            "Spoiler",
            "Spoilers",
            "Style",
            "aspect",
            "count",
            "guidance",
            "model",
            "negative_prompt",
            "none",
            "portrait 2:3",
            "portrait 3:4",
            "pose",
            "prompt",
            "sampler",
            "seed {seed}",
            "seeds {seeds}",
            "size",
            "steps",
            "style",
            "variation",
            "{hours} h {minutes} min",
            "{minutes:.0f} minutes",
            "{minutes} min {rest} s",
            "{number} style",
            "{seconds:.0f} s",
        }
    ),
    "ja": frozenset({"{size:.1f} MB", "{number:,} MB", "{number:,} GB"}),
}
"""What is the same as in English. Keep these short: a sentence is never among them."""
MAX_CHOICE = 100
"""Characters of a description, or of a choice, that Discord takes."""
MAX_ENTRY = 32
"""Of what a right click offers."""


def catalogue(code: str) -> polib.POFile:
    return polib.pofile(str(CATALOGUES / f"{code}.po"), encoding="utf-8")


def forms_in(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def fields(template: str) -> set[tuple[str, str | None]]:
    """What is filled in, and how; of what is not filled in (descriptions of commands) too."""
    return {(name, how) for _, name, how, _ in Formatter().parse(template) if name is not None}


def marks(template: str) -> tuple[int, list[str], int, list[str]]:
    """Its Markdown: bold, what opens a line, code, and what of that people type as it stands there.

    An example in code may be of other words: `{rot|blau}`.
    """
    code = re.findall(r"`[^`]*`", template)
    return (
        template.count("**"),
        re.findall(r"^(?:-#|###?) ", template, re.MULTILINE),
        len(code),
        sorted(each for each in code if re.fullmatch(r"`/?[a-z0-9_ -]+(?:: none)?`", each)),
    )


def has_words(template: str) -> bool:
    """Whether there is anything to be translated beside the values."""
    return any(letter.isalpha() for letter in re.sub(r"\{[^{}]*\}", "", template))


def is_well(entry: polib.POEntry, forms: int) -> bool:
    """Whether a translation says the same with the same values in the same Markdown."""
    texts = forms_in(entry)
    english = [entry.msgid, *filter(None, [entry.msgid_plural])]
    known = set().union(*map(fields, english))
    needed = known - {field for field in known if entry.msgid_plural and field[0] == "number"}
    return len(texts) == (forms if entry.msgid_plural else 1) and all(
        needed <= fields(text) <= known and any(marks(text) == marks(each) for each in english)
        for text in texts
    )


def test_every_language_that_is_named_has_a_catalogue() -> None:
    assert set(languages()) == {"en", *LANGUAGES}
    assert tuple(sorted(file.stem for file in CATALOGUES.glob("*.po"))) == LANGUAGES


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_catalogue_holds_what_the_bot_says_and_nothing_else(code: str, said: Found) -> None:
    held = {(entry.msgid, entry.msgid_plural or None) for entry in catalogue(code)}
    assert held == set(said), "run python -m bot.catalogues"


@pytest.mark.parametrize("code", LANGUAGES)
def test_everything_is_translated(code: str) -> None:
    entries = catalogue(code)
    missing = [entry.msgid for entry in entries if not entry.translated()]
    assert not missing
    same = {entry.msgid for entry in entries if entry.msgid in forms_in(entry) and has_words(entry.msgid)}
    assert same == SAME["all"] | SAME[code]


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_translation_has_the_values_and_the_markdown_of_the_english(code: str) -> None:
    entries = catalogue(code)
    assert not [(entry.msgid, forms_in(entry)) for entry in entries if not is_well(entry, forms_of(entries))]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_discord_shows_of_commands_is_as_short_as_it_must_be(code: str, said: Found) -> None:
    assert not [
        entry.msgstr
        for entry in catalogue(code)
        if COMMANDS in said.get((entry.msgid, None), ()) and len(entry.msgstr) > MAX_CHOICE
    ]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_a_right_click_offers_is_as_short_as_it_must_be(code: str, said: Found) -> None:
    offered = ("Show settings", "Send as JPEG", "Remix this", "Upscale")
    assert all(COMMANDS in said[english, None] for english in offered)
    assert all(len(language(code).one(english)) <= MAX_ENTRY for english in offered)


def test_nothing_is_said_both_alone_and_counted(said: Found) -> None:
    counted = {english for english, plural in said if plural is not None}
    assert not [english for english, plural in said if plural is None and english in counted]


@pytest.mark.parametrize(
    ("english", "translated"),
    [
        ("{steps} steps", "{step} pas"),
        ("{share:.0%} of it", "{share} davon"),
        ("**{name}** is here", "{name} ist da"),
        ("type `none`", "schreibe `nichts`"),
        ("-# small", "klein"),
        ("{{a}}", "{a}"),
    ],
)
def test_a_translation_that_lost_something_is_noticed(english: str, translated: str) -> None:
    assert is_well(polib.POEntry(msgid=english, msgstr=english), 2)
    assert not is_well(polib.POEntry(msgid=english, msgstr=translated), 2)


def test_counted_things_have_as_many_forms_as_the_language() -> None:
    entry = polib.POEntry(
        msgid="{number} of {all}", msgid_plural="{number} of {all}s", msgstr_plural={0: "eins von {all}"}
    )
    assert is_well(entry, 1)
    assert not is_well(entry, 2)


SHORT = {"label": 45, "help": 100, "placeholder": 100}
"""Characters that Discord takes of what a form, a button or a menu shows, as these are called in the code."""


def short_ones() -> Iterator[tuple[str, str]]:
    """What is said as a label, as a help or as a placeholder, with which of them it is."""
    for file in sorted((ROOT / "bot").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in SHORT:
                for english, _ in templates(
                    f"from generation.sentence import say\n{ast.unparse(node.value)}", ""
                ):
                    yield english, node.arg


def test_what_forms_buttons_and_menus_show_is_as_short_as_it_must_be() -> None:
    shown = set(short_ones())
    assert {("Cancel", "label"), ("Where", "label"), ("Make it larger…", "placeholder")} <= shown
    too_long = [
        (code, language(code).one(english))
        for english, what in shown
        for code in ("en", *LANGUAGES)
        if len(language(code).one(english)) > SHORT[what]
    ]
    assert not too_long
