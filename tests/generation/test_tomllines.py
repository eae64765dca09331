"""Lines are found wherever TOML allows a key to stand."""

from __future__ import annotations

import tomllib

import pytest

from generation.tomllines import Place, line_of, lines_of

TEXT = (
    r'''# a comment with [[model]] in it

top = "a # no comment"   # [x]
[[model]]
name = "one"
"quoted key" = 'C:\no\escapes\'
text = """
[[model]]
name = "not a key" \""" ="" """""
literal = '''
    + "'''\n[deep]\nsteps = 3 \\'''"
    + r"""
list = [
    1, # with ] and } in it
    { a = 1, "b.c" = [2,
      3] },
]
[model.sub."x.y"]
z = 1979-05-27 07:32:00
[[model]]
dotted . key = true
[ other ]
last = 1.5"""
)

PLACES: dict[Place, int] = {
    ("top",): 3,
    ("model",): 4,
    ("model", 0): 4,
    ("model", 0, "name"): 5,
    ("model", 0, "quoted key"): 6,
    ("model", 0, "text"): 7,
    ("model", 0, "literal"): 10,
    ("model", 0, "list"): 13,
    ("model", 0, "list", 0): 14,
    ("model", 0, "list", 1, "a"): 15,
    ("model", 0, "list", 1, "b.c"): 15,
    ("model", 0, "list", 1, "b.c", 1): 16,
    ("model", 0, "sub"): 18,
    ("model", 0, "sub", "x.y", "z"): 19,
    ("model", 1): 20,
    ("model", 1, "dotted", "key"): 21,
    ("other",): 22,
    ("other", "last"): 23,
}


def places_in(value: object, place: Place = ()) -> set[Place]:
    inside: set[Place] = {place} if place else set()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        inside |= places_in(part, (*place, key))
    return inside


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_every_value_has_the_line_in_which_it_stands(place: Place, newline: str) -> None:
    assert lines_of(TEXT.replace("\n", newline))[place] == PLACES[place]


def test_all_that_tomllib_reads_is_found_and_nothing_else() -> None:
    assert set(lines_of(TEXT)) == places_in(tomllib.loads(TEXT))


def test_what_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    lines = lines_of(TEXT)
    assert line_of(lines, ("model", 1, "name")) == 20
    assert line_of(lines, ("nothing",)) == 1
