"""A picture whose look the new one is to have: what somebody attaches becomes part of an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import discord

from bot import bringing
from bot.bringing import Order
from bot.options import Typed
from generation import canvas
from generation.request import Digest, InvalidRequest, Look
from generation.sentence import say
from generation.shelf import Shelf

LARGEST = 1024
"""Pixels along the longer edge of what is kept; an image encoder sees a few hundred."""
_WHAT = say("picture for the look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What was typed as `look` and `look_weight`."""

    file: discord.Attachment
    weight: float | None

    def check(self, typed: Typed, shelf: Shelf) -> None:
        """Refuse at once what is wrong whatever the picture shows.

        Raises:
            Refused, InvalidRequest: it cannot be.
        """
        bringing.check_attachment(self.file, _WHAT)
        request = replace(typed.request(shelf), look=self._look(Digest("0" * 64)))
        if (reason := typed.chosen_model(shelf).reject_reason(request)) is not None:
            raise InvalidRequest(reason)

    def added_to(self, find: Callable[[], Awaitable[Order]]) -> Callable[[], Awaitable[Order]]:
        """How the order is found with this look."""

        async def found() -> Order:
            data = await bringing.fetched(self.file, _WHAT)
            return await bringing.one_by_one(partial(self.on, await find(), data))

        return found

    def on(self, order: Order, data: bytes) -> Order:
        """The order with the look of the picture in a file. Slow: not for the event loop.

        Raises:
            InvalidRequest: it is no picture that can be read.
        """
        image = canvas.open_picture(data, what=_WHAT)
        image.thumbnail((LARGEST, LARGEST))
        digest, files = bringing.as_file(canvas.opaque(image))
        return Order(request=replace(order.request, look=self._look(digest)), files={**order.files, **files})

    def _look(self, picture: Digest) -> Look:
        return Look(picture=picture) if self.weight is None else Look(picture=picture, weight=self.weight)
