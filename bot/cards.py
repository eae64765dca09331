"""What a message says and shows: event in, Card out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import assert_never

from bot.bringing import WAYS
from bot.card import Action, Attached, Button, Card, Entry, Menu, Tone
from bot.checked import CHECKED_FIRST, held, notes
from bot.expecting import expected, time_left
from bot.facts import BROUGHT, chosen, facts, hints, is_brought, on_its_way, prompt_of, seeds
from bot.markdown import literal, shortened
from generation.hold import Hold
from generation.image import Picture
from generation.job import (
    Cancelled,
    Failed,
    Finished,
    Job,
    JobEvent,
    Progressed,
    Queued,
    UserId,
)
from generation.judging import is_suspect
from generation.request import OWN_SAMPLER, GenerationRequest
from generation.safety import Safety
from generation.sentence import altered, joined, say
from generation.shelf import Shelf

MAX_ALT = 1024
"""Characters of alt text that Discord takes."""
REASON_ON_CARD = 600
MAX_ROW = 5
"""Buttons in a row."""
BAR = 12
"""Segments of the progress bar."""


def card_for(
    event: JobEvent,
    shelf: Shelf,
    *,
    seconds: float | None = None,
    previews: Mapping[int, bytes] = MappingProxyType({}),
    left: float | None = None,
    expected_at: int | None = None,
    parent_link: str | None = None,
    shares: bool = False,
) -> Card:
    """The card that shows the newest event of a job.

    Args:
        seconds: how long drawing took, if known.
        left: seconds until it is done, while it is drawn, if known.
        expected_at: when it will be done, while it waits, in seconds since the epoch, if known.
        parent_link: where what it was made from can be seen, if everybody may.
        shares: whether there is a gallery where it was asked.
        previews: what its pictures look like so far, as WebP files by the number of the picture.
    """
    job = event.job
    request = job.request
    prompt = joined("", ("> ", prompt_of(request)))
    settings = facts(request, shelf)
    text: tuple[str, ...]
    small: tuple[str, ...] = (settings, CHECKED_FIRST) if job.safety.hides else (settings,)
    pictures: tuple[Attached, ...] = ()
    buttons: tuple[Button, ...] = (Button(action=Action.CANCEL, job=job.id, label=say("Cancel")),)
    further: tuple[Button, ...] = ()
    menu: Menu | None = None
    match event:
        case Queued():
            tone, text = Tone.WAITING, (_waiting(event, shelf, expected_at),)
        case Progressed():
            tone, text = Tone.WORKING, _drawing(event, left)
            pictures = tuple(_unfinished(job, index, webp) for index, webp in sorted(previews.items()))
        case Finished() if not job.may_be_seen:
            tone, said, first = held(job)
            text, small = (said,), (settings, _whose(job, None))
            buttons = (*first, *_after_an_end(job, "")[-2:])
        case Finished():
            tone, text = Tone.DONE, ()
            pictures = tuple(attached(job, picture) for picture in event.pictures)
            small = (
                settings if is_brought(request) else joined(" · ", (settings, seeds(event.pictures))),
                *chosen(request),
                *notes(job, event.pictures),
                _whose(job, seconds, parent_link),
                *hints(request, shelf),
            )
            buttons = (
                Button(action=Action.REROLL, job=job.id, label=say("Reroll")),
                Button(action=Action.EDIT, job=job.id, label=say("Edit")),
                Button(action=Action.SETTINGS, job=job.id, label=say("Settings")),
                Button(action=Action.DELETE, job=job.id, label=say("Delete")),
            )
            if request.upscale is not None:  # nothing of it is left to chance
                buttons = buttons[2 if request.upscale.brought else 1 :]
            if shares and can_be_shared(job):
                buttons = (*buttons[:-1], share_button(job), buttons[-1])
            indices = [picture.index for picture in event.pictures]
            further, menu = _further(job, *indices) if len(indices) == 1 else ((), _choice(job, indices))
            if request.controls and request.upscale is None:
                control = Button(action=Action.CONTROL, job=job.id, label=say("Control picture"))
                if len(buttons) < MAX_ROW:
                    buttons += (control,)
                else:
                    further += (control,)
        case Failed():
            tone = Tone.FAILED
            reason = altered(job.failure or say("The reason is not known."), _reason)
            text = (say("**This one did not work.** {reason}", reason=reason), _what_to_do(job))
            small = (settings, _whose(job, None, parent_link))
            buttons = _after_an_end(job, say("Try again"))
        case Cancelled():
            tone, text = Tone.CANCELLED, (say("**Cancelled.** It was taken back before it was finished."),)
            small = (settings, _whose(job, None))
            buttons = _after_an_end(job, say("Draw it after all"))
        case _:
            assert_never(event)
    return Card(
        tone=tone,
        text=(prompt, *text),
        pictures=pictures,
        small=small,
        buttons=buttons,
        further=further,
        menu=menu,
    )


def leaving_card(event: Queued | Progressed, shelf: Shelf, *, directly: bool) -> Card:
    """The last that a message says whose end comes in another one, since it cannot be changed any more then.

    Args:
        directly: that is a direct message.
    """
    card = card_for(event, shelf)
    said = say(
        "**Still on it.** This takes longer than Discord lets me change a message: the result will be a new "
        "one."
    )
    if directly:
        said = say(
            "**Still on it.** This takes longer than Discord lets me change a message: the result will be a "
            "direct message. If you take none, `/history` has it."
        )
    return replace(card, tone=Tone.WAITING, text=(card.text[0], said), pictures=())


def can_be_drawn_again(request: GenerationRequest) -> bool:
    """Whether a model can go on from its picture: those that draw in their own way draw from words only."""
    return request.sampler != OWN_SAMPLER and not is_brought(request)


def can_be_shared(job: Job) -> bool:
    """Whether its pictures may be shown to a server: not what is private, nor what somebody brought."""
    return job.may_be_seen and not job.private and not is_brought(job.request)


def share_button(job: Job, index: int | None = None) -> Button:
    return Button(action=Action.SHARE, job=job.id, index=index, label=say("Share"))


def _further(job: Job, index: int) -> tuple[tuple[Button, ...], Menu | None]:
    """The ways to go on from one picture."""
    if not can_be_drawn_again(job.request):
        only = None if is_brought(job.request) else _more(job, index, ())
        return (Button(action=Action.UPSCALE, job=job.id, index=index, label=say("Upscale")),), only
    labels = {
        Action.VARY: say("Vary a little"),
        Action.DIFFER: say("Vary a lot"),
        Action.UPSCALE: say("Upscale"),
        Action.INPAINT: say("Inpaint"),
    }
    buttons = tuple(
        Button(action=action, job=job.id, index=index, label=label) for action, label in labels.items()
    )
    return buttons, _more(job, index, tuple(WAYS))


def _more(job: Job, index: int, ways: tuple[str, ...]) -> Menu:
    return Menu(
        action=Action.GROW,
        job=job.id,
        index=index,
        placeholder=say("More: zoom out, pan, save as a style…") if ways else say("More…"),
        entries=(*(Entry(str(way), way) for way in ways), _SAVE),
    )


PICTURE, SAVE_STYLE = "Picture ", "save as a style"
"""What the value of a choice of pictures begins with, and another one: they stand in old messages."""

_SAVE = Entry(SAVE_STYLE, say("save as a style"))


def _choice(job: Job, indices: Sequence[int]) -> Menu:
    return Menu(
        action=Action.CHOOSE,
        job=job.id,
        placeholder=say("More: go on from one of them, save as a style…"),
        entries=(
            *(Entry(f"{PICTURE}{index + 1}", say("Picture {number}", number=index + 1)) for index in indices),
            _SAVE,
        ),
    )


def chosen_card(job: Job, picture: Picture, *, shares: bool = False) -> Card:
    """What can be done with one of several pictures.

    Args:
        shares: whether it can be shown to this person's server.
    """
    further, menu = _further(job, picture.index)
    if shares and can_be_shared(job):
        further += (share_button(job, picture.index),)
    return Card(
        tone=Tone.DONE,
        text=(
            say(
                "Picture {number} of {all}. How shall I go on from it?",
                number=picture.index + 1,
                all=job.request.count,
            ),
        ),
        pictures=(attached(job, picture),),
        further=further,
        menu=menu,
    )


def calling(card: Card, asker: UserId) -> Card:
    """The card as a message of its own, which calls the person who has been waiting for it."""
    hello = say("{who}, here is what became of your request.", who=f"<@{asker}>")
    return replace(card, text=(hello, *card.text), mention=asker)


def attached(job: Job, picture: Picture) -> Attached:
    """One picture as a file: its alt text is the prompt, as far as Discord takes it."""
    one_request = job.request.image(picture.index)
    alt: str = BROUGHT if is_brought(one_request) else " ".join(one_request.prompt.split())
    if job.request.count > 1:
        alt = say(
            "Picture {number} of {all}: {prompt}",
            number=picture.index + 1,
            all=job.request.count,
            prompt=alt,
        )
    one = Attached(
        name=f"atelier-{job.id}-{picture.index + 1}.png",
        alt=altered(alt, partial(shortened, limit=MAX_ALT)),
        data=picture.png,
    )
    return covered(one) if job.covered or is_suspect(job, picture) else one


def covered(picture: Attached) -> Attached:
    """The file hidden until somebody clicks on it."""
    return picture if picture.spoiler else replace(picture, name=f"SPOILER_{picture.name}", spoiler=True)


def _unfinished(job: Job, index: int, webp: bytes) -> Attached:
    alt = say("The picture so far; it is still being drawn.")
    if job.request.count > 1:
        alt = say(
            "Picture {number} of {all} so far; it is still being drawn.",
            number=index + 1,
            all=job.request.count,
        )
    one = Attached(
        name=f"atelier-{job.id}-{index + 1}-preview.webp",
        alt=alt,
        data=webp,
    )
    return covered(one) if job.covered or job.safety is not Safety.OFF else one


def _waiting(event: Queued, shelf: Shelf, expected_at: int | None) -> str:
    line = say("Your picture is next.")
    if event.place > 1:
        line = say("You are number {place} in line.", place=event.place)
    if event.trouble is not None:
        return say(
            "**I cannot draw at the moment.** {trouble} Your request is kept. {line}",
            trouble=altered(event.trouble, literal),
            line=line,
        )
    if event.hold is Hold.RESTING:
        return say(
            "**Resting.** My models were put away for now. Your request is kept, and drawn when the next one "
            "comes or my owner lets me go on. {line}",
            line=line,
        )
    if event.hold is not Hold.NONE:
        return say(
            "**Paused.** My owner has paused me. Your request is kept, and drawn when I may go on. {line}",
            line=line,
        )
    if expected_at is not None:
        line = joined(" ", (line, expected(expected_at)))
    if event.loading is not None:
        return joined(" ", (on_its_way(event.loading, shelf), line))
    return say("**Waiting.** {line}", line=line)


def _drawing(event: Progressed, left: float | None) -> tuple[str, ...]:
    if event.step <= 0:
        return (say("**Drawing** has begun."),)
    step, steps, pictures = event.step, event.steps, event.job.request.count
    said = say("**Drawing** step {step} of {steps}", step=step, steps=steps)
    if event.job.request.upscale is not None:
        said = say("**Enlarging** part {step} of {steps}", step=step, steps=steps)
    elif pictures > 1:
        said = say(
            "**Drawing** step {step} of {steps}, {pictures} pictures",
            step=step,
            steps=steps,
            pictures=pictures,
        )
    more = None if left is None else time_left(left)
    return said, _bar(event) if more is None else joined(" · ", (_bar(event), more))


def _reason(text: str) -> str:
    return literal(shortened(text, REASON_ON_CARD))


def _bar(event: Progressed) -> str:
    share = min(1.0, event.step / event.steps)
    full = int(share * BAR)
    return f"{'▰' * full}{'▱' * (BAR - full)} {share:.0%}"


def _what_to_do(job: Job) -> str:
    if is_brought(job.request):
        return say("You can try again; /upscale makes it as large as you say.")
    return say("You can try again with another seed, or edit it first.")


def _whose(job: Job, seconds: float | None, parent_link: str | None = None) -> str:
    whose = [_asked(job, seconds)]
    if parent_link is not None:
        whose.append(say("made from [this one]({link})", link=parent_link))
    if job.private:
        whose.append(say("only for you"))
    return joined(" · ", whose)


def _asked(job: Job, seconds: float | None) -> str:
    who = f"<@{job.asker}>"
    if seconds is None:
        return say("asked by {who}", who=who)
    return say("asked by {who} · drawn in {duration}", who=who, duration=_duration(seconds))


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return say("less than 0.1 s")
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _after_an_end(job: Job, again: str) -> tuple[Button, ...]:
    buttons = (
        Button(action=Action.REROLL, job=job.id, label=again),
        Button(action=Action.EDIT, job=job.id, label=say("Edit")),
        Button(action=Action.SETTINGS, job=job.id, label=say("Settings")),
        Button(action=Action.DELETE, job=job.id, label=say("Delete")),
    )
    return tuple(b for b in buttons if b.action is not Action.EDIT or not is_brought(job.request))
