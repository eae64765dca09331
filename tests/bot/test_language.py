"""What the bot says is said in the language of who reads it, and Discord is told of it in its limits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
import polib
import pytest
from discord import app_commands

from bot.app import Atelier
from bot.card import Action, Attached, Button, Card, Entry, Menu, Tone
from bot.cards import card_for
from bot.history import page_view
from bot.language import Language, Translator, language, languages
from bot.messages import MAX_TEXT, files, layout
from bot.recipe import settings_card
from generation.job import Cancelled, Failed, Finished, JobId, JobState, Loading, Progressed, Queued
from generation.request import Digest, Hires, Look, Seed, Size, Start, Upscale, Variation
from generation.safety import Review, Safety
from generation.sentence import altered, count, enumerated, joined, say
from storage.history import Entry as Past
from storage.history import Page
from tests.bot.test_messages import components, every_component, nested
from tests.bot.things import MODEL, SHELF, done, job, pictures

JOB = JobId("0123456789abcdef")
MAX_OF_COMMAND = 8000
"""Characters of the names, descriptions and values of one command that Discord takes."""


def german(**more: str) -> Language:
    """A language with a few sentences, so that these tests need no catalogue."""
    told = {
        "Cancel": "Abbrechen",
        "Choose…": "Wähle…",
        "left": "links",
        "**Waiting.** You are number {place} in line.": "**Warten.** Du bist Nummer {place} in der Reihe.",
        "the picture": "das Bild",
        **more,
    }
    catalogue = polib.POFile()
    catalogue.metadata = {"Plural-Forms": "nplurals=2; plural=(n != 1);"}
    for english, said in told.items():
        catalogue.append(polib.POEntry(msgid=english, msgstr=said))
    catalogue.append(
        polib.POEntry(
            msgid="{number} step",
            msgid_plural="{number} steps",
            msgstr_plural={0: "{number} Schritt", 1: "{number} Schritte"},
        )
    )
    return Language("de", catalogue)


def card() -> Card:
    return Card(
        tone=Tone.WAITING,
        text=("> a red circle", say("**Waiting.** You are number {place} in line.", place=3)),
        small=(joined(" · ", ("mini", count("{number} step", "{number} steps", 20))),),
        pictures=(Attached(name="a.png", alt=say("the picture"), data=b""),),
        buttons=(Button(action=Action.CANCEL, job=JOB, label=say("Cancel")),),
        menu=Menu(
            action=Action.GROW,
            job=JOB,
            placeholder=say("Choose…"),
            entries=(Entry("pan left", say("left")),),
        ),
    )


async def test_all_of_a_card_is_said_in_the_language_of_who_reads_it() -> None:
    parts = every_component(layout(card(), german()))
    texts = [part["content"] for part in parts if "content" in part]
    assert texts == [
        "> a red circle\n**Warten.** Du bist Nummer 3 in der Reihe.",
        "-# mini · 20 Schritte",
    ]
    assert [part["label"] for part in parts if "label" in part] == ["Abbrechen"]
    menu = next(part for part in parts if "options" in part)
    assert menu["placeholder"] == "Wähle…"
    assert [(option["label"], option["value"]) for option in menu["options"]] == [("links", "pan left")]
    gallery = next(part for part in parts if "items" in part)
    assert gallery["items"][0]["description"] == "das Bild"
    assert files(card(), german())[0].description == "das Bild"


async def test_what_counts_towards_a_limit_is_what_is_read_and_not_the_english() -> None:
    short = Card(tone=Tone.DONE, text=(say("A"), say("left")))
    in_long = german(A="ä" * 3590)
    assert 3590 < layout(short, in_long).content_length() <= MAX_TEXT
    in_too_long = german(left="ä" * 9000)
    assert 0 < layout(short, in_too_long).content_length() <= MAX_TEXT
    [text] = [part["content"] for part in every_component(layout(short, in_too_long)) if "content" in part]
    assert text == "A\n… and more, for which a message has no room."
    alt = Card(tone=Tone.DONE, text=("a",), pictures=(Attached(name="a.png", alt=say("left"), data=b""),))
    [file] = files(alt, in_too_long)
    assert len(file.description or "") == 1024


async def test_what_is_too_long_in_a_language_for_its_place_is_shortened() -> None:
    long = german(**dict.fromkeys(("Cancel", "Choose…", "left", "the picture"), "ä" * 2000))
    parts = every_component(layout(card(), long))
    [button] = [part for part in parts if "label" in part]
    menu = next(part for part in parts if "options" in part)
    [item] = next(part for part in parts if "items" in part)["items"]
    texts = button["label"], menu["placeholder"], menu["options"][0]["label"], item["description"]
    assert [len(text) for text in texts] == [80, 150, 100, 1024]


def test_what_is_made_of_a_sentence_can_be_said_in_another_language() -> None:
    de = german(**{"{some} and {last}": "{some} und {last}"})
    assert de(altered(say("the picture"), str.upper)) == "DAS BILD"
    assert altered(say("the picture"), str.upper) == "THE PICTURE" == altered("the picture", str.upper)
    assert de(say("{what}!", what=altered(say("left"), str.upper))) == "LINKS!"
    assert enumerated(["1", "2", "3"]) == "1, 2 and 3"
    assert de(enumerated(["1", say("left"), "3"])) == "1, links und 3"
    assert enumerated(["1"]) == "1"


def test_a_locale_finds_the_language_that_is_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {code: Language(code) for code in ("en", "de", "es-ES")}
    monkeypatch.setattr("bot.language.languages", lambda: known)
    found = {code: language(code).code for code in ("de", "es-419", "es-ES", "en-GB", "en-US", "ko", "")}
    assert found == {
        "de": "de",
        "es-419": "es-ES",
        "es-ES": "es-ES",
        "en-GB": "en",
        "en-US": "en",
        "ko": "en",
        "": "en",
    }


async def payloads(translator: app_commands.Translator) -> list[dict[str, Any]]:
    """All commands as Discord is told of them, with every option that they can have."""
    async with Atelier(choose_model=True, take_looks=True) as client:
        commands = client.tree.get_commands()
        return [await command.get_translated_payload(client.tree, translator) for command in commands]


def longest(told: Any) -> int:
    """What Discord counts of a command: of each text the longest of all languages."""
    if isinstance(told, list):
        return sum(map(longest, told))
    if not isinstance(told, dict):
        return 0
    total = 0
    for key in ("name", "description"):
        texts = [told.get(key) or "", *(told.get(f"{key}_localizations") or {}).values()]
        total += max(map(len, texts))
    return (
        total + len(str(told.get("value", ""))) + longest(told.get("options")) + longest(told.get("choices"))
    )


async def test_every_command_is_within_what_discord_takes_in_every_language() -> None:
    for told in await payloads(Translator()):
        assert longest(told) <= MAX_OF_COMMAND, told["name"]


async def test_what_discord_is_told_names_commands_and_options_in_one_way_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Everything(Language):
        def one(self, template: str) -> str:
            return template.upper()

    monkeypatch.setattr("bot.language.languages", lambda: {"en": Language("en"), "de": Everything("de")})
    told = {each["name"]: each for each in await payloads(Translator())}
    imagine = told["imagine"]
    assert imagine["description_localizations"] == {"de": "DRAW A PICTURE FROM WORDS"}
    assert "name_localizations" not in imagine or not imagine["name_localizations"]
    for option in imagine["options"]:
        assert not option.get("name_localizations"), option["name"]
        assert option["description_localizations"] == {"de": option["description"].upper()}
    aspect = next(option for option in imagine["options"] if option["name"] == "aspect")
    assert aspect["choices"][0]["name_localizations"] == {"de": "SQUARE 1:1"}
    assert aspect["choices"][0]["value"] == "square 1:1"
    assert told["Show settings"]["name_localizations"] == {"de": "SHOW SETTINGS"}
    group = told["styles"]
    assert not group["name_localizations"]
    assert not group["options"][0]["name_localizations"]


async def test_an_option_that_means_nothing_here_is_not_offered_in_any_language() -> None:
    async with Atelier() as client:
        command = client.tree.get_command("imagine")
        assert command is not None
        told = await command.get_translated_payload(client.tree, Translator())
    names = {option["name"] for option in told["options"]}
    assert "prompt" in names
    assert not {"model", "look", "look_weight"} & names


def test_catalogues_are_named_as_discord_names_languages() -> None:
    known = {locale.value for locale in discord.Locale}
    assert set(languages()) - {"en"} <= known


def test_a_slip_in_a_catalogue_is_said_in_english_and_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = say("It is {what}.", what="here")
    for slip in ("Es ist {was}.", "Es ist {what", "Es ist {}.", "Es ist {what:d}.", "Es ist {what.x}."):
        caplog.clear()
        assert german(**{"It is {what}.": slip})(told) == "It is here."
        assert "de.po" in caplog.text
        assert "here" not in caplog.text, "what people say is none of the log's business"


def test_a_catalogue_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    head = 'msgid ""\nmsgstr ""\n"Plural-Forms: {rule}\\n"\n\nmsgid "Cancel"\nmsgstr "{said}"\n'
    files = {
        "de": head.format(rule="nplurals=2; plural=(n != 1);", said="Abbrechen"),
        "fr": head.format(rule="nplurals=2; plural=import;", said="Annuler"),
        "it": "this is none",
        "ja": 'msgid "Cancel"\nmsgstr "x"\n',
    }
    for code, text in files.items():
        (tmp_path / f"{code}.po").write_text(text, "utf-8")
    monkeypatch.setattr("bot.language.CATALOGUES", tmp_path)
    languages.cache_clear()
    try:
        assert language("de")(say("Cancel")) == "Abbrechen"
        assert set(languages()) == {"en", "de"}
    finally:
        languages.cache_clear()
    assert all(f"{code}.po cannot be read" in caplog.text for code in ("fr", "it", "ja"))


class Marked(Language):
    """A language in which all that is translated stands in brackets."""

    def one(self, template: str) -> str:
        return f"⟦{template}⟧"

    def one_of(self, singular: str, plural: str, number: int) -> str:
        return f"⟦{singular if number == 1 else plural}⟧"


def unsaid(text: str) -> set[str]:
    """The words of a text that were not said in the language."""
    while "⟦" in text:
        text = re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    return set(re.findall(r"[A-Za-z]{2,}", text))


async def test_nothing_of_a_card_stays_english_but_names_and_what_people_typed() -> None:
    size = Size(width=256, height=256)
    wholly = job(
        count=2,
        negative_prompt="blurry",
        hires=Hires(size=size, steps=3, strength=0.5),
        variations=(Variation(seed=Seed(1), strength=0.2),),
        look=Look(picture=Digest("a" * 64)),
    )
    begun = job(start=Start(picture=Digest("a" * 64), strength=0.5))
    large = job(upscale=Upscale(picture=Digest("a" * 64), upscaler="Sharp", factor=2.0, size=size))
    loading = Loading(model=MODEL.source, fetched=10, total=100)
    cards = [
        card_for(event, SHELF, seconds=77)
        for of in (job(), wholly, begun, large)
        for event in (
            Queued(job=of, place=1),
            Queued(job=of, place=3, loading=loading),
            Queued(job=of, place=2, trouble=say("The disk is full.")),
            Progressed(job=of, step=3, steps=9),
            Finished(job=done(of), pictures=pictures(of)),
            Finished(job=replace(done(of), safety=Safety.HOLD, review=Review.WAITING), pictures=()),
            Failed(job=of.moved(JobState.FAILED, failure=say("The disk is full."))),
            Cancelled(job=replace(of, state=JobState.CANCELLED)),
        )
    ]
    cards += [settings_card(of, SHELF, parent_link=None) for of in (job(), wholly, begun, large)]
    typed = {"red", "circle", "blurry", "Mini", "Euler", "Sharp"}
    for each in cards:
        texts = [file.description or "" for file in files(each, Marked("xx"))]
        for part in every_component(layout(each, Marked("xx"))):
            texts += [part[key] for key in ("content", "label", "placeholder") if part.get(key)]
            texts += [option["label"] for option in part.get("options", ())]
        for text in texts:
            assert unsaid(text) <= typed, text


async def test_nothing_of_a_page_of_the_history_stays_english_but_what_people_typed() -> None:
    size = Size(width=256, height=256)
    upscale = Upscale(picture=Digest("a" * 64), upscaler="Sharp", factor=2.0, size=size, brought=True)
    brought = job("A picture that somebody brought", upscale=upscale)
    jobs = (job(), brought, job().moved(JobState.FAILED, failure=say("The disk is full.")))
    page = Page(
        entries=tuple(Past(job=of, pictures=(), address=None) for of in jobs),
        has_newer=True,
        has_older=True,
    )
    for part in nested(components(page_view(page, (), Marked("xx")))):
        texts = [part[key] for key in ("content", "label", "placeholder") if part.get(key)]
        for text in (*texts, *(option["label"] for option in part.get("options", ()))):
            assert unsaid(text) <= {"red", "circle"}, text
