"""Each sampler goes a way of its own, each image has its own scheduler, and none waits for the device."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any

import pytest
import torch
from diffusers import DPMSolverSDEScheduler, KDPM2DiscreteScheduler, TCDScheduler
from diffusers.schedulers import scheduling_ddpm
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from diffusers.utils.torch_utils import randn_tensor
from torch.utils._python_dispatch import TorchDispatchMode

from generation.engine import schedulers as schedulers_module
from generation.engine.inputs import Kept
from generation.engine.schedulers import Schedulers, scheduler_class, takes_generator
from generation.engine.uploads import to_device
from generation.request import Seed
from generation.samplers import SAMPLERS, Schedule
from tests.generation.toys import BETAS, Bench, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

# A fourth of the usual time steps: some schedulers take a second to make with all of them.
CONFIG = {**BETAS, "num_train_timesteps": 250, "prediction_type": "epsilon", "steps_offset": 1}
CONFIGS = {
    "epsilon": CONFIG,
    "v": {**CONFIG, "prediction_type": "v_prediction", "timestep_spacing": "leading"},
}
STOCHASTIC = {"DDPM", "Euler a", "DPM++ 2M SDE", "DPM++ SDE", "DPM2 a", "LCM", "TCD"}


@pytest.fixture(scope="module")
def schedulers() -> dict[str, Schedulers]:
    return {name: Schedulers(config) for name, config in CONFIGS.items()}


@cache
def stock(config: str, name: str) -> Any:
    """diffusers' own, which is not to be used but copied."""
    spec = SAMPLERS[name]
    return scheduler_class(spec).from_config(CONFIGS[config], **spec.overrides)


class Walk:
    """One image from noise to latents, with a rule instead of a UNet."""

    def __init__(self, scheduler: Any, seed: int = 7, *, device: str = "cpu") -> None:
        self.scheduler = scheduler
        self.generator = torch.Generator("cpu").manual_seed(seed)
        noise = torch.randn((1, 4, 8, 8), generator=self.generator)
        self.latents: torch.Tensor = noise.to(device) * scheduler.init_noise_sigma
        self.arguments = {"generator": self.generator} if takes_generator(scheduler) else {}
        self.calls = 0

    @property
    def done(self) -> bool:
        return self.calls == len(self.scheduler.timesteps)

    @property
    def time(self) -> torch.Tensor:
        time: torch.Tensor = self.scheduler.timesteps[self.calls]
        return time

    def step(self) -> None:
        time = self.time
        scaled = self.scheduler.scale_model_input(self.latents, time)
        prediction = torch.sin(3 * scaled) + scaled.roll(1, -1) / 2
        self.latents = self.scheduler.step(
            prediction, time, self.latents, **self.arguments, return_dict=False
        )[0]
        self.calls += 1

    def finish(self) -> torch.Tensor:
        while not self.done:
            self.step()
        return self.latents


def spacing(scheduler: Any) -> list[list[float]]:
    """All that a schedule decides: the time steps, and the noise levels where there are some."""
    return [
        getattr(scheduler, name).tolist()
        for name in ("timesteps", "sigmas", "sigmas_interpol")
        if hasattr(scheduler, name)
    ]


# The table -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS)
def test_no_two_schedules_of_a_sampler_are_spaced_alike(
    config: str, schedulers: dict[str, Schedulers]
) -> None:
    spaced = {name: spacing(schedulers[config].make(name, 20)) for name in SAMPLERS}
    for one, other in combinations(SAMPLERS.values(), 2):
        if one.sampler == other.sampler:
            assert spaced[one.name] != spaced[other.name], (one.name, other.name)


@pytest.mark.parametrize("config", CONFIGS)
def test_no_two_samplers_go_the_same_way(config: str, schedulers: dict[str, Schedulers]) -> None:
    ends: dict[bytes, str] = {}
    for name in SAMPLERS:
        end = Walk(schedulers[config].make(name, 7)).finish().numpy().tobytes()
        assert end not in ends, (name, ends[end])
        ends[end] = name


@pytest.mark.parametrize("steps", [1, 2, 4, 9])
@pytest.mark.parametrize("config", CONFIGS)
def test_every_sampler_takes_every_number_of_steps_as_diffusers_does(
    config: str, steps: int, schedulers: dict[str, Schedulers]
) -> None:
    for name in SAMPLERS:
        ours = schedulers[config].make(name, steps)
        assert ours.timesteps.device.type == "cpu"
        assert getattr(ours, "begin_index", 0) == 0, "its first step would look for its place"
        assert len(ours.timesteps) in {steps, steps + 1, 2 * steps - 1, 2 * steps}, name
        theirs = copy.deepcopy(stock(config, name))
        theirs.set_timesteps(steps)
        end = Walk(ours).finish()
        assert torch.isfinite(end).all(), name
        assert torch.equal(end, Walk(theirs).finish()), name


