"""What cards say of the safety check: what is held, let pass, left out or hidden. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.card import Action, Button, Tone
from generation.image import Picture
from generation.job import Job
from generation.judging import is_suspect
from generation.safety import Review, Safety, Verdict
from generation.sentence import say

CHECKED_FIRST = say("pictures are checked here before anybody sees them, so there is no preview")


def held(job: Job) -> tuple[Tone, str, tuple[Button, ...]]:
    """The card of a finished job whose pictures may not be seen: its tone, its text and its first button."""
    if job.review is Review.REJECTED:
        again = Button(action=Action.REROLL, job=job.id, label=say("Try again"))
        text = say("**Not shown.** A moderator has looked at it and decided against it. I have not kept it.")
        return Tone.CANCELLED, text, (again,)
    look = Button(action=Action.REVIEW, job=job.id, label=say("Review"))
    text = say(
        "**Waiting for a moderator.** It did not pass the safety check of this server, so nobody sees it "
        "before a moderator has let it pass. Its message will follow by itself."
    )
    if job.request.count > 1:
        text = say(
            "**Waiting for a moderator.** At least one of the pictures did not pass the safety check of this "
            "server, so nobody sees it before a moderator has let it pass. Its message will follow by itself."
        )
    return Tone.WAITING, text, (look,)


def notes(job: Job, pictures: Sequence[Picture]) -> tuple[str, ...]:
    """What is to be said of the check below pictures that are shown."""
    said = []
    if job.review is Review.APPROVED:
        said.append(say("a moderator has let it pass"))
    if job.safety is Safety.REFUSE and (left_out := job.request.count - len(pictures)):
        said.append(
            say(
                "{left_out} of {all} did not pass the safety check and are not kept",
                left_out=left_out,
                all=job.request.count,
            )
        )
    suspect = [picture for picture in pictures if is_suspect(job, picture)]
    if any(picture.verdict is Verdict.FLAGGED for picture in suspect):
        said.append(say("hidden behind a spoiler where the safety check flags it"))
    if any(picture.verdict is not Verdict.FLAGGED for picture in suspect):
        said.append(say("hidden behind a spoiler where it could not be checked"))
    return tuple(said)
