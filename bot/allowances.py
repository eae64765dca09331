"""What somebody may have where they ask: as the server has it, and never more than the bot's owner allows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

import discord

from bot.limits import Limits
from bot.policy import rules_here
from generation.sentence import Sentence, count, joined, say
from generation.shelf import Shelf, UnreadableShelf
from storage.quotas import DAY, Counts, Kind, Quota, QuotaSpent, day_of

if TYPE_CHECKING:
    from bot.house import Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """All limits that hold for one person in one place."""

    limits: Limits
    """The owner's, lowered to what the server wants."""
    ceilings: Counts
    weight: int = 1
    """Turns where others get one."""


def allowance(owner: Limits, quotas: Collection[Quota], roles: Collection[int]) -> Allowance:
    """What a person with these roles may have in a server that has decided this.

    Of each limit the highest of the person's roles counts; where none of them has one, everybody's does.
    """

    def decided(name: str) -> int | None:
        of_roles = [getattr(each, name) for each in quotas if each.role in roles]
        of_all = [getattr(each, name) for each in quotas if each.role is None]
        known = [value for value in of_roles if value is not None] or [v for v in of_all if v is not None]
        return max(known, default=None)

    def below(most: int, value: int | None) -> int:
        return most if value is None else min(most, value)

    return Allowance(
        limits=replace(
            owner,
            pixels=below(owner.pixels, decided("pixels")),
            steps=below(owner.steps, decided("steps")),
        ),
        ceilings=Counts(
            pictures=decided("pictures"),
            anywhere=owner.pictures_per_day,
            together=max((each.together or 0 for each in quotas), default=0) or None,
            waiting=decided("waiting"),
        ),
        weight=min(owner.weight, decided("weight") or 1),
    )


def allowance_here(interaction: Interaction) -> Allowance:
    """What this person may have here; in direct messages, and where I am no member, what the owner allows."""
    member = interaction.user
    roles = {role.id for role in member.roles} if isinstance(member, discord.Member) else set()
    return allowance(interaction.client.house.limits, rules_here(interaction).settings.quotas, roles)


def models_here(interaction: Interaction) -> Shelf:
    """All models, with defaults that stay inside what this person may have here."""
    house, limits = interaction.client.house, allowance_here(interaction).limits
    if limits == house.limits:  # the owner's are in the defaults already
        return house.shelf
    try:
        return house.shelf.within(pixels=limits.pixels, steps=limits.steps)
    except UnreadableShelf:  # one draws nothing that small: who asks for that is told so
        return house.shelf


def spent_reason(spent: QuotaSpent, now: float) -> Sentence:
    """Why somebody cannot have what they asked for, what is left, and when there is more.

    Args:
        now: seconds since the epoch.
    """
    if spent.kind is Kind.WAITING:
        return count(
            "You have a request waiting in this server already; ask again when it is done.",
            "You have {number} requests waiting in this server already, as many as you may have; "
            "ask again when one of them is done.",
            spent.used,
        )
    again = say("There are more <t:{midnight}:R>.", midnight=int(day_of(now) + DAY))
    return joined(" ", (_left(spent.kind, spent.left, spent.most, spent.asked), again))


def _left(kind: Kind, left: int, most: int, asked: int) -> Sentence:
    match kind:
        case Kind.PICTURES if left:
            return count(
                "You can have {number} more picture in this server today, of {most}; this would be {asked}.",
                "You can have {number} more pictures in this server today, of {most}; this would be {asked}.",
                left,
                most=most,
                asked=asked,
            )
        case Kind.PICTURES:
            return count(
                "You have had your picture of today in this server.",
                "You have had your {number} pictures of today in this server.",
                most,
            )
        case Kind.ANYWHERE if left:
            return count(
                "You can have {number} more picture today, of {most}; this would be {asked}.",
                "You can have {number} more pictures today, of {most}; this would be {asked}.",
                left,
                most=most,
                asked=asked,
            )
        case Kind.ANYWHERE:
            return count(
                "You have had your picture of today.", "You have had your {number} pictures of today.", most
            )
        case Kind.TOGETHER if left:
            return count(
                "Everybody in this server together can have {number} more picture today, of {most}; "
                "this would be {asked}.",
                "Everybody in this server together can have {number} more pictures today, of {most}; "
                "this would be {asked}.",
                left,
                most=most,
                asked=asked,
            )
        case Kind.WAITING:
            raise AssertionError("nothing is counted in a day")
        case Kind.TOGETHER:
            return count(
                "This server has had its picture of today.",
                "This server has had its {number} pictures of today.",
                most,
            )
        case _:
            assert_never(kind)


def left_today(ceilings: Counts, used: Counts, now: float) -> tuple[Sentence, ...]:
    """A line for each limit that holds here: what is left of it."""
    lines = []
    for kind in Kind:
        most, had = ceilings.of(kind), used.of(kind) or 0
        if most is not None:
            lines.append(_line(kind, max(0, most - had), most))
    if lines and (ceilings.pictures or ceilings.anywhere or ceilings.together):
        lines.append(say("It is counted anew <t:{midnight}:R>.", midnight=int(day_of(now) + DAY)))
    return tuple(lines)


def _line(kind: Kind, left: int, most: int) -> Sentence:
    match kind:
        case Kind.PICTURES:
            return say("**You** have {left} of {most} pictures left in this server.", left=left, most=most)
        case Kind.ANYWHERE:
            return say("**You** have {left} of {most} pictures left in all.", left=left, most=most)
        case Kind.TOGETHER:
            return say("**This server** has {left} of {most} pictures left.", left=left, most=most)
        case Kind.WAITING:
            return count(
                "You may have one request waiting here at once.",
                "You may have {number} requests waiting here at once.",
                most,
            )
        case _:
            assert_never(kind)
