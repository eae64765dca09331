"""What is known of the models, and corrected when one turns out to be another than its name said."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.limits import Limits
from generation.messages import Ready, Report
from generation.model import ModelInfo
from generation.modelfiles import UnreadableModel
from generation.shelf import Shelf

log = logging.getLogger(__name__)


class Learner:
    """Corrects the models on a shelf, and hands on the shelf as the owner's limits leave it."""

    def __init__(self, shelf: Shelf, limits: Limits, tell: Callable[[Shelf], None]) -> None:
        """
        Args:
            shelf: without the limits.
        """
        self._shelf = shelf
        self._limits = limits
        self._tell = tell

    def hear(self, report: Report) -> None:
        """Take in what a model turned out to be when it was loaded; overhears the studio's backends."""
        if isinstance(report, Ready):
            self.learn(report.info)

    def learn(self, truth: ModelInfo) -> None:
        """Take in what a model is."""
        shelf, misfits = self._shelf.corrected(truth)
        if shelf == self._shelf:
            return
        for sentence in misfits:
            log.warning("%s", sentence)
        try:
            within = shelf.within(pixels=self._limits.pixels, steps=self._limits.steps)
        except UnreadableModel as reason:
            log.error("%s Until then what is asked of it is judged as before.", reason)
            return
        self._shelf = shelf
        log.info("%s is %s, for pictures of %d pixels", truth.source, truth.family, truth.native)
        self._tell(within)
