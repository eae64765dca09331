"""Who waits for a model sees it come; who does not, does not."""

from __future__ import annotations

import pytest

from generation.catalogue import describe
from generation.job import Job, Progressed, Queued
from generation.messages import Entered, Loading, Lost, NotLoaded, Phase, PutAway, Ready, Report, Stepped
from tests.generation.studios import HandBackend, Story

MODEL = describe("fake:noise")


def loadings(story: Story, job: Job) -> list[Loading | None]:
    """What a job waited for, as it was told; each once."""
    told = [event.loading for event in story.of(job) if isinstance(event, Queued)]
    return [each for each, before in zip(told, [object(), *told], strict=False) if each != before]


async def test_who_waits_is_told_that_the_model_is_loading() -> None:
    async with Story() as story:
        story.backend.room = 0
        job = story.ask()
        coming = Loading(model="the first model", fetched=1, total=2)
        for report in (Entered(phase=Phase.LOADING), coming, Loading(model="the first model")):
            story.backend.say(report)
        story.backend.say(Ready(model="the first model", images=1, info=MODEL))
        story.backend.say(Entered(phase=Phase.IDLE))
        await story.until(lambda: loadings(story, job)[-1:] == [None])
        first = Loading(model="the first model")
        assert loadings(story, job) == [Loading(), coming, first, Loading(), None]


async def test_who_waits_for_a_second_model_sees_it_come_while_the_others_draw() -> None:
    async with Story(HandBackend(room=2)) as story:
        story.backend.say(Entered(phase=Phase.IDLE))
        other = story.ask(model="another")
        await story.until(lambda: loadings(story, other) == [Loading(), None])
        drawn = story.ask(2)
        await story.took(2)
        story.backend.begin(story.backend.taken[1].id)
        waits = story.ask(3)
        half, whole = Loading(model="another", fetched=1, total=2), Loading(model="another")
        for report in (whole, half, whole):
            story.backend.say(report)
            story.backend.say(Stepped(task=story.backend.taken[1].id, step=1, steps=9))
        story.backend.say(Ready(model="another", images=1, info=MODEL))
        await story.until(lambda: len(loadings(story, other)) == 6)
        assert loadings(story, other)[1:] == [None, whole, half, whole, None]
        assert sum(isinstance(event, Progressed) for event in story.of(drawn)) == 4
        assert not any(loadings(story, drawn))
        assert not any(loadings(story, waits)), "its own model is there"


@pytest.mark.parametrize(
    "end",
    [NotLoaded(model="another"), Lost(suspects=(), bystanders=(), reason="killed")],
    ids=["given up", "lost"],
)
async def test_a_model_that_does_not_come_after_all_is_not_waited_for_on_any_card(end: Report) -> None:
    async with Story(HandBackend(room=0), HandBackend(room=0)) as story:
        for backend in story.backends:
            backend.say(Entered(phase=Phase.IDLE))
        story.backend.say(Loading(model="another"))
        other = story.ask(model="another")
        await story.until(lambda: Loading(model="another") in loadings(story, other))
        story.backend.say(end)
        await story.until(lambda: loadings(story, other)[-1] is None)


async def test_which_models_are_in_memory_is_known() -> None:
    async with Story() as story:
        for report in (
            Ready(model="one", images=1, info=MODEL),
            Ready(model="two", images=1, info=MODEL),
            PutAway(model="one"),
            Loading(model="three"),
        ):
            story.backend.say(report)
        await story.until(lambda: story.studio.readiness.on_their_way)
        assert story.studio.readiness.loaded == {"two"}
        story.backend.say(Lost(suspects=(), bystanders=(), reason="killed"))
        await story.until(lambda: not story.studio.readiness.loaded)


async def test_what_a_model_turns_out_to_be_is_told() -> None:
    async with Story() as story:
        heard: list[Report] = []
        story.studio.overhear(heard.append)
        ready = Ready(model=MODEL.source, images=1, info=MODEL)
        story.backend.say(ready)
        await story.until(lambda: heard == [ready])
