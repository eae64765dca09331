"""Buttons, selects, modals and Components V2, as discord.py makes them and a person uses them."""

from __future__ import annotations

import io
import re
from typing import Any, Self

import discord
import pytest
from discord import ui

from playground import Person, PersonError, Playground, RefusedError
from playground.nouns import Json
from playground.reading import button_labels, components_of, is_ephemeral, text_of
from tests.playground.bots import Bot, Press, png, running, view_of


class Card(ui.LayoutView):
    """A container with text and a picture, and buttons below, as the project's own bot shows it."""

    def __init__(self, text: str, picture: str | None, *buttons: ui.Button[Any]) -> None:
        super().__init__(timeout=None)
        container: ui.Container[Self] = ui.Container(ui.TextDisplay(text))
        if picture:
            item = discord.MediaGalleryItem(f"attachment://{picture}", description="A grey square")
            container.add_item(ui.MediaGallery(item))
        self.add_item(container)
        if buttons:
            self.add_item(ui.ActionRow(*buttons))


class Reroll(ui.DynamicItem[ui.Button[Any]], template=r"reroll:(?P<number>\d+)"):
    """A button whose state is in its custom_id, so that it works after a restart."""

    def __init__(self, number: int) -> None:
        super().__init__(ui.Button(label="Reroll", custom_id=f"reroll:{number}"))
        self.number = number

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["number"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        picture = discord.File(io.BytesIO(png(4, 4)), "new.png")
        card = Card(f"Number {self.number + 1}", "new.png")
        row: ui.ActionRow[Any] = ui.ActionRow()
        row.add_item(Reroll(self.number + 1))
        card.add_item(row)
        await interaction.response.send_message(view=card, file=picture)


class DrawingBot(Bot):
    def __init__(self) -> None:
        super().__init__()

        @self.tree.command()
        async def draw(interaction: discord.Interaction) -> None:
            card = Card("Number 1", "a.png")
            row: ui.ActionRow[Any] = ui.ActionRow()
            row.add_item(Reroll(1))
            card.add_item(row)
            await interaction.response.send_message(view=card, file=discord.File(io.BytesIO(png()), "a.png"))

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Reroll)
        await super().setup_hook()


