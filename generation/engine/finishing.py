"""A decoded picture into its file, and what the safety checker says about it; beside the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from generation.engine.controls import ControlPicture, told
from generation.engine.failures import sentence
from generation.engine.guard import Guard, verdict_on
from generation.engine.inputs import pasted
from generation.messages import Drawn, Task, TaskFailed
from generation.metadata import write_png


def finished(
    task: Task,
    picture: Image.Image,
    record: Mapping[str, Any],
    guard: Guard | None,
    *,
    away: bool,
    controls: Sequence[ControlPicture] = (),
) -> Drawn | TaskFailed:
    """The end of a task. Takes longer than a step; from any thread, never raises.

    Args:
        guard: asked if the task wants that.
        away: the guard has to do without the device.
        controls: what it was steered by.
    """
    try:
        if task.request.start is not None:
            picture = pasted(task.inputs, task.request.start, picture)
        verdict = verdict_on(guard, task, picture, away=away)
        more, shown = told(controls)
        record = {**record, **more}
        return Drawn(task=task.id, png=write_png(picture, task.request, record), verdict=verdict, shown=shown)
    except Exception as error:  # noqa: BLE001 - the edge of a thread
        return TaskFailed(task=task.id, reason=sentence([task.id], error))
