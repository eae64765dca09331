"""The table of samplers."""

from __future__ import annotations

from generation.samplers import SAMPLERS

DISCORD_CHOICES = 25


def test_the_usual_samplers_are_there_under_their_usual_names() -> None:
    assert {"DDPM", "DDIM", "Euler", "Euler a", "DPM++ 2M Karras", "UniPC"} <= SAMPLERS.keys()
    assert len(SAMPLERS) <= DISCORD_CHOICES
    assert all(name == spec.name for name, spec in SAMPLERS.items())


def test_no_two_samplers_look_alike_in_the_infotext() -> None:
    assert len({(spec.infotext, spec.schedule_type) for spec in SAMPLERS.values()}) == len(SAMPLERS)
