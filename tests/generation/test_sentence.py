"""A sentence is a string, and can be said in another language wherever it has been."""

from __future__ import annotations

import copy
import json
import pickle

from generation.sentence import Sentence, Told, count, joined, say


class Shouting:
    """A language in which everything is loud."""

    thousands = "'"

    def one(self, template: str) -> str:
        return template.replace("was", "WAS")

    def one_of(self, singular: str, plural: str, number: int) -> str:
        return "{number} PICTURE" if number == 1 else "{number} PICTURES"


def pictures(number: int) -> Sentence:
    return count("{number} picture", "{number} pictures", number)


def test_it_is_english_for_who_knows_nothing_of_languages() -> None:
    told = say("The edge is {edge:,} px, {what}.", edge=4096, what=pictures(1))
    assert told == "The edge is 4,096 px, 1 picture."
    assert pictures(3) == "3 pictures"
    assert joined(" · ", (told, "x")) == "The edge is 4,096 px, 1 picture. · x"


def test_in_another_language_all_sentences_in_it_are_said_so() -> None:
    told = joined(" ", (say("It was {what}.", what=pictures(2)), "was it?"))
    assert told.within(Shouting()) == "It WAS 2 PICTURES. was it?"


def test_thousands_are_set_apart_as_a_language_does() -> None:
    told = say(
        "It was {most:,} of {all}, {share:,.1f}, {seed}.", most=12345, all=12345, share=1e4, seed="1,2"
    )
    assert told == "It was 12,345 of 12345, 10,000.0, 1,2."
    assert told.within(Shouting()) == "It WAS 12'345 of 12345, 10'000.0, 1,2."


def test_values_are_never_read_as_templates() -> None:
    assert say("It says {text}.", text="{text} {0}") == "It says {text} {0}."
    assert joined("", ("{x}",)) == "{x}"


def test_it_stays_a_sentence_through_pickling_copying_and_json() -> None:
    told = joined(" ", (say("It was {what:.2f}.", what=0.5), pictures(2)))
    ways = (
        pickle.loads(pickle.dumps(told)),
        copy.deepcopy(told),
        Sentence.from_plain(json.loads(json.dumps(told.plain()))),
    )
    for again in ways:
        assert again == told
        assert isinstance(again, Sentence)
        assert again.within(Shouting()) == "It WAS 0.50. 2 PICTURES"


def test_what_is_raised_with_a_sentence_keeps_it_through_a_pipe() -> None:
    told = Told(say("It was {what}.", what=pictures(2)))
    again = pickle.loads(pickle.dumps(told))
    assert str(again) == "It was 2 pictures."
    assert isinstance(again.sentence, Sentence)
    assert again.sentence.within(Shouting()) == "It WAS 2 PICTURES."
    assert Told("in plain English").sentence == "in plain English"
    assert Told().sentence == ""