async def test_a_card_shows_its_text_picture_and_buttons(playground: Playground, anna: Person) -> None:
    async with running(DrawingBot(), playground):
        message = await anna.answer(await anna.command("draw"))
        (gallery,) = [part for part in components_of(message) if part["type"] == 12]
        media = gallery["items"][0]["media"]
        assert await anna.fetch(media["url"]) == png()
    assert text_of(message) == "Number 1"
    assert button_labels(message) == ["Reroll"]
    assert (media["width"], media["height"], media["content_type"]) == (2, 2, "image/png")
    assert media["attachment_id"] == message["attachments"][0]["id"]
    numbers = [part["id"] for part in components_of(message)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


async def test_a_button_works_after_the_bot_was_restarted(playground: Playground, anna: Person) -> None:
    async with running(DrawingBot(), playground):
        message = await anna.answer(await anna.command("draw"))
    async with running(DrawingBot(), playground):
        for number in (2, 3):
            message = await anna.answer(await anna.press(message, "Reroll"))
            assert text_of(message) == f"Number {number}"
    assert message["message_reference"]["message_id"] in anna.seen


async def test_a_press_may_update_the_message_and_drop_its_files(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def draw(interaction: discord.Interaction) -> None:
        async def empty(press: discord.Interaction) -> None:
            await press.response.edit_message(view=Card("Gone", None), attachments=[])

        file = discord.File(io.BytesIO(png()), "a.png")
        await interaction.response.send_message(view=Card("Here", "a.png", Press("Empty", empty)), file=file)

    async with running(bot, playground):
        message = await anna.answer(await anna.command("draw"))
        await anna.press(message, "empty")
        after = await anna.message(lambda message: text_of(message) == "Gone")
        with pytest.raises(RefusedError, match="404"):
            await anna.fetch(message["attachments"][0])
    assert after["id"] == message["id"]
    assert after["attachments"] == []
    assert after["edited_timestamp"] is not None


async def test_an_edit_keeps_files_it_lists_and_adds_new_ones(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def draw(interaction: discord.Interaction) -> None:
        files = [discord.File(io.BytesIO(png(n, n)), f"{n}.png") for n in (1, 2)]
        await interaction.response.send_message("two", files=files)
        message = await interaction.original_response()
        new = discord.File(io.BytesIO(png(3, 3)), "3.png")
        await message.edit(content="other two", attachments=[message.attachments[1], new])

    async with running(bot, playground):
        await anna.command("draw")
        after = await anna.message(lambda message: message["content"] == "other two")
        assert [await anna.fetch(a) for a in after["attachments"]] == [png(2, 2), png(3, 3)]
    assert [attachment["filename"] for attachment in after["attachments"]] == ["2.png", "3.png"]


async def test_a_deferred_press_changes_the_message_later(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def ask(interaction: discord.Interaction) -> None:
        async def yes(press: discord.Interaction) -> None:
            await press.response.defer()
            await press.edit_original_response(content="Thanks", view=None)

        await interaction.response.send_message("Really?", view=view_of(Press("Yes", yes)))

    async with running(bot, playground):
        message = await anna.answer(await anna.command("ask"))
        await anna.press(message, "Yes")
        after = await anna.message(lambda message: message["content"] == "Thanks")
        with pytest.raises(PersonError, match="no 'Yes' to use"):
            await anna.press(after, "Yes")
        with pytest.raises(RefusedError, match="no such component"):
            await anna.press(message, "Yes")
    assert after["components"] == []


async def test_a_message_becomes_components_v2_only_without_what_it_said_before(
    playground: Playground, bot: Bot
) -> None:
    async with running(bot, playground):
        message = await bot.guilds[0].text_channels[0].send("plain text")
        with pytest.raises(discord.HTTPException, match="'content' field cannot be used"):
            await message.edit(view=Card("A card", None))
        after = await message.edit(content=None, view=Card("A card", None))
        assert after.flags.components_v2
        await message.edit(view=Card("Another card", None))
        with pytest.raises(discord.HTTPException, match="'content' field cannot be used"):
            await message.edit(content="plain again", view=None)


async def test_selects_bring_their_values_and_what_they_name(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    got: list[object] = []

    class Choice(ui.View):
        @ui.select(
            custom_id="style", max_values=2, options=[discord.SelectOption(label=s) for s in ("oil", "ink")]
        )
        async def style(self, press: discord.Interaction, select: ui.Select[Any]) -> None:
            got.append(select.values)
            await press.response.send_message("ok", ephemeral=True)

        @ui.select(cls=ui.UserSelect, custom_id="who")
        async def who(self, press: discord.Interaction, select: ui.UserSelect[Any]) -> None:
            got.append([user.name for user in select.values])
            await press.response.send_message("ok", ephemeral=True)

    @bot.tree.command()
    async def choose(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Choose", view=Choice())

    async with running(bot, playground):
        message = await anna.answer(await anna.command("choose"))
        with pytest.raises(RefusedError, match="no such value"):
            await anna.select(message, "style", ["water"])
        with pytest.raises(RefusedError, match="between 1 and 2"):
            await anna.select(message, "style", [])
        await anna.select(message, "style", ["ink", "oil"])
        await anna.select(message, "who", [anna.id])
    assert got == [["ink", "oil"], ["anna"]]


class Settings(ui.Modal, title="Settings"):
    prompt: ui.Label[Any] = ui.Label(
        text="Prompt", component=ui.TextInput(default="a cat", max_length=20, custom_id="prompt")
    )
    style: ui.Label[Any] = ui.Label(
        text="Style",
        component=ui.Select(
            custom_id="style", options=[discord.SelectOption(label=label) for label in ("oil", "ink")]
        ),
    )

    def __init__(self, got: list[tuple[str, list[str]]]) -> None:
        super().__init__()
        self.got = got

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, ui.TextInput)
        assert isinstance(self.style.component, ui.Select)
        self.got.append((self.prompt.component.value, self.style.component.values))
        await interaction.response.edit_message(content="Changed")


async def test_a_modal_opens_from_a_button_and_its_values_arrive(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    got: list[tuple[str, list[str]]] = []

    @bot.tree.command()
    async def show(interaction: discord.Interaction) -> None:
        async def open_modal(press: discord.Interaction) -> None:
            await press.response.send_modal(Settings(got))

        await interaction.response.send_message("Here", view=view_of(Press("Settings", open_modal)))

    async with running(bot, playground):
        message = await anna.answer(await anna.command("show"))
        asked = await anna.press(message, "Settings")
        assert asked.modal is not None
        assert asked.modal["title"] == "Settings"
        with pytest.raises(RefusedError, match="20 or fewer"):
            await anna.submit(asked, {"Prompt": "x" * 21, "Style": ["oil"]})
        with pytest.raises(PersonError, match="no field Colour"):
            await anna.submit(asked, {"Colour": "red"})
        await anna.submit(asked, {"Style": ["ink"]})
        after = await anna.message(lambda message: message["content"] == "Changed")
    assert got == [("a cat", ["ink"])]
    assert after["id"] == message["id"]


async def test_only_the_one_who_asked_sees_an_ephemeral_answer(
    playground: Playground, bot: Bot, anna: Person, bruno: Person
) -> None:
    @bot.tree.command()
    async def whisper(interaction: discord.Interaction) -> None:
        async def more(press: discord.Interaction) -> None:
            await press.response.edit_message(content="psst psst")

        await interaction.response.send_message("psst", view=view_of(Press("More", more)), ephemeral=True)
        await interaction.followup.send("loud")

    async with running(bot, playground):
        message = await anna.answer(await anna.command("whisper"), is_ephemeral)
        await bruno.message(lambda message: message["content"] == "loud")
        assert [m["content"] for m in bruno.seen.values()] == ["loud"]
        with pytest.raises(RefusedError, match="Unknown Message"):
            await bruno.press(message, "More")
        await anna.press(message, "More")
        await anna.message(lambda message: message["content"] == "psst psst")
        assert [m["content"] for m in await anna.messages()] == ["loud"]
    channel = playground.world.channels[playground.world.first_channel.id]
    assert channel.last_message == int(next(iter(bruno.seen)))


def _button(custom_id: str = "a", **fields: object) -> Json:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id, **fields}


def _row(*children: Json) -> Json:
    return {"type": 1, "components": list(children)}


_TEXT: Json = {"type": 10, "content": "Hello"}
_V2 = 1 << 15


@pytest.mark.parametrize(
    ("body", "path", "problem"),
    [
        ({"components": [_TEXT]}, "components.0.type", "must be one of"),
        ({"components": [_row(*(_button(str(n)) for n in range(6)))]}, "components.0.components", "between"),
        ({"components": [_row(_button())] * 6}, "components", "between 1 and 5"),
        ({"components": [_row(_button(), _button())]}, "components.0.components.1.custom_id", "duplicated"),
        ({"components": [_row(_button("x" * 101))]}, "components.0.components.0.custom_id", "100"),
        ({"components": [_row(_button(label="x" * 81))]}, "components.0.components.0.label", "80 or fewer"),
        (
            {"components": [_row({"type": 2, "style": 1, "label": "Go"})]},
            "components.0.components.0.custom_id",
            "required",
        ),
        ({"components": [_row({"type": 2, "style": 5})]}, "components.0.components.0.url", "required"),
        ({"components": [_TEXT], "content": "x", "flags": _V2}, "content", "cannot be used"),
        ({"components": [_TEXT] * 41, "flags": _V2}, "components", "40"),
        (
            {"components": [{"type": 17, "components": [_TEXT] * 40}], "flags": _V2},
            "components",
            "is 41; at most 40",
        ),
        (
            {"components": [{"type": 10, "content": "x" * 2001}] * 2, "flags": _V2},
            "components",
            "maximum size of 4000",
        ),
        (
            {"components": [{"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]}], "flags": _V2},
            "components.0.items.0.media.url",
            "a.png was not found",
        ),
        (
            {
                "components": [{"type": 12, "items": [{"media": {"url": "ftp://x.example/a.png"}}]}],
                "flags": _V2,
            },
            "components.0.items.0.media.url",
            '"ftp" is not supported',
        ),
        (
            {"components": [{"type": 9, "components": [_TEXT]}], "flags": _V2},
            "components.0.accessory",
            "requ",
        ),
    ],
)
async def test_components_discord_would_refuse_are_refused(
    playground: Playground, bot: Bot, body: Json, path: str, problem: str
) -> None:
    async with running(bot, playground):
        route = discord.http.Route(
            "POST", "/channels/{channel_id}/messages", channel_id=playground.world.first_channel.id
        )
        with pytest.raises(discord.HTTPException) as caught:
            await bot.http.request(route, json={"content": "", **body} if "content" not in body else body)
    playground.violations.clear()
    assert (caught.value.status, caught.value.code) == (400, 50035)
    assert path in caught.value.text
    assert problem in caught.value.text or playground.openapi is not None
