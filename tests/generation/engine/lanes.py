"""A pipeline of another family in this process, beside the same one untouched."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.catalogue import describe
from generation.engine.engine import ModelEngine
from generation.engine.lane import PipelineEngine
from generation.engine.pipeline import load_pipeline
from generation.messages import Drawn, Report, Task, TaskFailed
from generation.request import OWN_SAMPLER, GenerationRequest
from tests.generation.toys import a_request, a_task


class Lane:
    """An engine for one pipeline in this process, what it said, and the same pipeline untouched."""

    def __init__(self, folder: Path) -> None:
        from diffusers import DiffusionPipeline

        self.source = str(folder)
        self.model = load_pipeline(describe(self.source), device="cpu")
        self.said: list[Report] = []
        self.engine: ModelEngine = PipelineEngine(self.model, self.said.append)
        self.stock = DiffusionPipeline.from_pretrained(self.source)
        self.stock.set_progress_bar_config(disable=True)

    def request(self, **changes: Any) -> GenerationRequest:
        return replace(a_request(self.source, sampler=OWN_SAMPLER, steps=3), **changes)

    def begin(self, **changes: Any) -> Task:
        self.said.clear()
        task = a_task(self.request(**changes))
        self.engine.admit(task)
        return task

    def end(self) -> list[Report]:
        while self.engine.busy:
            self.engine.tick()
        return list(self.said)

    def draw(self, **changes: Any) -> bytes:
        self.begin(**changes)
        last = self.end()[-1]
        assert isinstance(last, Drawn), last
        return last.png

    def failure(self, **changes: Any) -> str:
        self.begin(**changes)
        last = self.end()[-1]
        assert isinstance(last, TaskFailed), last
        assert not threads()
        return last.reason


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "pipeline"]
