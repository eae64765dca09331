"""Styles: used, shown, kept by who may, brought from and to A1111."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from generation import metadata
from generation.prompting.styles import shipped
from generation.request import GenerationRequest
from playground.nouns import Json
from playground.person import Person
from playground.reading import is_ephemeral, is_loading, pictures_of, text_of
from tests.journeys.stage import Stage, draws, result, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

CSV = '\ufeffname,prompt,negative_prompt\r\nInk,"{prompt}, in ""black"" ink",color\r\nNone,,\r\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("bot")) as stage:
        yield stage


async def says_of(person: Person, command: str, channel_id: str | None = None, **options: Any) -> str:
    """What /styles answers, as it is read."""
    asked = await person.command(f"styles {command}", options, channel_id=channel_id)
    return (await told(person, asked)).replace("\\", "")


async def request_of(person: Person, card: Json) -> GenerationRequest:
    (picture,) = pictures_of(card)
    request = metadata.read(await person.fetch(picture)).request
    assert request is not None
    return request


async def offered(person: Person, command: str, option: str, typed: str) -> list[str]:
    return [choice["name"] for choice in await person.autocomplete(command, option, typed, {})]


async def test_a_style_of_the_server_is_saved_used_changed_and_deleted(stage: Stage) -> None:
    said = await says_of(
        stage.mina, "save", name="Night  Ink", prompt="{prompt} in {ink|oil}", negative_prompt="day"
    )
    assert said == "Saved `Night Ink` as one of the styles of this server."
    assert (await offered(stage.anna, "imagine", "style", "in"))[0] == "Night Ink"
    assert await offered(stage.anna, "imagine", "style", "nigh") == ["Night Ink", "Night"]

    card = await draws(stage.anna, "a red circle", style="night ink", seed=4, steps=1)
    made = await request_of(stage.anna, card)
    assert made.prompt in ("a red circle in ink", "a red circle in oil")
    assert made.template is not None
    assert (made.template.prompt, made.negative_prompt) == ("a red circle in {ink|oil}", "day")
    settings = await told(stage.bruno, await stage.bruno.press(card, "Settings"))
    assert "**Style** Night Ink" in settings
    assert "/imagine prompt:a red circle in {ink|oil} negative_prompt:day" in settings

    changed = await says_of(stage.mina, "save", name="NIGHT INK", prompt="other")
    assert changed.startswith("Changed `NIGHT INK`. Before, it was:\n**Prompt** {prompt} in {ink|oil}")
    assert "**Prompt** other" in await says_of(stage.bruno, "show", name="night ink")
    gone = await says_of(stage.mina, "delete", name="Night Ink")
    assert gone == "Deleted `NIGHT INK`. It was:\n**Prompt** other"
    # What was drawn with it needs it no more.
    again = await result(stage.bruno, await stage.bruno.press(card, "Reroll"))
    after = await request_of(stage.bruno, again)
    assert (after.template, after.style) == (made.template, "Night Ink")


async def test_a_shipped_style_goes_with_a_picture_and_can_be_replaced_here(stage: Stage) -> None:
    photo = await stage.anna.fetch(pictures_of(await draws(stage.anna, "a sun", steps=1))[0])
    asked = await stage.anna.command(
        "outpaint", {"image": ("sun.png", photo), "way": "pan left", "prompt": "a sun", "style": "watercolor"}
    )
    made = await request_of(stage.anna, await result(stage.anna, asked))
    assert (made.prompt, made.style) == ("a sun, watercolor painting", "Watercolor")
    said = await says_of(stage.mina, "delete", name="watercolor")
    assert said == "`Watercolor` comes along with me and cannot be deleted."
    said = await says_of(stage.mina, "save", name="watercolor", prompt="ours")
    assert "takes the place of the one that comes along" in said
    card = await draws(stage.anna, "a sun", style="Watercolor", image=("sun.png", photo), steps=4)
    assert (await request_of(stage.anna, card)).prompt == "a sun, ours"
    assert "is back in its place" in await says_of(stage.mina, "delete", name="WATERCOLOR")


async def test_styles_come_from_and_go_to_a_file(stage: Stage) -> None:
    async def exported() -> Json:
        asked = await stage.bruno.command("styles export", {})
        return await stage.bruno.answer(asked, lambda m: is_ephemeral(m) and not is_loading(m))

    assert text_of(await exported()) == "No styles are saved here yet; `/styles save` saves one."
    said = await says_of(stage.mina, "import", file=("styles.csv", CSV.encode()))
    assert said.splitlines() == [
        "I have saved one style.",
        "Line 3: The style `None` holds no prompt and no negative prompt.",
    ]
    other = ("styles.csv", CSV.replace("color", "grey").encode())
    said = await says_of(stage.mina, "import", file=other)
    assert said.splitlines()[:2] == [
        "Nothing has changed.",
        "Left out, for their names are taken here: `Ink`. With `overwrite` they replace what is here.",
    ]
    said = await says_of(stage.mina, "import", file=other, overwrite=True)
    assert said.startswith("I have changed one style.")
    (file,) = (await exported())["attachments"]
    assert file["filename"] == "styles.csv"
    assert (await stage.bruno.fetch(file)).decode() == CSV.replace("color", "grey").replace("None,,\r\n", "")
    listed = await says_of(stage.bruno, "list")
    assert "The styles of this server** `Ink`" in listed
    assert all(f"`{style.name}`" in listed for style in shipped())


async def test_a_thousand_styles_come_at_once_and_are_found(stage: Stage) -> None:
    direct = await stage.anna.direct_messages()
    rows = "".join(f"style number {number},painted {number}\n" for number in range(1000))
    file = ("styles.csv", f"name,prompt\n{rows}".encode())
    said = await says_of(stage.anna, "import", direct, file=file)
    assert said == "I have saved 1,000 styles."
    choices = await stage.anna.autocomplete("imagine", "style", "style number 99", {}, channel_id=direct)
    assert [choice["name"] for choice in choices][:2] == ["style number 99", "style number 990"]
    assert "and 9" in await says_of(stage.anna, "list", direct)
    said = await says_of(stage.anna, "save", direct, name="one more", prompt="x")
    assert "That would be 1,001 styles, and I keep 1,000 at the most" in said
    # They are hers alone, wherever she is.
    assert len(await offered(stage.anna, "imagine", "style", "number 99")) > 1
    assert await offered(stage.bruno, "imagine", "style", "number 99") == []
    assert len(await says_of(stage.anna, "list")) < 2000


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ("imagine", {"prompt": "a sun", "style": "Watercolour"}, "did you mean `Watercolor`?"),
        ("imagine", {"prompt": "a sun", "style": "`@everyone`"}, "`/styles list` shows which there are."),
        ("imagine", {"prompt": "x" * 1995, "style": "night"}, "With the style `Night` the prompt has 2,004"),
        ("imagine", {"prompt": "(a sun", "style": "night"}, "has a `(` that is never closed"),
        ("styles show", {"name": "zzz"}, "I do not know the style `zzz`"),
        ("styles delete", {"name": "zzz"}, "I do not know the style `zzz`"),
        ("styles save", {"name": "empty"}, "The style `empty` holds no prompt and no negative prompt."),
        ("styles save", {"name": "open", "prompt": "{a|b"}, "has a `{` that is never closed"),
        ("styles save", {"name": "n" * 101, "prompt": "x"}, "is not possible for a style"),
        ("styles import", {"file": ("styles.csv", b"a,b\n1,2\n")}, "The first line of the file must name"),
        ("styles import", {"file": ("cat.png", b"\x89PNG\r\n")}, "The file is not text in UTF-8"),
        ("styles import", {"file": ("styles.csv", b"name,prompt\nNone,\n")}, "There is no style in that fil"),
        pytest.param(
            *("styles import", {"file": ("big.csv", b"x" * 4_300_000)}, "The file has 4.1 MB; I can take 4"),
            marks=pytest.mark.filterwarnings("ignore:Sending a large body"),
        ),
    ],
)
async def test_what_cannot_be_is_a_private_sentence_and_nothing_is_kept(
    stage: Stage, command: str, options: dict[str, object], sentence: str
) -> None:
    before = len(await stage.bruno.messages()), counted(stage)
    assert sentence in await told(stage.mina, await stage.mina.command(command, options))
    assert (len(await stage.bruno.messages()), counted(stage)) == before


async def test_who_does_not_moderate_keeps_styles_for_themselves_only(stage: Stage) -> None:
    await says_of(stage.mina, "save", name="ours", prompt="{prompt}, ours")
    refused = "Only those who may manage messages or the server can change its styles"
    assert refused in await says_of(stage.anna, "import", file=("styles.csv", b""))
    assert refused in await says_of(stage.anna, "delete", name="ours")
    for place in (None, await stage.bruno.direct_messages()):
        said = await says_of(stage.bruno, "save", place, name="mine", prompt="x")
        assert said == "Saved `mine` as one of your styles."
        assert "I do not know the style" in await says_of(stage.anna, "show", name="mine")
        assert "Deleted `mine`." in await says_of(stage.bruno, "delete", name="mine")
    assert "ours" in await says_of(stage.anna, "show", name="ours")


def counted(stage: Stage) -> list[tuple[int, int]]:
    with sqlite3.connect(stage.bot.database) as database:
        return database.execute(
            "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM styles)"
        ).fetchall()
