"""Pictures between two passes that an upscaler makes larger: a tile at a tick, beside everybody's steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as NotYet

from generation.engine.decoding import decode
from generation.engine.engine import Say
from generation.engine.enlarging import LOOK_S, upscaler_record
from generation.engine.entry import Entry
from generation.engine.failures import RAN_AWAY, CannotDraw
from generation.engine.memory import Memory, free, is_out_of_memory
from generation.engine.models import Model
from generation.engine.tiles import Enlargement
from generation.engine.upscalers import UpscalerShelf
from generation.messages import Entered, Phase
from generation.sentence import say

NO_UPSCALERS = say("I have no upscalers here any more; choose another way to make the second pass larger.")


class Growing:
    """Takes the entries of one engine on. What they have reached is in the entries."""

    def __init__(
        self,
        model: Model,
        memory: Memory,
        upscalers: UpscalerShelf | None,
        say: Say,
    ) -> None:
        self._model = model
        self._memory = memory
        self._upscalers = upscalers
        self._say = say

    @staticmethod
    def next_of(entries: Sequence[Entry]) -> Entry | None:
        """Who is to be taken on; one after the other, for each takes memory."""
        growing = [entry for entry in entries if entry.is_growing]
        return next((entry for entry in growing if entry.growth is not None), next(iter(growing), None))

    def advance(self, entry: Entry, climb: Callable[[], bool]) -> None:
        """Do the next tile of an entry that grows.

        Args:
            climb: makes room where a small tile does not fit either; False if nothing is left to give up.

        Raises:
            CannotDraw: it cannot be enlarged; or whatever says that memory ran out.
        """
        first, hires = entry.first_pass, entry.task.request.hires
        assert first is not None
        assert hires is not None
        if self._upscalers is None or hires.upscaler is None:
            raise CannotDraw(NO_UPSCALERS)
        try:
            # A sign of life, since a tile may take a processor long.
            self._say(Entered(phase=Phase.DRAWING, task=entry.task.id))
            entry.upscaler = entry.upscaler or self._upscalers.get(hires.upscaler)
            upscaler = entry.upscaler.result(timeout=LOOK_S)
            if entry.growth is None:
                self._memory.need("vae", "first_decode_tiled")
                picture = decode(self._model, first.latents)
                first.record.pop("first_decode_tiled", None)  # it may be decoded a second time
                first.record.update(self._memory.noted("first_decode_tiled"))
                if picture is None:
                    raise CannotDraw(RAN_AWAY)
                entry.growth = Enlargement(upscaler, picture, hires.size, tile=self._upscalers.tile)
                return
            entry.growth.advance()
        except NotYet:
            return
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None
            free(self._model.device)
            entry.growth = None if entry.growth is None else entry.growth.smaller()
            if entry.growth is None:
                entry.upscaler = None  # perhaps it could not be read
                if not climb():
                    raise
            return
        if entry.growth.done:
            entry.larger = entry.growth.result()
            first.record.update(upscaler_record(upscaler, entry.growth.tile))
            entry.growth = entry.upscaler = None
