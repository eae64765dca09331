"""What cards say of the safety check, what the owner decides about it, and what people are warned of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from discord.components import _component_factory
from pydantic import SecretStr

from bot.card import Action
from bot.cards import card_for, covered
from bot.messages import files, first_button, layout
from bot.safety import OwnerSafety, is_missing, warning
from bot.settings import Settings, SettingsError, read_settings
from generation.image import Picture
from generation.job import Finished, Job, Progressed, Queued
from generation.request import Digest, Size, Upscale
from generation.safety import DEFAULT_CHECKER, Review, Safety, Verdict
from tests.bot.things import IN_ENGLISH, SHELF, done, job, pictures


def with_safety(of: Job, safety: Safety, review: Review | None = None) -> Job:
    return replace(of, safety=safety, review=review)


def judged(of: Job, *verdicts: Verdict) -> tuple[Picture, ...]:
    return tuple(replace(p, verdict=v) for p, v in zip(pictures(of), verdicts, strict=True))


def small(card_of: Job, *verdicts: Verdict) -> str:
    return "\n".join(card_for(Finished(job=card_of, pictures=judged(card_of, *verdicts)), SHELF).small)


@pytest.mark.parametrize("safety", [Safety.HOLD, Safety.REFUSE])
def test_where_nothing_may_be_seen_before_it_is_checked_the_card_says_why_there_is_no_preview(
    safety: Safety,
) -> None:
    asked = with_safety(job(), safety)
    for event in (Queued(job=asked, place=1), Progressed(job=asked, step=3, steps=20)):
        assert "so there is no preview" in card_for(event, SHELF).small[-1]


def test_under_a_spoiler_previews_are_hidden_too() -> None:
    event = Progressed(job=with_safety(job(), Safety.SPOILER), step=3, steps=20)
    [preview] = card_for(event, SHELF, previews={0: b"webp"}).pictures
    assert preview.spoiler
    assert preview.name.startswith("SPOILER_")
    assert (
        not card_for(Progressed(job=job(), step=3, steps=20), SHELF, previews={0: b"webp"})
        .pictures[0]
        .spoiler
    )


def test_where_the_server_wants_spoilers_all_is_hidden_once() -> None:
    asked = replace(done(job(count=2)), covered=True)
    card = card_for(Finished(job=asked, pictures=judged(asked, Verdict.UNASKED, Verdict.CLEAN)), SHELF)
    assert [picture.spoiler for picture in card.pictures] == [True, True]
    for picture in map(covered, card.pictures):  # as moderators are shown it
        assert picture.name.count("SPOILER_") == 1
    drawing = Progressed(job=replace(job(), covered=True), step=3, steps=20)
    assert card_for(drawing, SHELF, previews={0: b"webp"}).pictures[0].spoiler


def test_only_what_is_not_clean_is_hidden_and_keeps_its_words() -> None:
    asked = with_safety(done(job(count=3)), Safety.SPOILER)
    found = judged(asked, Verdict.CLEAN, Verdict.FLAGGED, Verdict.UNCHECKED)
    card = card_for(Finished(job=asked, pictures=found), SHELF)
    assert [picture.spoiler for picture in card.pictures] == [False, True, True]
    assert [picture.alt for picture in card.pictures] == [
        f"Picture {number} of 3: a red circle" for number in (1, 2, 3)
    ]
    assert [file.filename.startswith("SPOILER_atelier") for file in files(card, IN_ENGLISH)] == [
        False,
        True,
        True,
    ]
    assert {"hidden behind a spoiler where the safety check flags it"} <= set(card.small)
    assert {"hidden behind a spoiler where it could not be checked"} <= set(card.small)


def test_what_is_held_shows_nothing_and_goes_on_nowhere() -> None:
    card = card_for(Finished(job=with_safety(done(job()), Safety.HOLD, Review.WAITING), pictures=()), SHELF)
    assert (card.pictures, card.further, card.menu) == ((), (), None)
    assert [button.action for button in card.buttons] == [Action.REVIEW, Action.SETTINGS, Action.DELETE]


def test_what_was_rejected_can_be_asked_again() -> None:
    card = card_for(Finished(job=with_safety(done(job()), Safety.HOLD, Review.REJECTED), pictures=()), SHELF)
    assert card.text[-1].startswith("**Not shown.**")
    assert [button.action for button in card.buttons] == [Action.REROLL, Action.SETTINGS, Action.DELETE]


async def test_a_card_that_waits_is_not_taken_for_one_that_was_let_pass() -> None:
    size = Size(width=256, height=256)
    upscale = Upscale(picture=Digest("0" * 64), upscaler="toy", factor=2.0, size=size, brought=True)
    for of in (job(), job(upscale=upscale)):
        waiting = Finished(job=with_safety(done(of), Safety.HOLD, Review.WAITING), pictures=())
        passed = Finished(job=with_safety(done(of), Safety.HOLD, Review.APPROVED), pictures=pictures(of))
        parts = layout(card_for(waiting, SHELF), IN_ENGLISH).to_components()  # type: ignore[no-untyped-call]
        known_by = first_button([part for part in map(_component_factory, parts) if part is not None])
        assert known_by == card_for(waiting, SHELF).buttons[0].custom_id
        assert known_by != card_for(passed, SHELF).buttons[0].custom_id


def test_pictures_that_are_left_out_keep_the_numbers_of_the_others() -> None:
    asked = with_safety(done(job(count=4)), Safety.REFUSE)
    kept = tuple(p for p in judged(asked, *[Verdict.CLEAN] * 4) if p.index in (1, 3))
    card = card_for(Finished(job=asked, pictures=kept), SHELF)
    assert card.menu is not None
    assert tuple(entry.value for entry in card.menu.entries) == ("Picture 2", "Picture 4", "save as a style")
    assert "2 of 4 did not pass the safety check and are not kept" in card.small
    [one] = (card_for(Finished(job=asked, pictures=kept[1:]), SHELF),)
    assert {button.index for button in one.further} == {3}


def test_clean_pictures_need_no_words() -> None:
    assert "safety" not in small(with_safety(done(job()), Safety.SPOILER), Verdict.CLEAN)
    assert "moderator" in small(with_safety(done(job()), Safety.HOLD, Review.APPROVED), Verdict.FLAGGED)


# The owner ------------------------------------------------------------------------------------------------


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, discord_token=SecretStr("a.b.c"), **values)  # type: ignore[call-arg, arg-type]


def test_by_default_nothing_is_checked_or_fetched() -> None:
    assert settings().owner_safety == OwnerSafety(checker=DEFAULT_CHECKER)


@pytest.mark.parametrize(
    ("safety", "direct", "expected"),
    [
        ("spoiler", None, Safety.SPOILER),
        ("HOLD", None, Safety.REFUSE),
        ("hold", "off", Safety.OFF),
        ("off", "refuse", Safety.REFUSE),
    ],
)
def test_nobody_moderates_direct_messages(safety: str, direct: str | None, expected: Safety) -> None:
    owner = settings(safety=safety, safety_direct=direct).owner_safety
    assert (owner.default, owner.direct) == (Safety(safety.lower()), expected)


def test_what_cannot_be_is_told_to_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="SAFETY_DIRECT is hold, and nobody moderates"):
        _ = settings(safety_direct="hold").owner_safety
    with pytest.raises(SettingsError, match=r"SAFETY_CHECKER is \./none, and there is no such folder"):
        _ = settings(safety_checker="./none").owner_safety
    monkeypatch.setenv("SAFETY", "gentle")
    with pytest.raises(SettingsError, match="SAFETY cannot be used: it must be off, spoiler, hold or refuse"):
        read_settings(tmp_path / ".env")


def test_a_name_on_the_hub_is_no_missing_folder(tmp_path: Path) -> None:
    assert not is_missing(DEFAULT_CHECKER)
    assert is_missing(str(tmp_path / "none"))
    assert not is_missing(str(tmp_path))


def test_who_decides_is_warned_while_there_is_no_checker(tmp_path: Path) -> None:
    none = OwnerSafety(checker="nobody/has-this")
    assert warning(Safety.OFF, none, SHELF) is None
    said = warning(Safety.HOLD, none, SHELF)
    assert said is not None
    assert "every picture that cannot be checked is held until a moderator lets it pass" in said
    assert "fetched first" in str(warning(Safety.HOLD, replace(none, may_fetch=True), SHELF))
    assert warning(Safety.HOLD, replace(none, checker=str(tmp_path)), SHELF) is None
