"""Commands as a discord.py bot registers them and a person uses them."""

from __future__ import annotations

import asyncio
import io

import discord
import pytest
from discord import app_commands

from playground import InteractionFailed, Person, PersonError, Playground, RefusedError
from playground.reading import is_ephemeral, is_loading, text_of
from tests.playground.bots import Bot, png, running


async def test_a_command_is_answered(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def hello(interaction: discord.Interaction, name: str, times: int = 1) -> None:
        await interaction.response.send_message(f"Hello {name}! " * times)

    async with running(bot, playground):
        asked = await anna.command("hello", {"name": "world", "times": 2})
        message = await anna.answer(asked)
    assert text_of(message) == "Hello world! Hello world!"
    assert message["interaction"]["name"] == "hello"
    assert message["interaction_metadata"]["user"]["id"] == anna.id
    assert message["author"]["bot"]


async def test_an_answer_may_be_deferred_and_bring_files_later(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    picture = png(64, 32)

    @bot.tree.command()
    async def draw(interaction: discord.Interaction) -> None:
        callback = await interaction.response.defer(thinking=True)
        assert callback is not None
        assert callback.message_id is not None
        file = discord.File(io.BytesIO(picture), "a picture.png", description="Grey")
        await interaction.edit_original_response(content="Done", attachments=[file])
        await interaction.followup.send("Only for you", ephemeral=True)

    async with running(bot, playground):
        asked = await anna.command("draw")
        message = await anna.answer(asked)
        private = await anna.message(is_ephemeral)
        (attachment,) = message["attachments"]
        assert await anna.fetch(attachment) == picture
    assert (attachment["width"], attachment["height"]) == (64, 32)
    assert (attachment["filename"], attachment["description"]) == ("a_picture.png", "Grey")
    assert attachment["content_type"] == "image/png"
    assert not is_loading(message)
    assert private["content"] == "Only for you"
    assert bot.errors.empty()


async def test_the_first_follow_up_of_a_deferred_answer_becomes_it(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def later(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.followup.send("first")
        await interaction.followup.send("second")

    async with running(bot, playground):
        asked = await anna.command("later")
        await anna.message(lambda message: message["content"] == "second")
    first = await anna.answer(asked, lambda message: message["content"] == "first")
    assert first["type"] == 20
    assert len(anna.seen) == 2


async def test_a_bot_that_says_nothing_fails_after_three_seconds(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def silent(interaction: discord.Interaction) -> None:
        playground.clock.advance(3)
        await interaction.response.send_message("too late")

    async with running(bot, playground):
        with pytest.raises(InteractionFailed, match="did not respond within 3 seconds"):
            await anna.command("silent")
        error = await bot.errors.get()
    assert isinstance(error, discord.NotFound)
    assert error.code == 10062


async def test_while_the_bot_is_away_its_commands_fail(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    @bot.tree.command()
    async def hello(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("hello")

    async with running(bot, playground):
        pass
    asking = asyncio.create_task(anna.command("hello"))
    await anna.until(lambda: any(name == "INTERACTION_CREATE" for name, _ in anna.events))
    playground.clock.advance(3)
    with pytest.raises(InteractionFailed):
        await asking
    assert anna.seen == {}


async def test_an_interaction_is_answered_only_once(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("once")
        interaction.response._response_type = None
        try:
            await interaction.response.send_message("twice")
        except discord.HTTPException as error:
            bot.errors.put_nowait(error)
        await interaction.followup.send("end")

    async with running(bot, playground):
        await anna.command("twice")
        await anna.message(lambda message: message["content"] == "end")
    error = bot.errors.get_nowait()
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.code) == (400, 40060)


async def test_a_token_dies_after_fifteen_minutes(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def slow(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        playground.clock.advance(15 * 60)
        try:
            await interaction.edit_original_response(content="Done")
        except discord.HTTPException as error:
            bot.errors.put_nowait(error)
        assert isinstance(interaction.channel, discord.TextChannel)
        await interaction.channel.send("Done anyway")

    async with running(bot, playground):
        await anna.command("slow")
        await anna.message(lambda message: message["content"] == "Done anyway")
    error = bot.errors.get_nowait()
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.code) == (401, 50027)


async def test_what_a_person_fills_in_is_checked(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    @app_commands.choices(colour=[app_commands.Choice(name="Red", value="red")])
    async def paint(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 5],
        size: app_commands.Range[int, 1, 10] = 1,
        colour: app_commands.Choice[str] | None = None,
    ) -> None:
        await interaction.response.send_message(f"{prompt} {size} {colour and colour.name}")

    async with running(bot, playground):
        wrong: list[tuple[dict[str, object], str]] = [
            ({}, "required"),
            ({"prompt": "too long"}, "between 1 and 5"),
            ({"prompt": 5}, "as string"),
            ({"prompt": "a", "size": 11}, "less than or equal to 10"),
            ({"prompt": "a", "size": 1.5}, "not int"),
            ({"prompt": "a", "colour": "blue"}, "one of the choices"),
            ({"prompt": "a", "shape": "round"}, "Unknown option"),
        ]
        for options, problem in wrong:
            with pytest.raises(RefusedError, match=problem) as caught:
                await anna.command("paint", options)
            assert (caught.value.status, caught.value.code) == (400, 50035)
        asked = await anna.command("paint", {"prompt": "a", "size": 10, "colour": "red"})
        assert text_of(await anna.answer(asked)) == "a 10 Red"
        with pytest.raises(PersonError, match="no command 'draw'; it has paint"):
            await anna.command("draw")


async def test_options_of_every_kind_arrive_resolved(
    playground: Playground, bot: Bot, anna: Person, bruno: Person
) -> None:
    got = []

    @bot.tree.command()
    async def everything(
        interaction: discord.Interaction,
        text: str,
        whole: int,
        real: float,
        truth: bool,
        who: discord.Member,
        where: discord.TextChannel,
        what: discord.Role,
        either: discord.Role | discord.Member,
        file: discord.Attachment,
    ) -> None:
        got.append(
            (text, whole, real, truth, who.name, where.name, what.name, either.name, await file.read())
        )
        await interaction.response.send_message("ok")

    role = next(role for role in playground.world.roles.values() if role.name == "Moderator")
    async with running(bot, playground):
        asked = await anna.command(
            "everything",
            {
                "text": "a",
                "whole": 3,
                "real": 0.5,
                "truth": True,
                "who": bruno.id,
                "where": anna.channel("showcase"),
                "what": str(role.id),
                "either": anna.id,
                "file": ("note.txt", b"bytes"),
            },
        )
        await anna.answer(asked)
    assert got == [("a", 3, 0.5, True, "bruno", "showcase", "Moderator", "anna", b"bytes")]


async def test_sub_commands_and_groups_work(playground: Playground, bot: Bot, anna: Person) -> None:
    group = app_commands.Group(name="gallery", description="Pictures")
    inner = app_commands.Group(name="mine", description="My pictures", parent=group)

    @group.command()
    async def show(interaction: discord.Interaction, page: int) -> None:
        await interaction.response.send_message(f"page {page}")

    @inner.command()
    async def count(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("none")

    bot.tree.add_command(group)
    async with running(bot, playground):
        assert text_of(await anna.answer(await anna.command("gallery show", {"page": 4}))) == "page 4"
        assert text_of(await anna.answer(await anna.command("gallery mine count"))) == "none"
        with pytest.raises(RefusedError, match="Choose one of its sub-commands"):
            await anna.command("gallery")


async def test_choices_are_offered_while_typing(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def pick(interaction: discord.Interaction, style: str, colour: str = "") -> None:
        await interaction.response.send_message(style)

    @pick.autocomplete("style")
    async def offer(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        colour = interaction.namespace.colour
        return [app_commands.Choice(name=f"{typed} in {colour}", value=typed)]

    async with running(bot, playground):
        choices = await anna.autocomplete("pick", "style", "wat", {"colour": "blue"})
    assert choices == [{"name": "wat in blue", "value": "wat"}]


async def test_context_menus_know_their_target(
    playground: Playground, bot: Bot, anna: Person, bruno: Person
) -> None:
    @bot.tree.context_menu(name="Repeat This")
    async def repeat(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(message.content.upper())

    @bot.tree.context_menu(name="Greet")
    async def greet(interaction: discord.Interaction, user: discord.Member) -> None:
        await interaction.response.send_message(f"Hello {user.display_name}")

    async with running(bot, playground):
        said = await bruno.say("quietly")
        asked = await anna.command("Repeat This", target=said["id"])
        assert text_of(await anna.answer(asked)) == "QUIETLY"
        asked = await anna.command("Greet", target=bruno.id)
        assert text_of(await anna.answer(asked)) == "Hello Bruno"


async def test_a_command_for_moderators_is_not_for_others(
    playground: Playground, bot: Bot, anna: Person, mina: Person
) -> None:
    @bot.tree.command()
    @app_commands.default_permissions(manage_guild=True)
    async def close(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("closed")

    async with running(bot, playground):
        assert [command["name"] for command in await mina.commands()] == ["close"]
        assert await anna.commands() == []
        assert text_of(await mina.answer(await mina.command("close"))) == "closed"


async def test_commands_may_be_of_one_server_and_then_not_in_direct_messages(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    guild = discord.Object(playground.world.guild.id)

    @bot.tree.command(guild=guild)
    async def here(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("here")

    async with running(bot, playground):
        await bot.tree.sync(guild=guild)
        assert text_of(await anna.answer(await anna.command("here"))) == "here"
        with pytest.raises(RefusedError, match="Unknown application command"):
            await anna.command("here", channel_id=await anna.direct_messages())


async def test_a_command_keeps_its_id_when_it_is_registered_again(
    playground: Playground, anna: Person
) -> None:
    def make(description: str) -> Bot:
        bot = Bot()

        @bot.tree.command(description=description)
        async def hello(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("hello")

        return bot

    async with running(make("One"), playground):
        (before,) = await anna.commands()
    async with running(make("One"), playground):
        (same,) = await anna.commands()
    async with running(make("Two"), playground):
        await anna.until(lambda: anna._commands is None)
        (changed,) = await anna.commands()
    assert (same["id"], same["version"]) == (before["id"], before["version"])
    assert changed["id"] == before["id"]
    assert changed["version"] != before["version"]
