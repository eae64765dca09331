"""Many images share each call of the UNet, and none of them can tell."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from generation.messages import Calls, Drawn, Entered, Phase, Report, Stepped, Stopped, Task, TaskFailed
from generation.metadata import calls_of, read
from generation.request import Seed, Size
from generation.samplers import SAMPLERS
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

WORDS = ("a red circle", "two blue squares", "the moon", "pixel art", "Ein grüner Würfel", "🎈")
ENDS = (Drawn, TaskFailed, Stopped)


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    difference = ImageChops.difference(one, other).convert("RGB").tobytes()
    return max(difference)


def mixed_task(bench: Bench, index: int, rng: Random) -> Task:
    """A request with everything of its own that may differ within a batch."""
    request = a_request(
        bench.source,
        prompt=f"{rng.choice(WORDS)} number {index}",
        negative_prompt=rng.choice(("", "blue")),
        sampler=list(SAMPLERS)[index % len(SAMPLERS)],
        steps=rng.randint(1, 9),
        guidance=rng.choice((0.0, 1.0, 3.5, 7.0)),
        seed=Seed(rng.randrange(2**32)),
    )
    return a_task(request, job=f"job{index}")


def run_all(bench: Bench, arrivals: list[tuple[int, Task]]) -> dict[str, bytes]:
    """Let each task arrive at its tick; the PNGs by job."""
    bench.said.clear()
    waiting, tick = sorted(arrivals, key=lambda pair: pair[0]), 0
    while waiting or bench.engine.busy:
        while waiting and waiting[0][0] <= tick:
            bench.engine.admit(waiting.pop(0)[1])
        bench.engine.tick()
        tick += 1
    return {report.task.job: report.png for report in bench.said if isinstance(report, Drawn)}


def recorded_calls(png: bytes) -> Calls:
    record = read(png).record
    assert record is not None
    return calls_of(record)


def replayed(bench: Bench, task: Task, png: bytes) -> bytes:
    """The same picture drawn again, alone, with as many rows in each call as it had."""
    again = replace(task, replay=recorded_calls(png))
    last = bench.run(again)[-1]
    assert isinstance(last, Drawn), last
    return last.png


@pytest.mark.parametrize(
    ("padded", "count"), [(False, 20), (True, 10)], ids=["as many rows as needed", "padded"]
)
def test_mixed_requests_in_one_batch_equal_their_solo_runs(padded: bool, count: int, sd_bench: Bench) -> None:
    bench = sd_bench.again(cap=8, padded=padded)
    rng = Random(5)
    arrivals = [(rng.randrange(count // 2), mixed_task(bench, index, rng)) for index in range(count)]
    pngs = run_all(bench, arrivals)
    assert len(pngs) == count
    shared = 0
    for _, task in arrivals:
        png = pngs[task.id.job]
        assert replayed(bench, task, png) == png, "the same rows, the same bytes"
        alone = sd_bench.run(task)[-1]
        assert isinstance(alone, Drawn)
        assert largest_difference(picture(alone.png), picture(png)) <= 1
        shared += any(rows > 2 for rows, _, _ in recorded_calls(png))
    assert shared >= 0.75 * count, "this proves something only if they shared calls"
    assert largest_difference(picture(pngs["job1"]), picture(pngs["job2"])) > 20, "and if they differ"


def test_sdxl_and_v_prediction_share_calls_too(toy_sdxl: Any, toy_v: Any) -> None:
    for folder in (toy_sdxl, toy_v):
        bench, rng = Bench(str(folder), cap=4), Random(6)
        arrivals = [(index, mixed_task(bench, index, rng)) for index in range(5)]
        pngs = run_all(bench, arrivals)
        for _, task in arrivals:
            alone = bench.run(task)[-1]
            assert isinstance(alone, Drawn)
            assert largest_difference(picture(alone.png), picture(pngs[task.id.job])) <= 1


def test_the_embedded_model_shares_calls_within_one_level_of_its_solo_runs(mini_bench: Bench) -> None:
    size = Size(width=128, height=128)
    tasks = [
        a_task(
            a_request(mini_bench.source, prompt=f"a {colour} heart", size=size, steps=4, seed=Seed(index)),
            job=colour,
        )
        for index, colour in enumerate(("red", "green", "black"))
    ]
    pngs = run_all(mini_bench, [(0, task) for task in tasks])
    for task in tasks:
        png = pngs[task.id.job]
        assert recorded_calls(png) == (
            (6, 2 * int(task.id.job == "green") + 4 * int(task.id.job == "black"), 4),
        )
        assert replayed(mini_bench, task, png) == png
        alone = mini_bench.run(task)[-1]
        assert isinstance(alone, Drawn)
        assert largest_difference(picture(alone.png), picture(png)) <= 1


SWAPS: dict[str, Any] = {
    "prompts": lambda one, two: _swap(one, two, "states"),
    "seeds": lambda one, two: _swap(one, two, "latents"),
    "times": lambda one, two: _swap(one, two, "times"),
    "schedulers": lambda one, two: _swap(one, two, "scheduler"),
    "guidance": lambda one, two: _swap_guidance(one, two),
}


def _swap(one: Any, two: Any, name: str) -> None:
    first, second = getattr(one, name), getattr(two, name)
    setattr(one, name, second)
    setattr(two, name, first)


def _swap_guidance(one: Any, two: Any) -> None:
    first, second = one.task.request.guidance, two.task.request.guidance
    for image, guidance in ((one, second), (two, first)):
        image.task = replace(image.task, request=replace(image.task.request, guidance=guidance))


@pytest.mark.parametrize("what", SWAPS)
def test_two_rows_that_are_mixed_up_are_noticed(what: str, sd_bench: Bench) -> None:
    tasks = [
        a_task(
            a_request(
                sd_bench.source, prompt="a red circle", steps=5, seed=Seed(1), sampler="DPM++ 2M Karras"
            ),
            job="one",
        ),
        a_task(
            a_request(
                sd_bench.source, prompt="the moon", steps=5, seed=Seed(2), guidance=2.0, sampler="DDIM"
            ),
            job="two",
        ),
    ]
    honest = run_all(sd_bench, [(0, task) for task in tasks])
    sd_bench.said.clear()
    for task in tasks:
        sd_bench.engine.admit(task)
    sd_bench.engine.tick()
    sd_bench.engine.tick()
    SWAPS[what](*(entry.image for entry in sd_bench.engine._entries))
    while sd_bench.engine.busy:
        sd_bench.engine.tick()
    mixed_up = [report for report in sd_bench.said if isinstance(report, Drawn)]
    assert len(mixed_up) == 2
    worst = max(
        largest_difference(picture(honest[report.task.job]), picture(report.png)) for report in mixed_up
    )
    assert worst > 1


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(
    plan=st.lists(
        st.tuples(
            st.integers(0, 8),
            st.integers(1, 4),
            st.integers(0, 12) | st.none(),
            st.sampled_from(["Euler", "Heun", "PNDM", "UniPC"]),
            st.sampled_from([64, 128]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_joining_and_cancelling_at_any_step_loses_and_doubles_nothing(
    plan: list[tuple[int, int, int | None, str, int]], sd_bench: Bench
) -> None:
    """Each task: when it comes, its steps, when it is cancelled, its sampler, its width."""
    bench = sd_bench.again(cap=3)
    tasks = [
        a_task(
            a_request(
                bench.source,
                steps=steps,
                sampler=sampler,
                size=Size(width=width, height=64),
                seed=Seed(index),
            ),
            job=str(index),
        )
        for index, (_, steps, _, sampler, width) in enumerate(plan)
    ]
    for tick in range(200):
        for task, (comes, _, cancelled, *_) in zip(tasks, plan, strict=True):
            if comes == tick:
                bench.engine.admit(task)
            if cancelled is not None and comes + cancelled == tick:
                ended = any(isinstance(r, ENDS) and r.task == task.id for r in bench.said)
                assert not (bench.engine.cancel(task.id) and ended)
        bench.engine.tick()
        if tick > 8 and not bench.engine.busy:
            break
    ends = Counter(report.task for report in bench.said if isinstance(report, ENDS))
    assert ends == {task.id: 1 for task in tasks}
    for task in tasks:
        steps = [r.step for r in bench.said if isinstance(r, Stepped) and r.task == task.id]
        drawn = any(isinstance(r, Drawn) and r.task == task.id for r in bench.said)
        assert steps == list(range(1, task.request.steps + 1))[: len(steps)]
        assert not drawn or len(steps) == task.request.steps


def test_images_of_two_sizes_take_turns(sd_bench: Bench) -> None:
    small = [a_task(a_request(sd_bench.source, steps=6, seed=Seed(n)), job=f"s{n}") for n in range(2)]
    wide = Size(width=128, height=64)
    large = [
        a_task(a_request(sd_bench.source, steps=6, size=wide, seed=Seed(n)), job=f"w{n}") for n in range(2)
    ]
    run_all(sd_bench, [(0, task) for task in (*small, *large)])
    order = "".join(r.task.job[0] for r in sd_bench.said if isinstance(r, Stepped))
    assert "wwwwwww" not in order, "the wide ones may not go first altogether"
    assert order.index("w") < 8, "nor wait until the small ones are done"


def test_what_a_tick_asks_of_the_device_grows_with_images_and_places(sd_bench: Bench) -> None:
    def work(*sizes: Size) -> float:
        for number, size in enumerate(sizes):
            request = a_request(sd_bench.source, steps=1, size=size)
            sd_bench.engine.admit(a_task(request, job=f"work{number}"))
        sd_bench.engine.tick()
        asked = sd_bench.engine.work
        while sd_bench.engine.busy:
            sd_bench.engine.tick()
        return asked

    small, wide = Size(width=64, height=64), Size(width=128, height=64)
    one = work(small)
    assert one > 0
    assert work(small, small) == work(wide) == 2 * one
    assert sd_bench.engine.work == 0, "nothing was called at the last tick"


def first_step_of(job: str, said: list[Report]) -> bool:
    return any(isinstance(report, Stepped) and report.task.job == job for report in said)


def test_a_short_request_has_its_first_step_in_two_ticks_though_long_ones_fill_the_batch(
    sd_bench: Bench,
) -> None:
    sd_bench.said.clear()
    for index in range(6):  # two more than fit into a call
        sd_bench.engine.admit(a_task(a_request(sd_bench.source, steps=20), job=f"long{index}"))
    for _ in range(5):
        sd_bench.engine.tick()
    sd_bench.engine.admit(a_task(a_request(sd_bench.source, steps=4), job="short"))
    for _ in range(2):
        sd_bench.engine.tick()
    assert first_step_of("short", sd_bench.said)
    while sd_bench.engine.busy:
        sd_bench.engine.tick()


def test_a_long_request_is_not_starved_by_a_stream_of_short_ones(sd_bench: Bench) -> None:
    bench = sd_bench.again(cap=1)
    bench.engine.admit(a_task(a_request(bench.source, steps=10), job="long"))
    for tick in range(40):
        if tick % 2 == 0:
            bench.engine.admit(a_task(a_request(bench.source, steps=2, seed=Seed(tick)), job=f"s{tick}"))
        bench.engine.tick()
    assert any(isinstance(report, Drawn) and report.task.job == "long" for report in bench.said)
    while bench.engine.busy:
        bench.engine.tick()


def test_one_image_that_spoils_the_call_fails_alone(sd_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [a_task(a_request(sd_bench.source, steps=4, seed=Seed(n)), job=str(n)) for n in range(3)]
    expected = run_all(sd_bench, [(0, task) for task in tasks])
    sd_bench.said.clear()
    for task in tasks:
        sd_bench.engine.admit(task)
    sd_bench.engine.tick()
    spoiled = sd_bench.engine._entries[1].image
    assert spoiled is not None
    spoiled.states = spoiled.states[:, :, :-1]
    while sd_bench.engine.busy:
        sd_bench.engine.tick()
    ends = {report.task.job: report for report in sd_bench.said if isinstance(report, ENDS)}
    assert isinstance(ends[tasks[1].id.job], TaskFailed)
    for job in (tasks[0].id.job, tasks[2].id.job):
        assert isinstance(last := ends[job], Drawn)
        assert largest_difference(picture(last.png), picture(expected[job])) <= 1


def test_what_a_shared_call_held_is_gone_before_each_image_is_tried_alone(sd_bench: Bench) -> None:
    shared: list[weakref.ref[torch.Tensor]] = []
    left: list[bool] = []

    def spoil(module: Any, arguments: Any, asked: dict[str, Any]) -> None:
        if len(asked["sample"]) == 2:
            left.append(shared[-1]() is not None)
        else:
            shared.append(weakref.ref(asked["sample"]))
            raise RuntimeError("too many")

    hook = sd_bench.model.unet.register_forward_pre_hook(spoil, with_kwargs=True)
    tasks = [a_task(a_request(sd_bench.source, steps=1), job=str(number)) for number in range(2)]
    assert len(run_all(sd_bench, [(0, task) for task in tasks])) == 2
    hook.remove()
    assert left == [False, False]


def test_what_waits_for_its_first_call_is_not_said_to_be_drawn(sd_bench: Bench) -> None:
    """A worker that dies takes the blame on those it was drawing, not on those that waited."""
    bench = sd_bench.again(cap=2)
    tasks = [a_task(a_request(bench.source, steps=5), job=str(index)) for index in range(3)]
    for task in tasks:
        bench.engine.admit(task)
    bench.engine.tick()
    begun = {r.task for r in bench.said if isinstance(r, Entered) and r.phase is Phase.DRAWING}
    assert begun == {tasks[0].id, tasks[1].id}
    assert bench.engine.cancel(tasks[2].id)
    while bench.engine.busy:
        bench.engine.tick()
