"""How a job ends whose pictures are all drawn, as its server wants it and the safety checker says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from generation.image import Picture
from generation.job import Job, JobState
from generation.safety import Review, Safety, Verdict
from generation.sentence import say

FLAGGED = say(
    "The safety check flags it, and flagged pictures are not shown here, so I have not kept it either. "
    "Another seed or other words may help."
)
UNCHECKED = say(
    "Pictures are checked here before they are shown, and this one could not be, so I have not kept it. "
    "Whoever runs me finds the reason in the log."
)


def judged(job: Job, drawn: Mapping[int, Picture]) -> tuple[Job, dict[int, Picture]]:
    """The job as it ends, and its pictures as far as they are kept, by index.

    Where pictures are checked, one that nobody has called clean is treated as a flagged one.

    Args:
        job: it runs.
    """
    suspect = {} if job.safety is Safety.OFF else {i: p for i, p in drawn.items() if not is_clean(p)}
    done = job.moved(JobState.DONE)
    match job.safety:
        case Safety.HOLD if suspect:
            return replace(done, review=Review.WAITING), dict(drawn)
        case Safety.REFUSE if len(suspect) == len(drawn):
            flagged = any(picture.verdict is Verdict.FLAGGED for picture in suspect.values())
            return job.moved(JobState.FAILED, failure=FLAGGED if flagged else UNCHECKED), {}
        case Safety.REFUSE:
            return done, {index: picture for index, picture in drawn.items() if index not in suspect}
        case _:
            return done, dict(drawn)


def is_clean(picture: Picture) -> bool:
    """Whether a checker has seen this picture and found nothing."""
    return picture.verdict is Verdict.CLEAN


def is_suspect(job: Job, picture: Picture) -> bool:
    """Whether this picture is to be hidden until somebody clicks on it, for what the check says of it."""
    return job.safety is Safety.SPOILER and not is_clean(picture)
