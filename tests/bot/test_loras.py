"""LoRAs as people type and read them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cards import card_for
from bot.loras import suggest_loras
from bot.messages import LEFT_OUT, MAX_TEXT, layout, with_command_line
from bot.models import add_arguments, look_after
from bot.options import Typed
from bot.recipe import command_line, settings_card
from bot.settings import SettingsError, read_settings
from generation.job import Finished
from generation.loras import Loras
from generation.request import Adapter, Wording
from tests.bot.things import IN_ENGLISH, MODEL, SHELF, done, job, pictures
from tests.generation.test_loras import kohya, peft


@pytest.fixture
def loras(tmp_path: Path) -> Loras:
    kohya(tmp_path / "Oil paint.safetensors", 768)
    (tmp_path / "Oil paint.json").write_text('{"activation text": "oil, brush", "preferred weight": 0.7}')
    peft(tmp_path / "poster.safetensors", 768)
    peft(tmp_path / "huge.safetensors", 2048)
    return Loras(tmp_path)


def test_loras_are_suggested_with_their_trigger_words(loras: Loras) -> None:
    model = replace(MODEL, text_widths=(768,))
    usable = loras.usable()
    assert suggest_loras("", usable, model) == [
        ("Oil paint:0.7 · oil, brush", "Oil paint:0.7"),
        ("poster", "poster"),
    ]
    assert [value for _, value in suggest_loras("BRU", usable, model)] == ["Oil paint:0.7"]
    assert [value for _, value in suggest_loras("oil paint:0.25", usable, model)] == ["Oil paint:0.25"]
    assert [value for _, value in suggest_loras("Oil paint:1,p", usable, model)] == ["Oil paint:1, poster"]
    assert [value for _, value in suggest_loras("hug", usable, replace(MODEL, text_widths=(768, 1280)))] == [
        "huge"
    ]


def test_the_option_is_in_the_request_the_settings_and_the_command(loras: Loras) -> None:
    shelf = replace(SHELF, loras=loras)
    loras.look()
    request = Typed(prompt="a circle <lora:poster>", lora="oil paint:0.5").request(shelf)
    assert request.adapters == (Adapter(name="oil paint", weight=0.5),)
    text = "\n".join(settings_card(replace(job(), request=request), shelf, parent_link=None).text)
    assert "**LoRA** `oil paint` with weight 0.5; trigger words: oil, brush" in text
    assert "**LoRA** `poster` with weight 1" in text
    line = command_line(request, shelf)
    assert line is not None
    assert "lora:oil paint:0.5" in line
    chosen = tuple(Wording(prompt=f"a <lora:{n}:1>", negative_prompt="") for n in ("poster", "huge"))
    several = replace(request, count=2, chosen=chosen, prompt="a <lora:{poster|huge}:1>", adapters=())
    text = "\n".join(settings_card(replace(job(), request=several), shelf, parent_link=None).text)
    assert text.count("**LoRA**") == 2


def test_trigger_words_are_not_told_to_be_unknown(loras: Loras) -> None:
    shelf = replace(SHELF, loras=loras)
    loras.look()
    asked = job("a red circle, OIL, brush, fog", adapters=(Adapter(name="oil paint"),))
    card = card_for(Finished(job=done(asked), pictures=pictures(asked)), shelf)
    assert any(line.endswith("does not know: fog") for line in card.small)


async def test_the_settings_of_many_loras_fit_into_a_message(tmp_path: Path) -> None:
    names = [f"{'a_style_' * 8}{number}" for number in range(6)]
    for name in names:
        peft(tmp_path / f"{name}.safetensors", 128)
        (tmp_path / f"{name}.txt").write_text(", ".join(f"{'word_of_it ' * 8}{each}" for each in range(5)))
    shelf = replace(SHELF, loras=Loras(tmp_path))
    shelf.loras.look()
    of = job("_" * 2000, negative_prompt="_" * 2000, adapters=tuple(Adapter(name=name) for name in names))
    view, files = with_command_line(settings_card(of, shelf, parent_link=None), of.request, shelf, IN_ENGLISH)
    assert view.content_length() <= MAX_TEXT
    [file] = files
    assert all(name.encode() in file.fp.read() for name in names[:1])
    said = settings_card(of, shelf, parent_link=None).text
    shown = layout(settings_card(of, shelf, parent_link=None), IN_ENGLISH).to_components()  # type: ignore[no-untyped-call]
    text = shown[0]["components"][0]["content"]
    assert text.startswith("\n".join(said[:9]))
    assert text.endswith(LEFT_OUT)


def test_models_list_and_check_tell_loras(
    loras: Loras, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half.safetensors").write_bytes(b"12")
    monkeypatch.setenv("LORAS", str(tmp_path))
    monkeypatch.setenv("MODEL", "fake:noise")
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert look_after(parser.parse_args(["list"])) == 1
    said = capsys.readouterr().out
    assert "Oil paint   kohya, rank 8, for Stable Diffusion 1, about 17 KiB in float16" in said
    assert "; trigger words: oil, brush\n" in said
    assert "huge   PEFT, rank 4, for Stable Diffusion XL, about 18 KiB in float16" in said
    assert "half   broken   The LoRA" in said
    assert look_after(parser.parse_args(["check"])) == 1
    said = capsys.readouterr().out
    assert "poster: well\n" in said
    assert "half: broken\n" in said


def test_a_named_folder_of_loras_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LORAS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert read_settings().loras_folder == Path("loras"), "it may be made later"
    monkeypatch.setenv("LORAS", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=r"LORAS is .*nowhere, and there is no such folder"):
        _ = read_settings().loras_folder
