"""/lineage: what a picture comes from and what came of it, as far as who asks may see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import discord

from bot.card import Card, Tone
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.messages import NO_MENTIONS, layout
from bot.orders import GONE
from bot.policy import rules_here, standing
from bot.shared import is_visitor
from generation.job import JobId, UserId
from generation.sentence import joined, say
from storage.lineage import Lineage, Node

if TYPE_CHECKING:
    from bot.house import Interaction

PROMPT = 70
"""Characters of each prompt."""
MAX_LINES = 25
INDENT = "\u2003"


async def show_lineage(interaction: Interaction, job_id: JobId) -> None:
    """Answer an acknowledged interaction with the tree around a job.

    Raises:
        Refused: it is not known, or not for this person.
    """
    server, viewer = interaction.guild_id, UserId(interaction.user.id)
    adults = rules_here(interaction).age_restricted
    found = await interaction.client.house.lineages.of(
        job_id, server=server, viewer=viewer, visits=is_visitor(interaction), adults=adults
    )
    if found is None or not may_see(interaction, found.self):
        raise Refused(GONE)
    lines = tree(found, {node.job_id for node in nodes(found) if may_see(interaction, node)}, server)
    view = layout(Card(tone=Tone.DONE, text=tuple(lines)), language_of(interaction))
    await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


def nodes(found: Lineage) -> Iterator[Node]:
    """All of them."""
    yield from (*found.ancestors, found.self, *found.descendants)


def may_see(interaction: Interaction, node: Node) -> bool:
    """Whether this person may be told of it: it is theirs, or in a gallery or channel that they see.

    What is in age-restricted channels is told in such channels only.
    """
    if not node.is_open:
        return False
    if node.person == interaction.user.id or node.post is not None:
        return True
    guild, member = interaction.guild, interaction.user
    if guild is None or node.channel_id is None or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(node.channel_id)
    try:
        if channel is None or (standing(channel)[1] and not rules_here(interaction).age_restricted):
            return False
        held = channel.permissions_for(member)
        if isinstance(channel, discord.Thread) and channel.is_private():  # what holds is that of its channel
            return held.manage_threads or channel.id == interaction.channel_id
        return held.view_channel
    except discord.ClientException:  # a thread of a channel that we do not know
        return False


def tree(found: Lineage, seen: set[JobId], server: int | None) -> list[str]:
    """The lines of the tree: a generation further in for each step from the eldest.

    Args:
        seen: those that may be told of.
    """
    lines: list[str] = [say("### Where it comes from, and what came of it")]
    if not found.ancestors and not found.descendants:
        lines.append(say("It was made from no other, and nothing was made from it."))
    eldest = found.ancestors[0].depth if found.ancestors else 0
    told = [*found.ancestors, found.self, *_in_order(found)]
    for node in told[:MAX_LINES]:
        indent = INDENT * min(node.depth - eldest, 12)
        mark = "**▸** " if node is found.self else "└ " if node.depth > eldest else ""
        what = _line(node, server) if node.job_id in seen else say("*somebody's, not shared*")
        lines.append(joined("", (indent, mark, what)))
    if found.has_more or len(told) > MAX_LINES:
        lines.append(say("… and more."))
    return lines


def _in_order(found: Lineage) -> Iterator[Node]:
    """What came of it, each below what it was made from."""
    children: dict[JobId | None, list[Node]] = {}
    for node in found.descendants:
        children.setdefault(node.parent, []).append(node)
    waiting = children.get(found.self.job_id, [])[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children.get(node.job_id, [])[::-1]


def _line(node: Node, server: int | None) -> str:
    prompt = literal(shortened(" ".join((node.prompt or "").split()), PROMPT)) or "…"
    told: list[str] = [prompt, f"<@{node.person}>"]
    if node.channel_id is not None and node.message_id is not None and server is not None:
        link = f"https://discord.com/channels/{server}/{node.channel_id}/{node.message_id}"
        told.append(say("[see it]({link})", link=link))
    if node.post is not None:
        told.append(say("shared"))
    return joined(" · ", told)
