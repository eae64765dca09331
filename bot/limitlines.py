"""What is said of the limits of a server, and of the owner's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from bot.limits import Limits
from generation.sentence import Sentence, count, joined, say
from storage.quotas import Quota
from storage.servers import ServerSettings


def all_limits(settings: ServerSettings, owner: Limits) -> Sentence:
    """All limits that a server has set, and those that nobody passes."""
    lines = [limit_line(each) for each in settings.quotas]
    if not lines:
        lines.append(say("This server has set no limits."))
    elif len(lines) > 1:
        lines.append(say("-# Of several roles the highest limit counts; a role's goes before everybody's."))
    return joined("\n", (*lines, joined("", ("-# ", _of_owner(owner)))))


def limit_line(quota: Quota) -> Sentence:
    return say("{whose}: {limits}.", whose=_whose(quota), limits=joined(", ", _parts(quota)))


def listed_limit(quota: Quota) -> Sentence:
    """The same within a sentence."""
    return say("{whose}: {limits}", whose=_whose(quota), limits=joined(", ", _parts(quota)))


def _whose(quota: Quota) -> str:
    return say("**Everybody**") if quota.role is None else f"<@&{quota.role}>"


def _parts(quota: Quota) -> Sequence[Sentence]:
    made = []
    if (number := quota.pictures) is not None:
        made.append(count("{number} picture a day", "{number} pictures a day", number))
    if (number := quota.together) is not None:
        made.append(count("{number} picture a day in common", "{number} pictures a day in common", number))
    if (number := quota.waiting) is not None:
        made.append(count("{number} request at once", "{number} requests at once", number))
    if (number := quota.pixels) is not None:
        made.append(_largest(number))
    if (number := quota.steps) is not None:
        made.append(count("{number} step at the most", "{number} steps at the most", number))
    if (number := quota.weight) is not None:
        made.append(count("{number} turn in the queue", "{number} turns in the queue", number))
    return made


def _largest(pixels: int) -> Sentence:
    """How large a picture may be: as it was typed, where that was a square."""
    edge = isqrt(pixels)
    if edge * edge == pixels:
        return say("pictures of up to {edge} × {edge} pixels", edge=edge)
    return say("pictures of up to {number:,} pixels", number=pixels)


def _of_owner(owner: Limits) -> Sentence:
    parts = [
        count("{number} request at once", "{number} requests at once", owner.waiting_per_person),
        _largest(owner.pixels),
        count("{number} step at the most", "{number} steps at the most", owner.steps),
        count("{number} turn in the queue", "{number} turns in the queue", owner.weight),
    ]
    if owner.pictures_per_day is not None:
        parts.insert(0, count("{number} picture a day", "{number} pictures a day", owner.pictures_per_day))
    return say(
        "Nobody gets more than my owner allows, wherever they ask: {limits}.", limits=joined(", ", parts)
    )
