"""A job moves only as it may."""

from __future__ import annotations

import itertools

import pytest

from generation.job import LEGAL_MOVES, Job, JobState, UserId, new_job_id
from tests.generation.test_request import REQUEST


def a_job(**changes: object) -> Job:
    settings: dict[str, object] = {
        "id": new_job_id(),
        "request": REQUEST,
        "asker": UserId(1),
        "created_at": 0.0,
    }
    return Job(**(settings | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "end"), list(itertools.product(JobState, JobState)))
def test_only_legal_moves_are_made(start: JobState, end: JobState) -> None:
    job = a_job(state=start, failure="why" if start is JobState.FAILED else None)
    failure = "why" if end is JobState.FAILED else None
    if end in LEGAL_MOVES[start]:
        assert job.moved(end, failure=failure).state is end
    else:
        with pytest.raises(ValueError, match="cannot move"):
            job.moved(end, failure=failure)


def test_a_failure_goes_with_the_state_failed_and_with_no_other() -> None:
    with pytest.raises(ValueError, match="failure"):
        a_job().moved(JobState.FAILED)
    with pytest.raises(ValueError, match="failure"):
        a_job().moved(JobState.RUNNING, failure="why")


def test_final_states_are_those_without_moves() -> None:
    assert {state for state in JobState if state.final} == {
        JobState.DONE,
        JobState.FAILED,
        JobState.CANCELLED,
    }


def test_ids_are_short_unique_and_sort_by_age() -> None:
    ids = [new_job_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(job_id) for job_id in ids} == {16}
    assert [job_id[:9] for job_id in ids] == sorted(job_id[:9] for job_id in ids)
