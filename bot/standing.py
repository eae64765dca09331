"""What is said of the queue and of what draws: who is told of whose requests, and how much. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from bot.card import Action, Button, Card, Tone
from bot.facts import name_of, on_its_way, prompt_of
from bot.markdown import literal
from generation.hold import Hold
from generation.job import JobEvent, Loading, Progressed, UserId
from generation.sentence import Sentence, count, joined, say
from generation.shelf import Shelf

MAX_OWN = 10
"""Of one's own requests that are listed, with a button each: two rows of five."""
HELD = {
    Hold.RESTING: say("**Resting:** my models were put away; they come back with the next request."),
    Hold.DRAINING: say("**Being paused:** what has begun is drawn to its end, and nothing else."),
    Hold.PAUSED: say("**Paused** by my owner. What is asked is kept, and drawn when I may go on."),
}


def queue_card(
    standing: Sequence[JobEvent],
    asker: UserId,
    shelf: Shelf,
    *,
    hold: Hold,
    models: Sequence[str],
    left: Sequence[str],
) -> Card:
    """The queue as one person may see it: how many requests there are, and which are that person's.

    Args:
        standing: of all jobs, in their order.
        hold: what keeps drawing back.
        models: what is said of the models.
        left: what is said of what this person has left.
    """
    lines: list[str] = [] if hold is Hold.NONE else [HELD[hold]]
    lines.append(counted(standing))
    own = [event for event in standing if event.job.asker == asker][:MAX_OWN]
    lines += _in_order(standing, asker, shelf, shown=len(own))
    places = _places(standing)
    buttons = tuple(
        Button(action=Action.TAKE_BACK, job=event.job.id, label=_cancel_label(places[event.job.id]))
        for event in own
    )
    return Card(
        tone=Tone.WAITING,
        text=(joined("\n", lines), joined("\n", models)),
        small=tuple(left),
        buttons=buttons[: MAX_OWN // 2],
        further=buttons[MAX_OWN // 2 :],
    )


def counted(standing: Sequence[JobEvent]) -> Sentence:
    """How many requests are drawn and how many wait, and of how many people."""
    drawn = [event for event in standing if isinstance(event, Progressed)]
    waiting = len(standing) - len(drawn)
    if not standing:
        return say("**Nothing** is being drawn, and nothing waits.")
    people = len({event.job.asker for event in standing})
    parts = []
    if drawn:
        parts.append(
            count("**{number}** request being drawn", "**{number}** requests being drawn", len(drawn))
        )
    if waiting:
        parts.append(count("**{number}** waiting", "**{number}** waiting", waiting))
    return joined(" · ", (*parts, count("of {number} person", "of {number} people", people)))


def _places(standing: Sequence[JobEvent]) -> dict[str, int]:
    """0 for what is being drawn, else the place in line."""
    waiting = (event for event in standing if not isinstance(event, Progressed))
    places: dict[str, int] = {event.job.id: place for place, event in enumerate(waiting, start=1)}
    return {event.job.id: places.get(event.job.id, 0) for event in standing}


def _in_order(standing: Sequence[JobEvent], asker: UserId, shelf: Shelf, *, shown: int) -> list[Sentence]:
    """A line for each request of one's own, and one for all those of others in between."""
    lines: list[Sentence] = []
    places = _places(standing)
    seen = 0
    for is_own, group in groupby(standing, key=lambda event: event.job.asker == asker):
        events = list(group)
        if not is_own:
            lines.append(count("-# {number} of somebody else", "-# {number} of others", len(events)))
            continue
        for event in events:
            seen += 1
            if seen <= shown:
                lines.append(_own(event, places[event.job.id]))
    if left := seen - shown:
        lines.append(count("-# … and {number} more of yours", "-# … and {number} more of yours", left))
    return lines if any(event.job.asker == asker for event in standing) else []


def _own(event: JobEvent, place: int) -> Sentence:
    pictures = count("{number} picture", "{number} pictures", event.job.request.count)
    if isinstance(event, Progressed):
        return say(
            "**Yours, step {step} of {steps}:** {prompt} · {pictures}",
            step=event.step,
            steps=event.steps,
            prompt=prompt_of(event.job.request),
            pictures=pictures,
        )
    return say(
        "**Yours, number {place} in line:** {prompt} · {pictures}",
        place=place,
        prompt=prompt_of(event.job.request),
        pictures=pictures,
    )


def _cancel_label(place: int) -> Sentence:
    return say("Cancel number {place}", place=place) if place else say("Cancel what is drawn")


def models_told(
    loaded: Collection[str], on_their_way: Sequence[Loading], shelf: Shelf
) -> tuple[Sentence, ...]:
    """Which models are in memory, and which are coming."""
    lines = [on_its_way(loading, shelf) for loading in on_their_way]
    if loaded:
        names = joined(", ", sorted(literal(name_of(source, shelf)) for source in loaded))
        lines.append(say("**In memory:** {models}.", models=names))
    elif not lines:
        lines.append(say("**In memory:** no model; one comes when it is asked for."))
    return tuple(lines)


def freed(*, is_done: bool, is_reading: bool) -> Sentence:
    """What came of it that all models were to leave memory.

    Args:
        is_reading: a model is being fetched or read still, or a worker is only starting.
    """
    if is_done:
        return say("My models are out of memory.")
    if is_reading:
        return say("I am still reading a model; it leaves memory as soon as that has ended.")
    return say("My models leave memory as soon as what is in hand lets go of them.")
