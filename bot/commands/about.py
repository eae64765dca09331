"""/history, /stats and /help: what there was, how much it was, and what is possible here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.acknowledgement import acknowledge
from bot.allowances import allowance_here
from bot.apologies import tell
from bot.commands.places import everywhere
from bot.facts import name_of
from bot.history import show_history
from bot.markdown import literal
from bot.options import named
from bot.policy import rules_here, shelf_here
from bot.shared import is_visitor
from generation.job import UserId
from generation.sentence import count, joined, say
from generation.shelf import Shelf
from generation.size import MAX_EDGE
from storage.history import Tally

if TYPE_CHECKING:
    from bot.house import Interaction

MODELS = 3
"""Those that were used most."""


@everywhere
async def history(interaction: Interaction) -> None:
    """Show a person what they asked for."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    await show_history(interaction)


@everywhere
async def stats(interaction: Interaction) -> None:
    """Say how much a person had drawn, and how much was drawn in this server."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    house = interaction.client.house
    shelf, person = house.shelf, UserId(interaction.user.id)
    lines: list[str] = [say("### You, everywhere")]
    lines += _told(await house.history.tally(person=person, models=MODELS), shelf)
    if interaction.guild_id is not None:
        lines.append(say("### Everybody in this server"))
        lines += _told(await house.history.tally(server=interaction.guild_id, models=MODELS), shelf)
    lines.append(say("-# `/history` shows your own; `/privacy what` says what I keep about you."))
    await tell(interaction, joined("\n", lines))


def _told(tally: Tally, shelf: Shelf) -> Iterator[str]:
    if not tally.requests:
        yield say("Nothing has been drawn yet.")
        return
    yield joined(
        " · ",
        (
            count("{number} picture", "{number} pictures", tally.pictures),
            count("{number} request", "{number} requests", tally.requests),
            say("{time} from asking to having it, in all", time=_time(tally.seconds)),
        ),
    )
    used = [
        say("{model} ({pictures})", model=literal(name_of(source, shelf)), pictures=pictures)
        for source, pictures in tally.models
    ]
    yield say("Models used most: {models}", models=joined(", ", used))


def _time(seconds: float) -> str:
    if seconds < 60:
        return say("{seconds:.0f} s", seconds=seconds)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return say("{minutes} min {rest} s", minutes=minutes, rest=rest)
    hours, minutes = divmod(minutes, 60)
    return say("{hours} h {minutes} min", hours=hours, minutes=minutes)


@everywhere
async def help_(interaction: Interaction) -> None:
    """Say what is possible here."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    shelf, rules, allowed = shelf_here(interaction), rules_here(interaction), allowance_here(interaction)
    largest = max((model.max_edge for model in shelf.models), default=MAX_EDGE)

    def command(name: str) -> str:
        return interaction.client.mention_of(name)

    lines: list[str] = []
    if (reason := rules.asker_reason(interaction.user.id)) is not None:
        lines.append(reason)
    lines += [
        say("### Draw"),
        say("{imagine} draws what you write; everything else is optional.", imagine=command("imagine")),
        say(
            "{img2img}, {inpaint}, {outpaint} and {control} start from a picture of yours, {upscale} makes "
            "it larger, {inspect} says how it was made.",
            **{name: command(name) for name in _FROM_PICTURES},
        ),
        say("The buttons under a picture go on from it; a right click on a message, then *Apps*, does too."),
        say("### Here"),
        count(
            "One model draws: {names}.",
            "{number} models draw: {names}.",
            len(shelf.models),
            names=named(shelf),
        ),
        say(
            "A picture may be as large as {edge} × {edge} pixels, and take {steps} steps.",
            edge=min(allowed.limits.edge, largest),
            steps=allowed.limits.steps,
        ),
        count(
            "You may have one request waiting at a time.",
            "You may have {number} requests waiting at a time.",
            min(filter(None, (allowed.limits.waiting_per_person, allowed.ceilings.waiting))),
        ),
        say("{queue} says what waits now, and what is left for you today.", queue=command("queue")),
    ]
    if is_visitor(interaction):
        lines.append(
            say(
                "{gallery} shows what people share here; *Share* under a picture of yours adds it.",
                gallery=command("gallery new"),
            )
        )
    lines += [
        say("### Yours"),
        say(
            "{history} has what you asked for, {prefer} what you prefer, {settings} whether I ping you and "
            "what is private, {styles} looks to put prompts into.",
            history=command("history"),
            prefer=command("prefer set"),
            settings=command("settings"),
            styles=command("styles list"),
        ),
        say(
            "{what} says what I keep about you, {forget} makes me forget it.",
            what=command("privacy what"),
            forget=command("privacy forget"),
        ),
    ]
    await tell(interaction, joined("\n", lines))


_FROM_PICTURES = ("img2img", "inpaint", "outpaint", "control", "upscale", "inspect")
