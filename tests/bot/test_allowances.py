"""What a server allows, below what the owner does."""

from __future__ import annotations

import pytest

from bot.allowances import allowance, left_today, spent_reason
from bot.limits import Limits
from storage.quotas import DAY, Counts, Kind, Quota, QuotaSpent

OWNER = Limits(waiting=100, waiting_per_person=5, pixels=1024 * 1024, steps=50, pictures_per_day=40, weight=4)
ALL, ARTIST, PATRON = Quota(pictures=10, steps=20, together=500), Quota(role=1, pictures=20), Quota(role=2)


def test_where_a_server_has_decided_nothing_the_owners_limits_hold() -> None:
    allowed = allowance(OWNER, (), {1, 2})
    assert allowed.limits == OWNER
    assert allowed.ceilings == Counts(anywhere=40)
    assert allowed.weight == 1


def test_a_role_takes_the_place_of_everybody_limit_by_limit() -> None:
    allowed = allowance(OWNER, (ALL, ARTIST), {1})
    assert allowed.ceilings == Counts(pictures=20, anywhere=40, together=500)
    assert allowed.limits.steps == 20
    assert allowance(OWNER, (ALL, ARTIST), {2}).ceilings.pictures == 10


def test_a_role_may_also_have_less_than_everybody() -> None:
    assert allowance(OWNER, (ALL, Quota(role=1, pictures=2)), {1}).ceilings.pictures == 2


def test_of_several_roles_the_best_counts() -> None:
    quotas = (Quota(weight=1), Quota(role=1, pictures=3, weight=3), Quota(role=2, pictures=30, weight=2))
    allowed = allowance(OWNER, quotas, {1, 2})
    assert (allowed.ceilings.pictures, allowed.weight) == (30, 3)


def test_nobody_gets_more_than_the_owner_allows() -> None:
    allowed = allowance(OWNER, (Quota(pixels=2**30, steps=150, weight=10, pictures=1000),), set())
    assert allowed.limits == OWNER
    assert allowed.weight == 4
    assert allowed.ceilings.anywhere == 40


NOW = 20_000 * DAY + 5000.0


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.PICTURES, "You can have 2 more pictures in this server today, of 10; this would be 4."),
        (Kind.ANYWHERE, "You can have 2 more pictures today, of 10; this would be 4."),
        (Kind.TOGETHER, "Everybody in this server together can have 2 more pictures today, of 10;"),
    ],
)
def test_who_asks_for_too_much_is_told_what_is_left_and_when_there_is_more(kind: Kind, said: str) -> None:
    reason = spent_reason(QuotaSpent(kind, most=10, used=8, asked=4), NOW)
    assert reason.startswith(said)
    assert reason.endswith(f"There are more <t:{20_001 * DAY}:R>.")


def test_who_has_had_everything_is_told_so() -> None:
    reason = spent_reason(QuotaSpent(Kind.PICTURES, most=10, used=12, asked=1), NOW)
    assert reason.startswith("You have had your 10 pictures of today in this server. There are more <t:")


def test_who_has_too_much_waiting_need_not_wait_for_midnight() -> None:
    reason = spent_reason(QuotaSpent(Kind.WAITING, most=2, used=2, asked=1), NOW)
    assert "2 requests waiting in this server already" in reason
    assert "<t:" not in reason


def test_what_is_left_is_told_of_each_limit_there_is() -> None:
    assert left_today(Counts(), Counts(pictures=9, anywhere=9, together=9, waiting=1), NOW) == ()
    lines = left_today(Counts(pictures=10, anywhere=40), Counts(pictures=12, anywhere=12), NOW)
    assert list(lines) == [
        "**You** have 0 of 10 pictures left in this server.",
        "**You** have 28 of 40 pictures left in all.",
        f"It is counted anew <t:{20_001 * DAY}:R>.",
    ]
