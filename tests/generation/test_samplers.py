"""The table of samplers, and the names under which people and files ask for them."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from generation.metadata import infotext, parse_infotext
from generation.samplers import SAMPLERS, Schedule, find_sampler, sampler_reason, unknown_sampler
from tests.generation.toys import a_request

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"

DPM = {"solver_order": 2, "use_lu_lambdas": False, "use_flow_sigmas": False, "solver_type": "midpoint"}
PLAIN = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
KARRAS = {**PLAIN, "use_karras_sigmas": True}
RELEASED = {
    "DDPM": ("DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_small"}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False}),
    "Euler": ("EulerDiscreteScheduler", PLAIN),
    "Euler Karras": ("EulerDiscreteScheduler", KARRAS),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {**DPM, **PLAIN, "algorithm_type": "dpmsolver++"}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", {**DPM, **KARRAS, "algorithm_type": "dpmsolver++"}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {**DPM, **PLAIN, "algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 2M SDE Karras": (
        "DPMSolverMultistepScheduler",
        {**DPM, **KARRAS, "algorithm_type": "sde-dpmsolver++"},
    ),
    "UniPC": ("UniPCMultistepScheduler", {**PLAIN, "solver_type": "bh2"}),
    "Heun": ("HeunDiscreteScheduler", PLAIN),
    "DPM2": ("KDPM2DiscreteScheduler", PLAIN),
    "DPM2 a": ("KDPM2AncestralDiscreteScheduler", PLAIN),
    "DEIS": ("DEISMultistepScheduler", {**PLAIN, "algorithm_type": "deis"}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
}
"""What version 0.1 drew under these names, which stand in databases and pictures."""


@pytest.mark.parametrize("name", RELEASED)
def test_a_name_that_was_released_keeps_its_meaning(name: str) -> None:
    assert (SAMPLERS[name].scheduler, dict(SAMPLERS[name].overrides)) == RELEASED[name]


def test_the_names_people_know_are_there() -> None:
    known = {"DDPM", "DDIM", "Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "DPM++ SDE", "UniPC", "Heun"}
    known |= {"LMS", "DPM2", "DPM2 a", "PNDM", "DEIS", "LCM", "TCD"}
    assert {spec.sampler for spec in SAMPLERS.values()} == known
    assert (
        known | {"DPM++ SDE Karras", "Euler Beta", "Heun Exponential", "DDIM SGM Uniform"} <= SAMPLERS.keys()
    )
    assert all(name == spec.name for name, spec in SAMPLERS.items())


# What people type ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  dpm++ 2m  KARRAS ", "DPM++ 2M Karras"),
        ("Euler Automatic", "Euler"),
        ("euler sgmuniform", "Euler SGM Uniform"),
        ("Euler Simple", "Euler SGM Uniform"),
        ("DPM++ 2M Uniform", "DPM++ 2M"),
        ("PLMS", "PNDM"),
        ("plms simple", "PNDM SGM Uniform"),
    ],
)
def test_a_sampler_is_found_however_it_is_written(typed: str, name: str) -> None:
    assert (found := find_sampler(typed)) is not None
    assert found.name == name


def test_a_schedule_that_a_sampler_does_not_have_is_refused_with_those_it_has() -> None:
    assert unknown_sampler("ddim karras") == (
        "DDIM has no schedule Karras; it has Automatic (`DDIM`) and SGM Uniform (`DDIM SGM Uniform`)."
    )
    assert unknown_sampler("LCM Simple") == "LCM has no schedule Simple; it has Automatic (`LCM`)."
    refused = 0
    for sampler, schedule in product({spec.sampler for spec in SAMPLERS.values()}, Schedule):
        has = [spec for spec in SAMPLERS.values() if spec.sampler == sampler]
        if schedule in {spec.schedule for spec in has}:
            continue
        refused += 1
        assert find_sampler(f"{sampler} {schedule}") is None
        sentence = sampler_reason(f"{sampler} {schedule}", 20) or ""
        assert sentence.startswith(f"{sampler} has no schedule {schedule}; it has Automatic (`{sampler}`)")
        assert all(f"{spec.schedule} (`{spec.name}`)" in sentence for spec in has)
    assert refused == 20


def test_a_schedule_that_only_a1111_has_is_refused_alike() -> None:
    assert unknown_sampler("Euler KL Optimal").startswith(
        "Euler has no schedule KL Optimal; it has Automatic"
    )


def test_a_wrong_name_gets_a_hint_or_the_list() -> None:
    assert unknown_sampler("Euler b") == "I do not know the sampler `Euler b`; did you mean `Euler a`?"
    listed = unknown_sampler("`zzz`" * 20)
    assert listed.startswith("I do not know the sampler `'zzz''zzz'")
    assert "I have DDPM, DDIM, Euler, " in listed
    assert listed.endswith("LCM and TCD, most of them with schedules as in `DPM++ 2M Karras`.")
    assert len(listed) < 300


def test_more_steps_than_a_sampler_can_take_are_refused() -> None:
    assert sampler_reason("LCM", 50) is None
    assert sampler_reason("LCM", 51) == "LCM takes 50 steps at the most, not 51."
    assert sampler_reason("TCD", 150) == "TCD takes 50 steps at the most, not 150."
    assert sampler_reason("Euler", 150) is None


# What files say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_comes_back_from_the_infotext(name: str) -> None:
    text = infotext(a_request(sampler=name), model="mini", model_hash="0123456789", version="1")
    assert parse_infotext(text).sampler == name


def test_no_two_samplers_look_alike_in_the_infotext() -> None:
    types = [(spec.infotext, kind) for spec in SAMPLERS.values() for kind in spec.schedule_types]
    assert len(set(types)) == len(types)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Sampler: DPM++ 2M, Schedule type: Karras", "DPM++ 2M Karras"),
        ("Sampler: DPM++ 2M, Schedule type: SGM Uniform", "DPM++ 2M SGM Uniform"),
        ("Sampler: DPM++ 2M, Schedule type: Exponential", "DPM++ 2M Exponential"),
        ("Sampler: DPM++ 2M, Schedule type: Uniform", "DPM++ 2M"),
        ("Sampler: Euler, Schedule type: Simple", "Euler SGM Uniform"),
        ("Sampler: Euler, Schedule type: Beta", "Euler Beta"),
        ("Sampler: Euler, Schedule type: Normal", "Euler"),
        ("Sampler: PLMS, Schedule type: Automatic", "PNDM"),
        # Its Automatic is a schedule of the sampler's own choice.
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "DPM++ 2M Karras"),
        ("Sampler: DPM++ SDE, Schedule type: Automatic", "DPM++ SDE Karras"),
        ("Sampler: DPM++ 2M SDE, Schedule type: Automatic", "DPM++ 2M SDE Exponential"),
        ("Sampler: DPM2 a, Schedule type: Automatic", "DPM2 a Karras"),
        ("Sampler: Euler, Schedule type: Automatic", "Euler"),
        # Before version 1.9 the schedule was part of the sampler's name.
        ("Sampler: DPM++ 2M Karras", "DPM++ 2M Karras"),
        ("Sampler: DPM++ 2M SDE Exponential", "DPM++ 2M SDE Exponential"),
        ("Sampler: DPM2 a Karras", "DPM2 a Karras"),
        ("Sampler: DPM++ 2M", "DPM++ 2M"),
        ("Sampler: Euler a", "Euler a"),
        ("Sampler: PLMS", "PNDM"),
        # Where we have nothing of that name, what the file says.
        ("Sampler: DPM++ 2S a, Schedule type: Karras", "DPM++ 2S a Karras"),
        ("Sampler: Restart, Schedule type: Automatic", "Restart"),
        ("Sampler: Euler a, Schedule type: Karras", "Euler a Karras"),
        ("Sampler: DPM adaptive", "DPM adaptive"),
    ],
)
def test_a_sampler_is_read_from_what_a1111_wrote(written: str, name: str) -> None:
    assert parse_infotext(f"a cat\nSteps: 20, {written}, CFG scale: 7, Seed: 1").sampler == name


# What the manual says ------------------------------------------------------------------------------------


def test_the_manual_lists_the_samplers_and_schedules_that_there_are() -> None:
    told: dict[str, set[str]] = {}
    for line in DOCS.read_text("utf-8").splitlines():
        if cells := re.fullmatch(r"\| (`[^|]+`) \| ([^|]+) \| [^|]+ \|", line):
            schedules = {word.strip() for word in cells[2].split(",")} & {*Schedule}
            told |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[1]), schedules) if schedules else {}
    there: dict[str, set[str]] = {}
    for spec in SAMPLERS.values():
        there.setdefault(spec.sampler, set()).add(spec.schedule)
    assert told == there
