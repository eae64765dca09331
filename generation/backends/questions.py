"""Questions to a worker that are no tasks: each gets one answer, or none if the worker is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from generation.messages import Described
from generation.sentence import Told, say

MOST = 8
"""Open at once; a picture takes seconds, and who asks later would wait for minutes."""
PATIENCE_S = 180.0


class CannotDescribe(Told):
    """Nothing can be said about a picture; the message is a sentence for whoever asked."""


class Questions:
    """Those that are open."""

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Future[Described]] = {}
        self._numbers = count()

    async def ask(self, send: Callable[[int], None]) -> str:
        """Send a question under a number, and wait for what is said.

        Raises:
            CannotDescribe: nothing is said.
        """
        if len(self._open) >= MOST:
            raise CannotDescribe(say("Many are asking that at the moment; please try again in a minute."))
        number = next(self._numbers)
        self._open[number] = asyncio.get_running_loop().create_future()
        try:
            send(number)
            async with asyncio.timeout(PATIENCE_S):
                answer = await self._open[number]
        except TimeoutError:
            raise CannotDescribe(say("That takes too long; please try again later.")) from None
        finally:
            del self._open[number]
        if answer.text is None:
            raise CannotDescribe(answer.reason or say("The reason is not known."))
        return answer.text

    def take_in(self, answer: Described) -> None:
        """An answer; to a question that nobody waits for any more, perhaps."""
        waiting = self._open.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def lose(self) -> None:
        """Whoever was asked is gone."""
        for number in list(self._open):
            reason = say("The drawing process was lost over something else; please try again.")
            self.take_in(Described(number=number, reason=reason))
