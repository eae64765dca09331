"""What the owner allows, and that a full queue stays full."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bot.limits import Limits, Places, Refused, full_reason
from generation.job import UserId
from generation.request import GenerationRequest, Seed, Size

ADA, BEN, CLEO = UserId(1), UserId(2), UserId(3)
LIMITS = Limits(waiting=3, waiting_per_person=2, pixels=512 * 512, steps=50)


@dataclass
class Accepted:
    """What the studio counts."""

    of: dict[UserId, int] = field(default_factory=dict)
    unavailable: str | None = None

    @property
    def waiting(self) -> int:
        return sum(self.of.values())

    def waiting_of(self, asker: UserId) -> int:
        return self.of.get(asker, 0)


def request(*, width: int = 128, steps: int = 20) -> GenerationRequest:
    return GenerationRequest(
        prompt="a red circle",
        model="models/mini",
        size=Size(width=width, height=512),
        steps=steps,
        guidance=5.0,
        sampler="Euler",
        seed=Seed(1),
    )


def test_what_the_owner_allows_is_not_refused() -> None:
    assert LIMITS.reject_reason(request(width=512, steps=50)) is None


def test_too_many_pixels_are_refused_with_the_size_that_is_possible() -> None:
    reason = LIMITS.reject_reason(request(width=520))
    assert reason is not None
    assert "520x512" in reason
    assert "512x512" in reason


def test_too_many_steps_are_refused_with_the_number_that_is_possible() -> None:
    assert LIMITS.reject_reason(request(steps=51)) == (
        "51 steps are more than I may take here; choose 1 to 50."
    )


def test_a_full_queue_and_a_person_with_enough_in_it_are_told_apart() -> None:
    assert full_reason(LIMITS, waiting=2, of_asker=1) is None
    assert "full" in (full_reason(LIMITS, waiting=3, of_asker=1) or "")
    assert "2 requests waiting already" in (full_reason(LIMITS, waiting=3, of_asker=2) or "")


def test_two_commands_at_once_do_not_pass_a_full_queue() -> None:
    places = Places(LIMITS, Accepted({BEN: 2}))
    with places.promised(ADA), pytest.raises(Refused, match="full"), places.promised(CLEO):
        raise AssertionError("a place too many")


def test_one_person_cannot_be_promised_more_than_their_share() -> None:
    places = Places(LIMITS, Accepted({ADA: 1}))
    with places.promised(ADA), pytest.raises(Refused, match="waiting already"), places.promised(ADA):
        raise AssertionError("a place too many")


def test_a_promise_ends_with_its_block_even_when_that_fails() -> None:
    places = Places(LIMITS, Accepted({ADA: 1}))
    with pytest.raises(OSError), places.promised(ADA):
        raise OSError
    with places.promised(ADA):
        pass


def test_while_nothing_can_be_drawn_nobody_is_promised_a_place_and_the_reason_is_said() -> None:
    places = Places(LIMITS, Accepted(unavailable="The model cannot be read."))
    with pytest.raises(Refused, match=r"cannot draw at the moment\. The model"), places.promised(ADA):
        raise AssertionError("a promise that cannot be kept")
