"""Messages in channels: files, limits, mentions, replies, history and who may do what."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import discord
import pytest

from playground import Person, Playground, RefusedError
from playground.drafts import FILE_LIMIT
from tests.playground.bots import Bot, png, running


@pytest.fixture
async def online(playground: Playground, bot: Bot) -> AsyncIterator[Bot]:
    async with running(bot, playground):
        yield bot


def place(bot: Bot, name: str = "pictures") -> discord.TextChannel:
    (guild,) = bot.guilds
    return next(channel for channel in guild.text_channels if channel.name == name)


async def refusal(awaited: object) -> tuple[int, int, str]:
    """Status, code and text of the refusal that must come."""
    with pytest.raises(discord.HTTPException) as caught:
        await awaited  # type: ignore[misc]
    return caught.value.status, caught.value.code, caught.value.text


async def test_a_message_is_sent_edited_fetched_and_deleted(online: Bot, anna: Person) -> None:
    sent = await place(online).send("one")
    await sent.edit(content="two")
    assert (await place(online).fetch_message(sent.id)).content == "two"
    seen = await anna.message(lambda message: message["content"] == "two")
    assert seen["edited_timestamp"] is not None
    await sent.delete()
    await anna.until(lambda: str(sent.id) in anna.deleted)
    assert await refusal(place(online).fetch_message(sent.id)) == (404, 10008, "Unknown Message")
    assert await anna.messages() == []


async def test_files_come_back_byte_for_byte_with_their_alt_text(online: Bot, anna: Person) -> None:
    files = [
        discord.File(io.BytesIO(png(3, 5)), "schön & gut.png", description="Grey"),
        discord.File(io.BytesIO(b"<script>"), "page.html"),
        discord.File(io.BytesIO(b"no picture"), "fake.png"),
    ]
    sent = await place(online).send(files=files)
    assert [await attachment.read() for attachment in sent.attachments] == [
        png(3, 5),
        b"<script>",
        b"no picture",
    ]
    message = await anna.message(lambda message: message["attachments"])
    picture, page, fake = message["attachments"]
    assert (picture["width"], picture["height"], picture["description"]) == (3, 5, "Grey")
    assert picture["filename"] == "schn__gut.png"
    assert page["content_type"].startswith("text/html")
    assert fake["content_type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": "x" * 2001}, (400, 50035, "Must be 2000 or fewer")),
        ({"content": ""}, (400, 50006, "Cannot send an empty message")),
        ({"embed": discord.Embed(title="x" * 257)}, (400, 50035, "Must be 256 or fewer")),
        ({"embed": discord.Embed(description="x" * 4097)}, (400, 50035, "Must be 4096 or fewer")),
        (
            {"embeds": [discord.Embed(description="x" * 3001)] * 2},
            (400, 50035, "Embed size exceeds maximum size of 6000"),
        ),
        ({"nonce": "x" * 26}, (400, 50035, "")),
    ],
)
async def test_what_is_too_long_is_refused(
    playground: Playground, online: Bot, fields: dict[str, object], expected: tuple[int, int, str]
) -> None:
    status, code, text = await refusal(place(online).send(**fields))  # type: ignore[call-overload]
    playground.violations.clear()
    assert (status, code) == expected[:2]
    assert expected[2] in text


async def test_files_have_limits(playground: Playground, online: Bot) -> None:
    def files(count: int, size: int, description: str | None = None) -> list[discord.File]:
        return [
            discord.File(io.BytesIO(bytes(size)), f"{n}.bin", description=description) for n in range(count)
        ]

    send = place(online).send
    assert await refusal(send(files=files(1, FILE_LIMIT + 1))) == (413, 40005, "Request entity too large")
    assert await refusal(send(files=files(3, FILE_LIMIT - 1024))) == (413, 40005, "Request entity too large")
    assert (await refusal(send(files=files(11, 1))))[:2] == (400, 50035)
    assert (await refusal(send(files=files(1, 1, "x" * 1025))))[:2] == (400, 50035)
    playground.violations.clear()
    sent = await send(files=files(2, FILE_LIMIT))
    assert [attachment.size for attachment in sent.attachments] == [FILE_LIMIT, FILE_LIMIT]


async def test_a_nonce_sends_a_message_only_once(online: Bot, anna: Person) -> None:
    route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=place(online).id)
    body = {"content": "once", "nonce": "job-1", "enforce_nonce": True}
    first = await online.http.request(route, json=body)
    again = await online.http.request(route, json={**body, "content": "twice"})
    other = await online.http.request(route, json={**body, "nonce": "job-2"})
    assert again["id"] == first["id"] != other["id"]
    assert again["content"] == "once"
    assert len(await anna.messages()) == 2


@pytest.mark.parametrize(
    ("allowed", "users", "roles"),
    [
        (discord.AllowedMentions.none(), False, False),
        (discord.AllowedMentions.all(), True, True),
        (discord.AllowedMentions(users=True, roles=False), True, False),
        (discord.AllowedMentions(users=[discord.Object(1)], roles=True), False, True),
    ],
)
async def test_only_allowed_mentions_ping(
    playground: Playground,
    online: Bot,
    anna: Person,
    allowed: discord.AllowedMentions,
    users: bool,
    roles: bool,
) -> None:
    role = next(role for role in playground.world.roles.values() if role.name == "Regular")
    text = f"<@{anna.id}> <@&{role.id}> @everyone"
    await place(online).send(text, allowed_mentions=allowed)
    message = await anna.message(lambda message: message["content"] == text)
    assert [user["id"] for user in message["mentions"]] == [anna.id] * users
    assert message["mention_roles"] == [str(role.id)] * roles
    assert message["mention_everyone"] is False, "the bot may not mention everyone"


async def test_a_moderator_may_mention_everyone(anna: Person, mina: Person) -> None:
    assert (await anna.say("@everyone look"))["mention_everyone"] is False
    assert (await mina.say("@everyone look"))["mention_everyone"] is True


async def test_a_reply_names_what_it_replies_to(online: Bot, anna: Person) -> None:
    said = await anna.say("question")
    heard = await place(online).fetch_message(int(said["id"]))
    await heard.reply("answer")
    reply = await anna.message(lambda message: message["content"] == "answer")
    assert reply["type"] == 19
    assert reply["referenced_message"]["content"] == "question"
    assert [user["id"] for user in reply["mentions"]] == [anna.id]
    await anna.delete(said)
    status, code, _ = await refusal(heard.reply("again"))
    assert (status, code) == (400, 50035)
    (left,) = [m for m in await anna.messages() if m["content"] == "answer"]
    assert left["referenced_message"] is None


async def test_embeds_show_attached_files(online: Bot, anna: Person) -> None:
    embed = discord.Embed(title="Card").add_field(name="Seed", value="1")
    embed.set_image(url="attachment://a.png")
    await place(online).send(embed=embed, file=discord.File(io.BytesIO(png(7, 9)), "a.png"))
    message = await anna.message(lambda message: message["embeds"])
    image = message["embeds"][0]["image"]
    assert await anna.fetch(image["url"]) == png(7, 9)
    assert (image["width"], image["height"]) == (7, 9)
    assert message["embeds"][0]["fields"] == [{"inline": True, "name": "Seed", "value": "1"}]


async def test_history_is_read_before_after_and_around(playground: Playground, anna: Person) -> None:
    playground.ratelimits.limits.clear()
    said = [await anna.say(str(n)) for n in range(6)]
    path = f"/channels/{anna.channel_id}/messages"

    async def contents(query: str) -> list[str]:
        return [message["content"] for message in await anna.request("GET", path + query)]

    assert await contents("") == ["5", "4", "3", "2", "1", "0"]
    assert await contents("?limit=2") == ["5", "4"]
    assert await contents(f"?before={said[2]['id']}") == ["1", "0"]
    assert await contents(f"?after={said[2]['id']}&limit=2") == ["4", "3"]
    assert await contents(f"?around={said[3]['id']}&limit=3") == ["4", "3", "2"]
    with pytest.raises(RefusedError, match="between 1 and 100"):
        await contents("?limit=101")


async def test_people_see_only_the_channels_they_are_in(
    playground: Playground, online: Bot, anna: Person, mina: Person
) -> None:
    private = mina.channel("moderators")
    text = ["pictures", "showcase", "notices", "after-hours"]
    assert [channel["name"] for channel in anna.guild["channels"]] == [*text, "exhibition"]
    assert [channel.name for channel in online.guilds[0].text_channels] == text
    await mina.say("secret", channel_id=private)
    with pytest.raises(RefusedError, match="50001"):
        await anna.messages(private)
    with pytest.raises(RefusedError, match="50013"):
        await anna.say("me too", channel_id=anna.channel("notices"))
    assert await refusal(online.fetch_channel(int(private))) == (403, 50001, "Missing Access")
    assert (await refusal(place(online, "notices").send("me too")))[:2] == (403, 50013)
    await mina.say("for all", channel_id=mina.channel("notices"))
    await anna.message(lambda message: message["content"] == "for all")
    assert [message["content"] for message in anna.seen.values()] == ["for all"]
    assert (await refusal(online.fetch_channel(1)))[:2] == (404, 10003)
    assert playground.violations == []


async def test_only_the_author_edits_and_moderators_delete(
    online: Bot, anna: Person, bruno: Person, mina: Person
) -> None:
    said = await anna.say("mine")
    path = f"/channels/{said['channel_id']}/messages/{said['id']}"
    with pytest.raises(RefusedError, match="50005"):
        await bruno.request("PATCH", path, {"content": "yours"})
    with pytest.raises(RefusedError, match="50013"):
        await bruno.delete(said)
    assert (await anna.request("PATCH", path, {"content": "still mine"}))["content"] == "still mine"
    await mina.delete(said)
    assert await anna.messages() == []


async def test_direct_messages_go_both_ways(
    playground: Playground, online: Bot, anna: Person, bruno: Person
) -> None:
    heard: asyncio.Queue[discord.Message] = asyncio.Queue()

    @online.event
    async def on_message(message: discord.Message) -> None:
        if not message.author.bot:
            heard.put_nowait(message)

    direct = await anna.direct_messages()
    await anna.say("psst", channel_id=direct)
    message = await heard.get()
    assert isinstance(message.channel, discord.DMChannel)
    assert message.content == "psst"
    await message.channel.send("yes?")
    answer = await anna.message(lambda message: message["content"] == "yes?")
    assert answer["channel_id"] == direct
    user = await online.fetch_user(int(bruno.id))
    await user.send("hello")
    await bruno.message(lambda message: message["content"] == "hello")
    playground.world.closed_to_messages.add(playground.world.people[1].id)
    assert (await refusal(user.send("hello again")))[:2] == (403, 50007)
    with pytest.raises(RefusedError, match="50001"):
        await bruno.messages(direct)


async def test_commands_work_in_direct_messages(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def hello(interaction: discord.Interaction) -> None:
        assert interaction.guild is None
        await interaction.response.send_message(f"Hello {interaction.user.display_name}")

    async with running(bot, playground):
        direct = await anna.direct_messages()
        message = await anna.answer(await anna.command("hello", channel_id=direct))
    assert message["content"] == "Hello Anna"
    assert "guild_id" not in message


async def test_typing_is_shown_to_others(online: Bot, anna: Person) -> None:
    async with place(online).typing():
        pass
    typing = await anna.until(lambda: next((d for name, d in anna.events if name == "TYPING_START"), None))
    assert online.user is not None
    assert typing["user_id"] == str(online.user.id)


async def test_what_there_is_not_is_answered_as_discord_does(online: Bot, anna: Person) -> None:
    assert await refusal(online.fetch_user(1)) == (404, 10013, "Unknown User")
    assert await refusal(online.fetch_guild(1)) == (404, 10004, "Unknown Guild")
    assert await refusal(online.guilds[0].fetch_member(1)) == (404, 10007, "Unknown Member")
    route = discord.http.Route("GET", "/stage-instances/1")
    assert await refusal(online.http.request(route)) == (404, 0, "404: Not Found")
    route = discord.http.Route("POST", "/interactions/1/none/callback")
    body = {"type": 4, "data": {"content": "late"}}
    assert await refusal(online.http.request(route, json=body)) == (404, 10062, "Unknown interaction")
    assert online.application_id is not None
    route = discord.http.Route(
        "PATCH", "/webhooks/{webhook_id}/none/messages/@original", webhook_id=online.application_id
    )
    assert await refusal(online.http.request(route, json={"content": "x"})) == (404, 10015, "Unknown Webhook")