def test_the_most_steps_that_may_be_asked_for_are_drawn(schedulers: dict[str, Schedulers]) -> None:
    for name, spec in SAMPLERS.items():
        if spec.schedule is Schedule.AUTOMATIC:
            scheduler = schedulers["epsilon"].make(name, spec.max_steps or 150)
            assert torch.isfinite(Walk(scheduler).finish()).all(), name
            if spec.max_steps is not None:
                with pytest.raises(ValueError, match="num_inference_steps"):
                    schedulers["epsilon"].make(name, spec.max_steps + 1)


def test_the_share_of_fresh_noise_in_tcd_is_the_one_of_its_step() -> None:
    assert inspect.signature(TCDScheduler.step).parameters["eta"].default == 0.3


# One image, one scheduler --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLERS)
def test_neighbours_with_the_same_sampler_do_not_matter(name: str, schedulers: dict[str, Schedulers]) -> None:
    make = schedulers["v"].make
    alone = [Walk(make(name, 5), seed).finish() for seed in (1, 2)]
    together = [Walk(make(name, 5), seed) for seed in (1, 2)]
    together[1].step()  # it came a step earlier
    while walks := [walk for walk in together if not walk.done]:
        for walk in walks:
            torch.randn(3)  # somebody draws from the generator that all of the process share
            walk.step()
    for walk, expected in zip(together, alone, strict=True):
        assert torch.equal(walk.latents, expected)


def test_only_samplers_that_draw_noise_follow_the_generator_after_the_first(
    schedulers: dict[str, Schedulers],
) -> None:
    for name, spec in SAMPLERS.items():
        one, other = (Walk(schedulers["epsilon"].make(name, 4)) for _ in range(2))
        other.generator.manual_seed(8)
        alike = torch.equal(one.finish(), other.finish())
        assert alike is (spec.sampler not in STOCHASTIC), name


@pytest.mark.parametrize("name", [name for name, spec in SAMPLERS.items() if spec.schedule == "Automatic"])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_scheduler_that_was_used_can_be_copied(
    name: str, calls: int, schedulers: dict[str, Schedulers]
) -> None:
    walk = Walk(schedulers["epsilon"].make(name, 5))
    for _ in range(calls):
        walk.step()
    kept, state = copy.deepcopy(walk.scheduler), walk.generator.get_state()
    latents = walk.latents.clone()
    expected = walk.finish()
    again = Walk(kept)
    again.generator.set_state(state)
    again.latents, again.calls = latents, calls
    assert torch.equal(again.finish(), expected)


def test_schedulers_that_were_put_away_are_made_again(schedulers: dict[str, Schedulers]) -> None:
    make = schedulers["epsilon"].make
    expected = Walk(make("Euler a", 3)).finish()
    for steps in range(1, 101):
        assert len(make("DDIM", steps).timesteps) == steps
    assert torch.equal(Walk(make("Euler a", 3)).finish(), expected)


def test_nobody_waits_for_time_steps_that_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found = KDPM2DiscreteScheduler._sigma_to_t
    asked = Counter[str]()

    def counted(*args: Any) -> Any:
        asked["sigmas"] += 1
        return found(*args)

    monkeypatch.setattr(KDPM2DiscreteScheduler, "_sigma_to_t", counted)
    scheduler = Schedulers({**CONFIG, "num_train_timesteps": 1000}).make("DPM2 Karras", 20)
    assert type(scheduler) is KDPM2DiscreteScheduler
    assert 0 < asked["sigmas"] < 60, "its constructor takes a second for the 1000 steps of the training"


