"""Where the bot is no member, and where it is in a thread or a forum."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from playground import Person, Playground, RefusedError
from playground.nouns import Json
from playground.reading import is_ephemeral, text_of
from tests.playground.bots import Bot, Press, png, running, view_of

EVERYWHERE: dict[str, Any] = {
    "allowed_installs": app_commands.AppInstallationType(guild=True, user=True),
    "allowed_contexts": app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
}


@pytest.fixture
def asked_from(bot: Bot) -> list[discord.Interaction]:
    """What arrived: /everywhere is one's own to bring along, /here is for servers that have the bot."""
    found: list[discord.Interaction] = []

    async def answer(interaction: discord.Interaction) -> None:
        found.append(interaction)
        await interaction.response.send_message("heard", view=view_of(Press("Again", answer)))

    for name, where in (("everywhere", EVERYWHERE), ("here", {})):
        command: app_commands.Command[Any, ..., None] = app_commands.Command(
            name=name, description=name, callback=answer
        )
        command.allowed_installs = where.get("allowed_installs")
        command.allowed_contexts = where.get("allowed_contexts")
        bot.tree.add_command(command)
    return found


def owners(interaction: discord.Interaction) -> dict[int, int]:
    return {kind: int(whose) for kind, whose in interaction._integration_owners.items()}


async def test_who_added_the_app_to_their_account_brings_it_along(
    playground: Playground, bot: Bot, anna: Person, bruno: Person, asked_from: list[discord.Interaction]
) -> None:
    lobby = anna.channel("lobby")
    async with running(bot, playground):
        assert [command["name"] for command in await anna.commands(lobby)] == ["everywhere"]
        assert await bruno.commands(lobby) == []
        with pytest.raises(RefusedError, match="Unknown application command"):
            await anna.command("here", channel_id=lobby)
        with pytest.raises(RefusedError, match="Unknown application command"):
            await bruno.command("everywhere", channel_id=lobby)

        said = await anna.answer(await anna.command("everywhere", channel_id=lobby))
        seen = await bruno.message(lambda message: message["id"] == said["id"])
        assert seen["guild_id"] != anna.guild["id"]
        assert "member" not in seen
        await bruno.answer(await bruno.press(seen, "Again"))
        here = await anna.command("everywhere")
    first, second, third = asked_from
    assert (first.guild_id, first.context.guild) == (int(seen["guild_id"]), True)
    assert bot.get_guild(int(seen["guild_id"])) is None
    assert owners(first) == owners(second) == {1: int(anna.id)}  # who pressed it is somebody else
    assert second.user.id == int(bruno.id)
    assert owners(third) == {0: int(anna.guild["id"]), 1: int(anna.id)}
    assert not first.app_permissions.send_messages
    assert here.id == str(third.id)


async def test_where_it_was_brought_along_the_bot_itself_may_nothing(
    playground: Playground, bot: Bot, anna: Person, asked_from: list[discord.Interaction]
) -> None:
    lobby = anna.channel("lobby")
    async with running(bot, playground):
        said = await anna.answer(await anna.command("everywhere", channel_id=lobby))
        place = bot.get_partial_messageable(int(lobby))
        for forbidden in (place.send("me, too"), place.fetch_message(int(said["id"]))):
            with pytest.raises(discord.Forbidden, match="50001"):
                await forbidden
        with pytest.raises(discord.Forbidden, match="50001"):
            await bot.fetch_guild(int(said["guild_id"]))
        hook = asked_from[0].followup
        for number in range(5):
            await hook.send(f"number {number}")
        with pytest.raises(discord.HTTPException, match="maximum number of follow up"):
            await hook.send("one too many")
        await asked_from[0].edit_original_response(content="but what is there can change")
        assert [m.content for m in bot.cached_messages if m.channel.id == int(lobby)] == []


async def test_where_external_apps_are_quiet_only_who_asked_hears_them(
    playground: Playground, bot: Bot, anna: Person, asked_from: list[discord.Interaction]
) -> None:
    async with running(bot, playground):
        said = await anna.answer(await anna.command("everywhere", channel_id=anna.channel("library")))
        assert is_ephemeral(said)
        more = await asked_from[0].followup.send("more", wait=True)
        assert more.flags.ephemeral
        assert not is_ephemeral(await anna.answer(await anna.command("everywhere")))


async def test_in_conversations_of_people_it_can_be_brought_along_too(
    playground: Playground, bot: Bot, anna: Person, bruno: Person, asked_from: list[discord.Interaction]
) -> None:
    async with running(bot, playground):
        for others in ([bruno.id], [bruno.id, str(playground.world.people[2].id)]):
            body = {"recipients": others}
            opened: Json = await anna.request("POST", "/users/@me/channels", body)
            said = await anna.answer(await anna.command("everywhere", channel_id=opened["id"]))
            await bruno.until(lambda number=said["id"]: number in bruno.seen)  # type: ignore[misc]
            with pytest.raises(RefusedError, match="Unknown application command"):
                await bruno.command("everywhere", channel_id=opened["id"])
            with pytest.raises(discord.Forbidden, match="50001"):
                await bot.get_partial_messageable(int(opened["id"])).send("me, too")
        direct = await anna.direct_messages()
        assert "heard" in text_of(await anna.answer(await anna.command("everywhere", channel_id=direct)))
    two, several, alone = asked_from
    assert two.context.private_channel
    assert several.context.private_channel
    assert isinstance(several.channel, discord.GroupChannel)
    assert owners(two) == owners(several) == {1: int(anna.id)}
    assert alone.context.dm_channel
    assert owners(alone) == {0: 0, 1: int(anna.id)}


