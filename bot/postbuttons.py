"""What the buttons under a shared picture do: like it, use its prompt, save that, and see what is like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.acknowledgement import acknowledge
from bot.answering import known_job
from bot.apologies import tell
from bot.buttons import JobButton, JobItem
from bot.card import Action, Card, Tone, custom_id
from bot.commands.styles import check_keeper, save_style
from bot.forms import Filled, Text, at_hand, open_form
from bot.gallerycards import LIKE_THIS, LINEAGE, SAVE_HERE, SAVE_MINE, TAKE_OUT, likes_label
from bot.kin import show_lineage
from bot.language import language_of
from bot.leafing import show_page
from bot.limits import Refused
from bot.markdown import literal, shortened, whole
from bot.messages import NO_MENTIONS, with_command_line
from bot.orders import GONE
from bot.preferring import layers
from bot.queries import Kind, Query
from bot.shared import check_member, find_post, post_here
from bot.sharing import ask_to_take_out
from bot.styles import owner_of
from generation.job import Job, JobId, UserId
from generation.sentence import say
from storage.posts import Post
from storage.styles import Owner, OwnerKind

if TYPE_CHECKING:
    from bot.house import Interaction

_POST = r"(?P<job>[0-9a-z]{16}):(?P<index>\d)"
NAME, PROMPT, NEGATIVE = "name", "prompt", "negative_prompt"
"""Names of fields; they stand in forms that people have open."""
CALLED = 55
"""Characters of the name that a style is proposed to have."""


class LikeButton(JobButton, template=f"{Action.LIKE}:{_POST}"):
    """Like it; pressed again, take that back. The message says the new number within seconds."""

    async def pressed(self, interaction: Interaction) -> None:
        check_member(interaction)
        await acknowledge(interaction)
        house, person = interaction.client.house, UserId(interaction.user.id)
        post = await post_here(interaction, self.job_id, self.index)
        liked = await house.gallery.like(post.id, person)
        is_like = liked.has_changed
        if not is_like:
            liked = await house.gallery.unlike(post.id, person)
        house.curator.wake()
        if interaction.message is not None and interaction.message.flags.ephemeral:
            likes = likes_label(liked.likes)
            said = say("You do not like it any more. {likes}", likes=likes)
            await tell(interaction, say("You like it. {likes}", likes=likes) if is_like else said)


class UseButton(JobButton, template=f"{Action.USE}:{_POST}"):
    """Show privately the command that draws the same again."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        house = interaction.client.house
        post = await post_here(interaction, self.job_id, self.index)
        job = await known_job(interaction, post.job_id)
        request = job.request.image(post.index)
        lines = [say("**Prompt** {prompt}", prompt=literal(shortened(request.prompt, 600)))]
        if request.negative_prompt:
            negative = literal(shortened(request.negative_prompt, 600))
            lines.append(say("**Negative prompt** {negative}", negative=negative))
        card = Card(tone=Tone.DONE, text=tuple(lines))
        said_in = language_of(interaction)
        view, files = with_command_line(card, request, house.shelf, said_in, layers(interaction))
        await interaction.followup.send(view=view, files=files, ephemeral=True, allowed_mentions=NO_MENTIONS)


class AboutMenu(JobItem[discord.ui.Select[Any]], template=f"{Action.ABOUT}:{_POST}"):
    """What else can be done with it."""

    async def pressed(self, interaction: Interaction) -> None:
        chosen = self.item.values[0]
        if chosen in (SAVE_MINE, SAVE_HERE):
            await open_save(interaction, self.job_id, self.index, here=chosen == SAVE_HERE)
            return
        await acknowledge(interaction, thinking=True, ephemeral=True)
        post = await post_here(interaction, self.job_id, self.index)
        match chosen:
            case _ if chosen == LIKE_THIS:
                await show_page(interaction, Query(kind=Kind.LIKE, post=post.id))
            case _ if chosen == LINEAGE:
                await show_lineage(interaction, post.job_id)
            case _ if chosen == TAKE_OUT:
                await ask_to_take_out(interaction, post)
            case _:
                raise Refused(GONE)


# Save its prompt ------------------------------------------------------------------------------------------


async def open_save(interaction: Interaction, job_id: JobId, index: int, *, here: bool) -> None:
    """Ask for the name of a style that holds its prompts.

    Args:
        here: one of the server's, and not of one's own.
    """
    check_member(interaction)
    if here:
        check_keeper(interaction)
    post, job = await at_hand(_post_and_job(interaction, job_id, index))
    request = job.request.image(index)
    called = shortened(whole(" ".join((post.title or post.prompt).split())), CALLED)
    await open_form(
        interaction,
        custom_id(Action.ADOPT if here else Action.FORK, job_id, index),
        say("Save as a style"),
        (
            Text(name=NAME, label=say("Name"), value=called, most=100),
            Text(
                name=PROMPT,
                label=say("Prompt"),
                help=say(
                    "{{prompt}} stands for what somebody types; without it, this is added after their words"
                ),
                value=request.prompt,
                long=True,
                required=False,
            ),
            Text(
                name=NEGATIVE,
                label=say("Negative prompt"),
                value=request.negative_prompt,
                long=True,
                required=False,
            ),
        ),
    )


async def _post_and_job(interaction: Interaction, job_id: JobId, index: int) -> tuple[Post, Job]:
    post = await post_here(interaction, job_id, index)
    return post, await known_job(interaction, job_id)


async def save_mine(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Save a style of one's own."""
    owner = Owner(kind=OwnerKind.PERSON, id=interaction.user.id)
    await _save(interaction, filled, owner, job_id, index)


async def save_here(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Save a style of the server's."""
    check_keeper(interaction)
    await _save(interaction, filled, owner_of(interaction), job_id, index)


async def _save(interaction: Interaction, filled: Filled, owner: Owner, job_id: JobId, index: int) -> None:
    check_member(interaction)
    texts = filled.texts
    post = await at_hand(find_post(interaction, job_id, index))  # whose is taken back meanwhile is not named
    credit = None if post is None or post.person == interaction.user.id else post.person
    await save_style(
        interaction,
        owner,
        texts.get(NAME, ""),
        texts.get(PROMPT, ""),
        texts.get(NEGATIVE, ""),
        credit=credit,
    )


ITEMS: tuple[type[JobItem[Any]], ...] = (LikeButton, UseButton, AboutMenu)