# The device ----------------------------------------------------------------------------------------------


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what moves between the CPU and the device that has no numbers: reading it back is an error."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func)
        if "_to_copy" in name and result.device != args[0].device:
            self.seen["copies"] += 1
        if "_linalg_check_errors" in name:
            self.seen["checks"] += 1
        return result


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_moves_nothing_but_its_noise_between_the_cpu_and_the_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unhurried = Counter[str]()

    def counted(*args: Any) -> Any:
        unhurried["copies"] += 1
        return to_device(*args)

    monkeypatch.setattr(schedulers_module, "to_device", counted)
    walk = Walk(Schedulers(CONFIG, torch.device("meta")).make(name, 5), device="meta")
    assert walk.scheduler.timesteps.device.type == "cpu"
    most, copies = (1 if SAMPLERS[name].sampler in STOCHASTIC else 0), 0
    mask = torch.ones((1, 1, 8, 8), device="meta")
    kept = Kept(latents=walk.latents, noise=walk.latents, mask=mask)
    while not walk.done:
        with Traffic() as traffic:
            walk.step()
            kept.blended(walk.latents, walk.scheduler, None if walk.done else walk.time)
        assert traffic.seen["copies"] <= most
        assert traffic.seen["checks"] == 0, (
            "UniPC solves two equations on the device; nobody asks how it went"
        )
        copies += traffic.seen["copies"]
    assert (copies > 0) == bool(most)
    assert unhurried["copies"] >= copies, "the host waits for none of them"
    assert walk.latents.device.type == "meta"


def test_the_noise_that_samplers_add_is_that_of_diffusers() -> None:
    def seeded() -> torch.Generator:
        return torch.Generator("cpu").manual_seed(5)

    how: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
    assert scheduling_ddpm.randn_tensor is not randn_tensor, "every scheduler has ours"
    for generator in (seeded, lambda: [seeded()]):
        theirs = randn_tensor((1, 4, 8, 8), generator=generator(), **how)
        assert torch.equal(scheduling_ddpm.randn_tensor((1, 4, 8, 8), generator=generator(), **how), theirs)


# DPM++ SDE -----------------------------------------------------------------------------------------------


class Path:
    """A Brownian path that is walked downwards; answers as diffusers' tree does: divided by the deviation."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.at: dict[float, torch.Tensor] = {}

    def __call__(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        begin, stop = start.item(), end.item()
        if begin not in self.at:
            self.at = {begin: torch.zeros(1, 4, 8, 8)}
        last = min(self.at)
        fresh = torch.randn((1, 4, 8, 8), generator=self.generator)
        self.at[stop] = self.at[last] + fresh * float(last - stop) ** 0.5
        way: torch.Tensor = (self.at[stop] - self.at[begin]) / float(begin - stop) ** 0.5
        return way


@pytest.mark.parametrize("schedule", Schedule)
def test_dpmpp_sde_is_that_of_diffusers_on_a_path_from_the_images_generator(
    schedule: Schedule, schedulers: dict[str, Schedulers]
) -> None:
    name = "DPM++ SDE" if schedule is Schedule.AUTOMATIC else f"DPM++ SDE {schedule}"
    theirs = DPMSolverSDEScheduler.from_config(CONFIGS["v"], **SAMPLERS[name].overrides)
    theirs.set_timesteps(9)
    walk = Walk(theirs)
    theirs.noise_sampler = Path(walk.generator)
    torch.testing.assert_close(
        Walk(schedulers["v"].make(name, 9)).finish(), walk.finish(), rtol=1e-4, atol=1e-4
    )


def noises(sampler: Any) -> Iterator[torch.Tensor]:
    levels = [torch.tensor(level) for level in (10.0, 7.0, 5.0, 4.0, 2.0)]
    for start, middle, end in (levels[:3], levels[2:]):
        yield sampler(start, middle)
        yield sampler(start, end)


def test_the_noise_of_dpmpp_sde_is_that_of_a_brownian_tree() -> None:
    like = torch.zeros(1, 4, 96, 96)
    ours = Schedulers(CONFIG).make("DPM++ SDE", 9)
    generator = torch.Generator("cpu").manual_seed(3)
    tree = BrownianTreeNoiseSampler(like, 1.0, 12.0, seed=3)
    ways = {
        "ours": list(noises(lambda start, end: ours._noise(generator, like, start, end))),
        "tree": list(noises(tree)),
    }
    # Between the two questions of a step, the root of how much of the way they share; of two steps, nothing.
    expected = torch.eye(4)
    expected[0, 1] = expected[1, 0] = (3 / 5) ** 0.5
    expected[2, 3] = expected[3, 2] = (1 / 3) ** 0.5
    for way, drawn in ways.items():
        flat = torch.stack([noise.flatten() for noise in drawn])
        covariance = flat @ flat.T / flat.shape[1]
        assert (covariance - expected).abs().max() < 0.03, way  # five deviations of 36,864 numbers


def test_pictures_of_dpmpp_sde_follow_the_seed_alone(sd_bench: Bench) -> None:
    first = sd_bench.draw(sampler="DPM++ SDE Karras")
    torch.manual_seed(99)
    assert sd_bench.draw(sampler="DPM++ SDE Karras") == first
    assert picture(sd_bench.draw(sampler="DPM++ SDE Karras", seed=Seed(8))) != picture(first)
