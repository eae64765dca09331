"""Styles are kept apart by whose they are and by name, and all that is saved together is saved or nothing."""

from __future__ import annotations

import pytest

from generation.job import UserId
from generation.prompting.styles import MAX_STYLES, Style
from generation.request import InvalidRequest
from storage.database import Database
from storage.styles import Owner, OwnerKind, Saved, Styles

SERVER, ADA = Owner(kind=OwnerKind.SERVER, id=7), Owner(kind=OwnerKind.PERSON, id=7)
BY = UserId(11)
OIL = Style(name="Oil Paint", prompt="oil painting of {prompt}", negative_prompt="photo")
INK = Style(name="ink", prompt="ink")


async def test_a_style_is_found_by_its_name_however_it_is_written(styles: Styles) -> None:
    assert await styles.save(SERVER, [OIL, INK], by=BY) == Saved(new=("Oil Paint", "ink"))
    assert await styles.get(SERVER, " oil  PAINT ") == OIL
    assert await styles.get(SERVER, "oil") is None
    assert await styles.of(SERVER) == (INK, OIL)
    assert await styles.names(SERVER) == ("ink", "Oil Paint")


async def test_a_server_and_a_person_of_the_same_number_have_their_own(styles: Styles) -> None:
    await styles.save(SERVER, [OIL], by=BY)
    assert await styles.of(ADA) == ()
    assert not await styles.delete(ADA, "oil paint")
    await styles.save(ADA, [Style(name="oil paint", prompt="mine")], by=BY)
    assert await styles.delete(SERVER, "OIL PAINT")
    assert (await styles.of(SERVER), [style.prompt for style in await styles.of(ADA)]) == ((), ["mine"])


async def test_what_is_there_is_replaced_only_if_that_is_wanted(styles: Styles) -> None:
    await styles.save(SERVER, [OIL, INK], by=BY)
    other = Style(name="OIL PAINT", prompt="other")
    new = Style(name="new", prompt="new")
    saved = await styles.save(SERVER, [other, INK, new], by=BY, overwrite=False)
    assert saved == Saved(new=("new",), kept=("OIL PAINT",), same=("ink",))
    assert await styles.get(SERVER, "oil paint") == OIL
    assert await styles.save(SERVER, [other], by=BY) == Saved(changed=("OIL PAINT",))
    assert await styles.get(SERVER, "oil paint") == other


async def test_a_style_is_after_whose_prompt_it_was_also_when_it_is_changed(styles: Styles) -> None:
    await styles.save(SERVER, [OIL, INK], by=BY)
    assert await styles.credit(SERVER, "ink") is None
    await styles.save(SERVER, [Style(name="Ink", prompt="more ink")], by=BY, credit=UserId(12))
    await styles.save(SERVER, [OIL, Style(name="INK", prompt="less ink")], by=BY)
    assert [await styles.credit(SERVER, name) for name in ("ink", "oil paint", "none")] == [12, None, None]
    await styles.delete(SERVER, "ink")
    await styles.save(SERVER, [INK], by=BY)
    assert await styles.credit(SERVER, "ink") is None


async def test_of_too_many_none_is_saved(styles: Styles, database: Database) -> None:
    many = [Style(name=f"style {number}", prompt="x") for number in range(MAX_STYLES)]
    await styles.save(SERVER, many, by=BY)
    await styles.save(SERVER, many, by=BY)
    with pytest.raises(InvalidRequest, match="That would be 1,001 styles, and I keep 1,000"):
        await styles.save(SERVER, [Style(name="style 1", prompt="changed"), OIL], by=BY)
    assert await styles.of(SERVER) == tuple(sorted(many, key=lambda style: style.key))
    await styles.save(ADA, [OIL], by=BY)
