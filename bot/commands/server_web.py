"""/server web: whether what is shared in a server can be seen on the web."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from discord import app_commands

from bot.governing import acknowledged, change
from bot.shared import shows_all
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

UNOPENED = say(
    "-# The owner of this bot shows no gallery on the web so far, so there is nothing to be seen there."
)

FOR_ADULTS = say(
    "⚠️ The gallery is age-restricted, and the web asks nobody how old they are: nothing of it is shown there."
)


def web_command() -> app_commands.Command[app_commands.Group, ..., None]:
    """The command, for the group /server."""
    return app_commands.Command(
        name="web", description="Whether what is shared here can be seen on the web", callback=_web
    )


@app_commands.rename(is_open="open")
@app_commands.describe(is_open="Whoever has the address sees the pictures, their prompts and who shared them")
async def _web(interaction: Interaction, is_open: bool) -> None:
    server = await acknowledged(interaction)
    house = interaction.client.house
    address = house.gallery_address
    notes = []
    if is_open and address is None:
        notes = [UNOPENED]
    elif is_open and house.servers.has_gallery(server) and shows_all(interaction):
        notes = [FOR_ADULTS]
    elif is_open and address is not None:
        notes = [
            say(
                "It is at {address}. Everybody sees there which pictures are shared here, their prompts and "
                "the names of those who shared them, without an account. What moderators hide is not shown.",
                address=address(server),
            )
        ]
    if is_open and not house.servers.has_gallery(server):
        notes.append(say("-# There is no gallery yet; `/server gallery` makes a channel one."))
    await change(interaction, lambda was: replace(was, web_gallery=is_open), "web_gallery", notes=notes)