async def test_who_removes_the_app_cannot_use_it_elsewhere_any_more(
    playground: Playground, bot: Bot, anna: Person, asked_from: list[discord.Interaction]
) -> None:
    lobby = anna.channel("lobby")
    async with running(bot, playground):
        await anna.command("everywhere", channel_id=lobby)
        playground.world.install(playground.world.people[0], installed=False)
        with pytest.raises(RefusedError, match="Unknown application command"):
            await anna.command("everywhere", channel_id=lobby)
        await anna.command("everywhere")
    assert owners(asked_from[-1]) == {0: int(anna.guild["id"])}


# Threads and forums ---------------------------------------------------------------------------------------


async def a_thread(person: Person, name: str = "aside", channel: str = "pictures") -> str:
    path = f"/channels/{person.channel(channel)}/threads"
    return str((await person.request("POST", path, {"name": name, "type": 11}))["id"])


async def test_a_thread_has_the_rules_of_its_channel_and_is_asked_in_like_one(
    playground: Playground, bot: Bot, anna: Person, mina: Person, asked_from: list[discord.Interaction]
) -> None:
    async with running(bot, playground):
        thread = await a_thread(anna)
        await anna.answer(await anna.command("here", channel_id=thread))
        (asked,) = asked_from
        assert isinstance(asked.channel, discord.Thread)
        assert asked.channel.parent_id == int(anna.channel("pictures"))
        await asked.channel.send("threads hear me")
        await mina.request(
            "POST", f"/channels/{mina.channel('moderators')}/threads", {"name": "secret", "type": 11}
        )
        secret = next(c for c in playground.world.channels.values() if c.name == "secret")
        with pytest.raises(RefusedError, match="50001"):
            await anna.say("let me in", channel_id=str(secret.id))
        assert [thread.name for thread in await bot.guilds[0].active_threads()] == ["aside"]


async def test_an_archived_thread_takes_nothing_but_a_new_message_and_a_locked_one_not_even_that(
    playground: Playground, bot: Bot, anna: Person, mina: Person, asked_from: list[discord.Interaction]
) -> None:
    async with running(bot, playground):
        thread = await a_thread(anna)
        said = await anna.answer(await anna.command("here", channel_id=thread))
        await anna.request("PATCH", f"/channels/{thread}", {"archived": True})
        with pytest.raises(RefusedError, match="50083"):
            await anna.command("here", channel_id=thread)
        with pytest.raises(RefusedError, match="50083"):
            await anna.press(said, "Again")
        with pytest.raises(discord.HTTPException, match="50083"):
            await asked_from[0].edit_original_response(content="too late")
        place = bot.get_partial_messageable(int(thread))
        await place.send("that wakes it")
        await asked_from[0].edit_original_response(content="in time")
        with pytest.raises(RefusedError, match="50013"):
            await anna.request("PATCH", f"/channels/{thread}", {"locked": True})
        await mina.request("PATCH", f"/channels/{thread}", {"locked": True, "archived": True})
        with pytest.raises(discord.Forbidden, match="160005"):
            await place.send("nothing wakes it")
        with pytest.raises(RefusedError, match="160005"):
            await anna.command("here", channel_id=thread)
        await mina.say("but a moderator does", channel_id=thread)


async def test_a_post_of_a_forum_begins_with_its_message(
    playground: Playground, bot: Bot, anna: Person, asked_from: list[discord.Interaction]
) -> None:
    async with running(bot, playground):
        forum = bot.guilds[0].forums[0]
        file = discord.File(io.BytesIO(png()), "a.png")
        made = await forum.create_thread(name="A picture", content="look", files=[file])
        assert made.thread.id == made.message.id
        await anna.say("fine", channel_id=str(made.thread.id))
        shown = await anna.message(lambda message: message["id"] == str(made.message.id))
        assert len(shown["attachments"]) == 1
        with pytest.raises(RefusedError, match="50008"):
            await anna.say("not here", channel_id=str(forum.id))
        with pytest.raises(discord.Forbidden, match="50013"):
            await bot.http.delete_channel(made.thread.id)


async def test_a_world_kept_by_an_earlier_playground_gets_the_neighbours_too(tmp_path: Path) -> None:
    async with Playground(data=tmp_path) as before:
        world = before.world
        first = world.first_channel
        for guild in [each for each in world.guilds.values() if each.strangers]:
            world.keeper.forget(guild)
            for role in world.roles_of(guild).values():
                world.keeper.forget(role)
            for channel in world.channels.values():
                if channel.guild == guild.id:
                    world.keeper.forget(channel)
    async with Playground(data=tmp_path) as after:
        assert len(after.world.guilds) == 2
        assert after.world.first_channel == first
