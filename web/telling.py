"""What a page shows of pictures: tiles for many of them, and the settings of one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from generation.job import Job, UserId
from generation.request import OWN_SAMPLER, GenerationRequest
from generation.sentence import joined, say
from storage.gallery import Post, PostId
from storage.thumbnails import thumbnail_size
from web.asking import Addresses

SOMEBODY = say("Somebody")
MAX_ALT = 250
MAX_CAPTION = 120
LEAST_RATIO, MOST_RATIO = 5, 25
"""Tenths: the shapes that the stylesheet knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture among many."""

    address: str
    thumbnail: str
    width: int
    height: int
    """Of the thumbnail, in pixels."""
    shape: int
    """Tenths that it is wider than high: a class of the stylesheet."""
    alt: str
    caption: str
    credit: str
    likes: int
    is_covered: bool


def tiles(
    posts: Sequence[Post], covered: Collection[PostId], people: Mapping[UserId, str], addresses: Addresses
) -> tuple[Tile, ...]:
    """A tile for each."""
    return tuple(
        _tile(post, post.id in covered, people.get(post.person, SOMEBODY), addresses) for post in posts
    )


def _tile(post: Post, is_covered: bool, credit: str, addresses: Addresses) -> Tile:
    width, height = thumbnail_size(post.size.width, post.size.height)
    return Tile(
        address=addresses.post(post),
        thumbnail=addresses.thumbnail(post),
        width=width,
        height=height,
        shape=max(LEAST_RATIO, min(MOST_RATIO, round(10 * width / height))),
        alt=alt(post),
        caption=shortened(post.title or post.prompt, MAX_CAPTION),
        credit=credit,
        likes=post.likes,
        is_covered=is_covered,
    )


def alt(post: Post) -> str:
    """What is said of a picture to who does not see it: its title and its prompt."""
    words = shortened(post.prompt, MAX_ALT)
    return joined(": ", (post.title, words)) if post.title else words


def heading(post: Post) -> str:
    """What a picture is called on its own page."""
    return post.title or shortened(post.prompt, MAX_CAPTION)


def shortened(text: str, most: int) -> str:
    """On one line, and no longer than this."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def negative_prompt(job: Job, index: int) -> str:
    """What the picture was not to show."""
    return job.request.image(index).negative_prompt


def settings(job: Job, post: Post, model: str) -> tuple[tuple[str, str], ...]:
    """How a picture was made, setting by setting.

    Args:
        model: what its model is called.
    """
    request = job.request.image(post.index)
    size = _size(post.size.width, post.size.height)
    if request.upscale is not None and request.upscale.brought:
        return ((say("Size"), size), (say("Made larger by"), request.upscale.upscaler))
    told = [
        (say("Model"), model),
        (say("Size"), size),
        (say("Steps"), str(request.steps)),
        (say("Guidance"), f"{request.guidance:g}"),
        (say("Seed"), str(request.seed)),
    ]
    if request.sampler != OWN_SAMPLER:
        told.insert(2, (say("Sampler"), request.sampler))
    return (*told, *_besides(request, post))


def _size(width: int, height: int) -> str:
    return say("{width} × {height}", width=width, height=height)


def _besides(request: GenerationRequest, post: Post) -> list[tuple[str, str]]:
    """What only some pictures have."""
    told: list[tuple[str, str]] = []
    weights = {each.name: each.weight for each in request.adapters}
    told += [
        (
            say("LoRA"),
            say("{name}, weight {weight:g}", name=name, weight=weights[name]) if name in weights else name,
        )
        for name in post.loras
    ]
    told += [
        (say("ControlNet"), say("{name}, weight {weight:g}", name=each.model, weight=each.weight))
        for each in request.controls
    ]
    if request.clip_skip > 1:
        told.append((say("Clip skip"), str(request.clip_skip)))
    if request.start is not None:
        told.append(
            (say("Starts from"), say("a picture, strength {strength:g}", strength=request.start.strength))
        )
    if request.look is not None:
        told.append((say("Look"), say("of a picture, weight {weight:g}", weight=request.look.weight)))
    if request.hires is not None:
        told.append((say("Second pass"), _size(request.hires.size.width, request.hires.size.height)))
    if request.upscale is not None:
        told.append((say("Made larger by"), request.upscale.upscaler))
    return told
