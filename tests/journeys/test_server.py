"""A server's admins rule in chat: where, who, with what, in which words, for how long; and it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from playground.faults import Fault
from playground.person import Person
from playground.reading import button_labels, pictures_of, text_of
from tests.journeys.kept import change, rows, until
from tests.journeys.stage import Stage, asks, draws, staged, told
from tests.journeys.test_safety import at, private

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Another version of the bot writes some of its settings."""
    async with staged(
        tmp_path_factory.mktemp("bot"), expected_error="a setting that cannot be read"
    ) as stage:
        yield stage


async def decides(admin: Person, command: str, /, **options: Any) -> str:
    return (await told(admin, await admin.command(f"server {command}", options))).replace("\\", "")


async def refused(person: Person, prompt: str, **options: Any) -> str:
    return await told(person, await asks(person, prompt, **options))


async def test_an_admin_rules_where_who_and_in_which_words(stage: Stage) -> None:
    pictures, showcase = stage.anna.channel("pictures"), stage.anna.channel("showcase")
    old = await draws(stage.anna, "a bad dog")

    assert "Banned words" in await decides(stage.mina, "words ban", words="bad, red sky ,  Ugly")
    assert "Nothing has changed" in await decides(stage.mina, "words ban", words="BAD")
    wanted = "This server does not want “bad” in prompts, in any spelling."
    assert await refused(stage.anna, "a bаd dog") == wanted  # with a Cyrillic letter
    assert await refused(stage.mina, "a {b a d|good} dog", count=2) == wanted
    assert await refused(stage.anna, "a dog", negative_prompt="ＢＡＤ") == wanted
    for button in ("Reroll", "Vary a little", "Upscale"):
        assert await told(stage.bruno, await stage.bruno.press(old, button)) == wanted
    await decides(stage.mina, "words ban", words="pixel art")
    assert "“pixel art”" in await refused(stage.anna, "a dog", style="Pixel art")
    await decides(stage.mina, "words allow", word="PIXEL ART")
    await draws(stage.anna, "a badger under a sky, red")
    # Not within a server nothing is banned.
    await stage.anna.answer(
        await asks(stage.anna, "a bad dog", channel_id=await stage.anna.direct_messages()), pictures_of
    )
    said = await decides(stage.mina, "words allow", word="bad")
    assert said == "**Banned words** “red sky”, “Ugly”."

    await decides(stage.mina, "people block", person=stage.bruno.id)
    assert "you cannot ask me" in await refused(stage.bruno, "a dog")
    assert "you cannot ask me" in await told(stage.bruno, await stage.bruno.press(old, "Reroll"))
    assert await decides(stage.mina, "people block", person=stage.mina.id) == "That is you."
    await decides(stage.mina, "people unblock", person=stage.bruno.id)

    await decides(stage.mina, "channels allow", channel=showcase)
    assert await refused(stage.bruno, "a dog") == f"In this server I draw somewhere else: <#{showcase}>."
    await stage.bruno.answer(await asks(stage.bruno, "a dog", channel_id=showcase), pictures_of)
    said = await decides(stage.mina, "channels remove", channel=showcase)
    assert said.startswith("That is the only one.")
    await decides(stage.mina, "channels everywhere")

    said = await decides(stage.mina, "models adults", model="noise")
    assert (await refused(stage.bruno, "a dog")).startswith("No model may draw here.")
    await decides(stage.mina, "models adults", model="noise", only=False)

    said = await decides(stage.mina, "log", channel=showcase)
    assert "are told in <#" in said
    await decides(stage.mina, "words ban", words="worse")
    line = await stage.anna.message(at(showcase, "Banned words"))
    assert text_of(line) == f"<@{stage.mina.id}> changed **Banned words**: added “worse”"
    assert not line["mentions"]
    (listed,) = (await private(stage.mina, await stage.mina.command("server words list", {})))["attachments"]
    assert (await stage.mina.fetch(listed)).decode().splitlines() == ["red sky", "Ugly", "worse"]
    # What cannot be told is kept nevertheless.
    stage.playground.faults.add(Fault(method="POST", path=f"/channels/{showcase}/messages", status=403))
    said = await decides(stage.mina, "spoilers", always=True)
    assert said == "**Spoilers** over all pictures."
    await stage.mina.message(lambda message: "I could not tell of that in" in text_of(message))
    await decides(stage.mina, "defaults set", steps=7, count=2)
    offered = await stage.mina.autocomplete("server language", "language", "deu")
    assert [choice["value"] for choice in offered] == ["de"]
    assert await decides(stage.mina, "language", language="xx") == "That is none of the choices."
    await decides(stage.mina, "language", language="deutsch")
    card = await draws(stage.anna, "a dog", channel_id=pictures)
    assert len(pictures_of(card)) == 2
    assert all(each["filename"].startswith("SPOILER_") for each in pictures_of(card))
    assert rows(
        stage, "SELECT steps, locale FROM jobs JOIN deliveries ON id = job_id ORDER BY id DESC LIMIT 1"
    ) == [(7, "de")]
    assert "Neu würfeln" in button_labels(card)
    await decides(stage.mina, "defaults clear")
    await decides(stage.mina, "language", language="asker")

    page = text_of(await private(stage.mina, await stage.mina.command("server show", {})))
    assert "**Banned words** “red sky”, “Ugly”, “worse”. · <@" in page
    assert "**Channels** everywhere." in page
    listed = text_of(await private(stage.mina, await stage.mina.command("server changes", {})))
    assert "**Spoilers**: from off to on" in listed


async def test_pictures_are_forgotten_when_the_server_wants_it(stage: Stage) -> None:
    await draws(stage.anna, "a large kite")
    old, new = await draws(stage.anna, "an old kite"), await draws(stage.anna, "a new kite")
    assert (await decides(stage.mina, "retention", days=0)).startswith("I cannot keep pictures for 0 days")
    assert (await decides(stage.mina, "retention", gigabytes=0.05)).startswith(
        "I cannot keep pictures in 0.05"
    )
    said = await decides(stage.mina, "retention", days=30, gigabytes=0.1)
    assert "30 days, then I forget them" in said
    assert "**Room for pictures** 100 MB;" in said
    change(stage, "UPDATE jobs SET settled_at = settled_at - 40 * 86400 WHERE prompt = 'an old kite'")
    large = "SELECT id FROM jobs WHERE prompt = 'a large kite'"
    change(stage, f"UPDATE pictures SET byte_count = 100000001 WHERE job_id IN ({large})")
    assert await stage.bot.stop() == 0
    for name, value in (("gallery_channel", '"nowhere"'), ("board", '"some day"')):  # of another version
        kept = f"{int(stage.playground.world.guild.id)}, '{name}', '{value}', 8, 0"
        change(stage, f"INSERT INTO server_settings VALUES ({kept})")
    await stage.bot.start()
    assert "`board`, `gallery_channel`" in await refused(stage.anna, "a kite")
    assert "Monday" in await decides(stage.mina, "board", weekday=1)
    assert "<#" in await decides(stage.mina, "gallery", channel=stage.mina.channel("showcase"))
    left = "SELECT prompt FROM pictures JOIN jobs ON id = job_id WHERE prompt LIKE '% kite'"
    await until(lambda: rows(stage, left) == [("a new kite",)])
    for button in ("Vary a little", "Upscale"):
        said = await told(stage.anna, await stage.anna.press(old, button))
        assert said == "I no longer have that picture."
    await stage.anna.press(new, "Vary a little")
    shown = await stage.anna.press(old, "Settings")
    assert "an old kite" in text_of(await private(stage.anna, shown))
