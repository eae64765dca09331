"""What the owner sets, and the sentence for everything that cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, read_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def env(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(env(folder, text))
    return str(caught.value)


def test_without_a_file_everything_but_the_token_has_a_default(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / ".env")
    assert settings.model == "models/mini"
    assert settings.discord_api_url == "https://discord.com/api/v10"


def test_a_missing_token_says_where_to_put_it(tmp_path: Path) -> None:
    settings = read_settings(env(tmp_path, "DISCORD_TOKEN=\n"))
    with pytest.raises(SettingsError) as caught:
        _ = settings.token
    assert str(caught.value) == (
        "DISCORD_TOKEN is not set; copy .env.example to .env and put your bot's token there."
    )


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "from/environment")
    assert read_settings(env(tmp_path, "MODEL=from/file\nDEVICE=cpu\n")).model == "from/environment"


def test_every_variable_stands_in_the_example_and_the_example_is_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = ROOT / ".env.example"
    named = set(re.findall(r"^([A-Z_]+)=", example.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}
    assert read_settings(example) == Settings(_env_file=None)  # type: ignore[call-arg]  # pydantic's own


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("MAX_STEPS=many\n", "MAX_STEPS cannot be used: it must be a whole number."),
        ("GUILD_ID=my server\n", "GUILD_ID cannot be used: it must be a whole number."),
        ("COMPILE=maybe\n", "COMPILE cannot be used: it must be true or false."),
        ("DISCORD_API_URL=discord.com\n", "DISCORD_API_URL cannot be used: it must be an address"),
        ("MAX_WAITING=0\n", "MAX_WAITING cannot be used: it must be greater than or equal to 1."),
        ("LOG_LEVEL=LOUD\n", "LOG_LEVEL cannot be used: it must be DEBUG, INFO, WARNING or ERROR."),
        ("DTYPE=float8\n", "DTYPE cannot be used: it must be auto, float16, bfloat16 or float32."),
        ("BATCH=many\n", "BATCH cannot be used: it must be auto or a whole number from 1 to 32."),
        ("BATCH=99\n", "BATCH cannot be used: it must be less than or equal to 32."),
        ("UNLOAD_AFTER=inf\n", "UNLOAD_AFTER cannot be used: it must be less than or equal to 527040."),
        ("MODEL_MEMORY=inf\n", "MODEL_MEMORY cannot be used: it must be a finite number."),
        ("# fine\nMODEL=x\nthis is no setting\n", "Line 3 of"),
        ("MODEL=x\nexport MAX_STEP=9\n", "sets MAX_STEP, which is no setting; did you mean MAX_STEPS?"),
    ],
)
def test_a_broken_setting_is_a_sentence_with_its_name(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)


def test_what_other_programs_read_may_stand_in_the_file_too(tmp_path: Path) -> None:
    assert read_settings(env(tmp_path, "HF_HOME=/hub\nmodel=x\nMAX_STEPS=9\n# MAX_STEP=8\n")).max_steps == 9


def test_a_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"DISCORD_TOKEN=\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not a text file in UTF-8"):
        read_settings(path)


def test_a_sentence_about_a_setting_never_holds_its_value(tmp_path: Path) -> None:
    assert "s3cret" not in refusal(tmp_path, "MAX_WAITING=s3cret\n")


def test_the_token_does_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    settings = read_settings(env(tmp_path, "DISCORD_TOKEN=s3cret\n"))
    assert settings.token == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("token", ["abc def", "abc\\ndef", "töken"])
def test_a_token_that_cannot_be_one_is_refused_before_discord_sees_it(token: str, tmp_path: Path) -> None:
    settings = read_settings(env(tmp_path, f'DISCORD_TOKEN="{token}"\n'))
    with pytest.raises(SettingsError, match="copy it again"):
        _ = settings.token


def test_a_quote_that_is_never_closed_names_its_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, '# mine\nDISCORD_TOKEN="abc\n').startswith("Line 2 of")


def test_a_file_from_an_editor_that_marks_its_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=abc\n", encoding="utf-8-sig")
    assert read_settings(tmp_path / ".env").token == "abc"


def test_the_embedded_model_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(read_settings(tmp_path / ".env").model) == ROOT / "models" / "mini"


def test_a_home_folder_is_written_out(tmp_path: Path) -> None:
    assert read_settings(env(tmp_path, "DATA_DIR=~/atelier\n")).data_dir == Path.home() / "atelier"


def test_the_models_are_described_by_the_named_file_or_one_that_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings().models_file is None
    (tmp_path / "models.toml").touch()
    assert read_settings().models_file == Path("models.toml")
    (tmp_path / "other.toml").touch()
    assert (
        read_settings(env(tmp_path, f"MODELS={tmp_path}/other.toml")).models_file == tmp_path / "other.toml"
    )


def test_a_named_file_of_models_must_be_there(tmp_path: Path) -> None:
    settings = read_settings(env(tmp_path, "MODELS=none.toml"))
    with pytest.raises(SettingsError, match=r"^MODELS is none\.toml, and there is no such file"):
        _ = settings.models_file


def test_what_the_owner_keeps_is_in_the_named_folder_or_one_that_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = read_settings()
    assert here.wildcards_folder == Path("wildcards"), "it may be made later"
    assert (here.controlnets_folder, here.embeddings_folder) == (Path("controlnets"), Path("embeddings"))
    assert read_settings().upscalers_folder is None
    (tmp_path / "upscalers").mkdir()
    assert read_settings().upscalers_folder == Path("upscalers")
    (tmp_path / "lists").mkdir()
    assert read_settings(env(tmp_path, f"WILDCARDS={tmp_path}/lists")).wildcards_folder == tmp_path / "lists"


def test_a_named_folder_of_wildcards_must_be_there(tmp_path: Path) -> None:
    settings = read_settings(env(tmp_path, "WILDCARDS=nowhere"))
    with pytest.raises(SettingsError, match="WILDCARDS is nowhere, and there is no such folder"):
        _ = settings.wildcards_folder


def test_controlnets_and_what_tells_depth_are_where_the_owner_says(tmp_path: Path) -> None:
    assert read_settings(env(tmp_path, f"CONTROLNETS={tmp_path}")).controlnets_folder == tmp_path
    settings = read_settings(env(tmp_path, f"CONTROLNETS={tmp_path}/none\nDEPTH_MODEL={tmp_path}"))
    with pytest.raises(SettingsError, match="there is no such folder"):
        _ = settings.controlnets_folder
    with pytest.raises(SettingsError, match=r"it lacks config\.json"):
        _ = settings.depth_folder
    describing = read_settings(env(tmp_path, f"DESCRIBER={tmp_path}"))
    with pytest.raises(SettingsError, match=r"it lacks config\.json"):
        _ = describing.describer_folder
    (tmp_path / "config.json").write_text("{}")
    assert settings.depth_folder == tmp_path
    assert describing.describer_folder == tmp_path
    settings = read_settings(env(tmp_path, f"PEOPLE_MODEL={tmp_path}"))
    with pytest.raises(SettingsError, match="for POSE_MODEL, which is empty"):
        _ = settings.people_folder
    settings = read_settings(env(tmp_path, f"PEOPLE_MODEL={tmp_path}\nPOSE_MODEL={tmp_path}"))
    assert (settings.pose_folder, settings.people_folder) == (tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "http://127.0.0.1:8090"),
        ("WEB_HOST=::1\nWEB_PORT=80\n", "http://[::1]:80"),
        ("WEB_URL=https://example.org/gallery/\n", "https://example.org/gallery"),
    ],
)
def test_the_web_gallery_is_where_the_owner_says_or_where_it_listens(
    tmp_path: Path, text: str, address: str
) -> None:
    assert read_settings(env(tmp_path, text)).web_address == address


def test_a_web_address_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    for wrong in ("wss://example.org", "https://example.org/?a=b"):
        with pytest.raises(SettingsError, match="WEB_URL is"):
            _ = read_settings(env(tmp_path, f"WEB_URL={wrong}\n")).web_address
