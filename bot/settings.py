"""All that the owner may set, read from the environment and `.env`; each variable is in .env.example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.envfile import mistake
from bot.safety import OwnerSafety, is_missing
from generation.modeltable import EMBEDDED
from generation.queue import MAX_WEIGHT
from generation.request import MAX_STEPS
from generation.safety import DEFAULT_CHECKER, Safety

MODELS_FILE = Path("models.toml")
"""Describes the models if MODELS names no other file and it exists."""
WILDCARDS_FOLDER = Path("wildcards")
"""Holds the wildcards if WILDCARDS names no other folder."""
UPSCALERS_FOLDER = Path("upscalers")
"""Holds upscalers if UPSCALERS names no other folder and it exists."""
LORAS_FOLDER = Path("loras")
"""Holds LoRAs if LORAS names no other folder."""
CONTROLNETS_FOLDER = Path("controlnets")
"""Holds ControlNets if CONTROLNETS names no other folder."""
EMBEDDINGS_FOLDER = Path("embeddings")
"""Holds learned words if EMBEDDINGS names no other folder."""

YEAR = 366 * 24 * 60
"""Minutes; nothing can be waited for without end."""

Url = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^(https?|wss?)://\S+$")]


class SettingsError(Exception):
    """A setting that cannot be; the message is a sentence for the owner and names the variable."""


class Settings(BaseSettings):
    """What the owner decided. A variable that is set but empty counts as not set."""

    model_config = SettingsConfigDict(env_file_encoding="utf-8-sig", env_ignore_empty=True, extra="ignore")

    discord_token: SecretStr | None = None
    guild_id: int | None = Field(default=None, gt=0)
    """Register the commands in this server only; None: everywhere."""
    discord_api_url: Url = "https://discord.com/api/v10"
    discord_gateway_url: Url = "wss://gateway.discord.gg/"

    model: str = EMBEDDED
    models: Path | None = None
    """A file that describes several models; MODEL is not used then. See :attr:`models_file`."""
    wildcards: Path | None = None
    """A folder of lists that prompts choose from. See :attr:`wildcards_folder`."""
    loras: Path | None = None
    """A folder of LoRAs. See :attr:`loras_folder`."""
    controlnets: Path | None = None
    """A folder of ControlNets. See :attr:`controlnets_folder`."""
    depth_model: Path | None = None
    """A folder with a model that tells depth in pictures. See :attr:`depth_folder`."""
    describer: Path | None = None
    """A folder with a model that describes pictures. See :attr:`describer_folder`."""
    pose_model: Path | None = None
    """A folder with a model that tells how people stand. See :attr:`pose_folder`."""
    people_model: Path | None = None
    """A folder with a model that finds people for that. See :attr:`people_folder`."""
    embeddings: Path | None = None
    """A folder of words that were learned beside models. See :attr:`embeddings_folder`."""
    upscalers: Path | None = None
    """A folder of models that make pictures larger. See :attr:`upscalers_folder`."""
    device: str = "auto"
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    model_memory: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """GiB that the models in memory may need together; None: no limit."""
    batch: int | None = Field(default=None, ge=1, le=32)
    """The most pictures drawn in one call of the model; None: what suits the machine."""
    compile: bool = False
    """Compile the UNet in the background, and draw with that when it is ready."""
    cuda_graphs: bool = False
    """What is compiled records CUDA graphs."""

    data_dir: Path = Path("data")
    web_gallery: bool = False
    """Show what is shared on the web, for servers that want that."""
    web_host: str = "127.0.0.1"
    """The address at which the web gallery is listened for."""
    web_port: int = Field(default=8090, ge=1, le=65535)
    web_url: Url | None = None
    """Where people find it, without a slash at its end. See :attr:`web_address`."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    previews: bool = True
    """Show pictures while they are drawn."""

    safety: Safety = Safety.OFF
    """What becomes of flagged pictures in servers that decide nothing."""
    safety_direct: Safety | None = None
    """The same in direct messages. See :attr:`owner_safety`."""
    safety_checker: str = DEFAULT_CHECKER
    """A folder, or a name on Hugging Face."""
    safety_fetch: bool = False
    """Whether the checker may be fetched."""

    max_waiting: int = Field(default=200, ge=1)
    """Requests that may wait or run at once."""
    max_waiting_per_person: int = Field(default=10, ge=1)
    max_pixels: int = Field(default=4096 * 4096, ge=64 * 64)
    """Width times height of one picture."""
    max_steps: int = Field(default=MAX_STEPS, ge=1, le=MAX_STEPS)
    max_pictures_per_day: int | None = Field(default=None, ge=1)
    """Of one person, wherever they ask; None: no limit."""
    max_weight: int = Field(default=MAX_WEIGHT, ge=1, le=MAX_WEIGHT)
    """Turns that a server may give a role where others get one."""
    unload_after: float | None = Field(default=None, gt=0, le=YEAR)
    """Minutes without work after which the models leave memory; None: never."""

    @field_validator("model")
    @classmethod
    def _found_from_anywhere(cls, model: str) -> str:
        here = Path(__file__).parents[1] / EMBEDDED
        return str(here) if model == EMBEDDED and not Path(model).exists() else model

    @field_validator("batch", mode="before")
    @classmethod
    def _auto(cls, batch: object) -> object:
        if isinstance(batch, str) and not batch.strip().lstrip("-").isdecimal():
            if batch.strip().lower() != "auto":
                raise PydanticCustomError("batch", "it must be auto or a whole number from 1 to 32")
            return None
        return batch

    @field_validator(
        *("data_dir", "models", "wildcards", "loras", "embeddings", "upscalers", "controlnets"),
        *("depth_model", "pose_model", "people_model", "describer"),
    )
    @classmethod
    def _at_home(cls, place: Path | None) -> Path | None:
        return None if place is None else place.expanduser()

    @field_validator("safety", "safety_direct", mode="before")
    @classmethod
    def _in_any_case(cls, safety: object) -> object:
        return safety.strip().lower() if isinstance(safety, str) else safety

    @property
    def owner_safety(self) -> OwnerSafety:
        """What is decided about the safety check.

        Raises:
            SettingsError: it cannot be so.
        """
        if self.safety_direct is Safety.HOLD:
            raise SettingsError(
                "SAFETY_DIRECT is hold, and nobody moderates direct messages; "
                "it may be off, spoiler or refuse."
            )
        if is_missing(self.safety_checker):
            raise SettingsError(
                f"SAFETY_CHECKER is {self.safety_checker}, and there is no such folder; docs/safety.md says "
                "what it may be."
            )
        direct = Safety.REFUSE if self.safety is Safety.HOLD else self.safety
        return OwnerSafety(
            default=self.safety,
            direct=self.safety_direct or direct,
            checker=self.safety_checker,
            may_fetch=self.safety_fetch,
        )

    @property
    def models_file(self) -> Path | None:
        """The file that describes the models; None when MODEL names the only one.

        Raises:
            SettingsError: MODELS names a file that is not there.
        """
        if self.models is None:
            return MODELS_FILE if MODELS_FILE.is_file() else None
        if not self.models.is_file():
            raise SettingsError(
                f"MODELS is {self.models}, and there is no such file; docs/models.md says how one is written."
            )
        return self.models

    @property
    def wildcards_folder(self) -> Path:
        """The folder that holds the wildcards; it may be made, and filled, while the bot runs.

        Raises:
            SettingsError: WILDCARDS names a folder that is not there.
        """
        return _named_folder("WILDCARDS", self.wildcards, "text files") or WILDCARDS_FOLDER

    @property
    def loras_folder(self) -> Path:
        """The folder that holds LoRAs; it may be made, and filled, while the bot runs.

        Raises:
            SettingsError: LORAS names a folder that is not there.
        """
        return _named_folder("LORAS", self.loras, ".safetensors files") or LORAS_FOLDER

    @property
    def controlnets_folder(self) -> Path:
        """The folder that holds ControlNets; it may be made, and filled, while the bot runs.

        Raises:
            SettingsError: CONTROLNETS names a folder that is not there.
        """
        return _named_folder("CONTROLNETS", self.controlnets, "ControlNets") or CONTROLNETS_FOLDER

    @property
    def depth_folder(self) -> Path | None:
        """The folder of the model that tells depth; None when depth cannot be told.

        Raises:
            SettingsError: DEPTH_MODEL names no such folder.
        """
        return _model_folder("DEPTH_MODEL", self.depth_model, "Depth Anything")

    @property
    def describer_folder(self) -> Path | None:
        """The folder of the model that describes pictures; None: there is no /describe.

        Raises:
            SettingsError: DESCRIBER names no such folder.
        """
        return _model_folder("DESCRIBER", self.describer, "BLIP")

    @property
    def pose_folder(self) -> Path | None:
        """The folder of the model that tells poses; None when they cannot be told.

        Raises:
            SettingsError: POSE_MODEL names no such folder.
        """
        return _model_folder("POSE_MODEL", self.pose_model, "ViTPose")

    @property
    def people_folder(self) -> Path | None:
        """The folder of the model that finds people; None: a picture counts as one person.

        Raises:
            SettingsError: PEOPLE_MODEL names no such folder, or is there without POSE_MODEL.
        """
        if self.people_model is not None and self.pose_model is None:
            raise SettingsError(
                "PEOPLE_MODEL finds people for POSE_MODEL, which is empty; name that too, or neither."
            )
        return _model_folder("PEOPLE_MODEL", self.people_model, "RT-DETR")

    @property
    def embeddings_folder(self) -> Path:
        """The folder of words learned beside models; it may be made, and filled, while the bot runs.

        Raises:
            SettingsError: EMBEDDINGS names a folder that is not there.
        """
        return _named_folder("EMBEDDINGS", self.embeddings, ".safetensors files") or EMBEDDINGS_FOLDER

    @property
    def upscalers_folder(self) -> Path | None:
        """The folder that holds models which make pictures larger; None when there are none.

        Who has none has nothing imported for them, so one that is made while the bot runs counts from the
        next start.

        Raises:
            SettingsError: UPSCALERS names a folder that is not there.
        """
        named = _named_folder("UPSCALERS", self.upscalers, ".safetensors files")
        return UPSCALERS_FOLDER if named is None and UPSCALERS_FOLDER.is_dir() else named

    @property
    def web_address(self) -> str:
        """Where people find the web gallery, without a slash at its end.

        Raises:
            SettingsError: WEB_URL is no address of a page.
        """
        if self.web_url is None:
            host = f"[{self.web_host}]" if ":" in self.web_host else self.web_host
            return f"http://{host}:{self.web_port}"
        if not self.web_url.startswith("http") or "?" in self.web_url or "#" in self.web_url:
            raise SettingsError(
                f"WEB_URL is {self.web_url}; write the address at which people find the gallery, such as "
                "https://gallery.example.org."
            )
        return self.web_url.rstrip("/")

    @property
    def token(self) -> str:
        """The bot's token.

        Raises:
            SettingsError: there is none.
        """
        token = self.discord_token.get_secret_value().strip() if self.discord_token else ""
        if not token:
            raise SettingsError(
                "DISCORD_TOKEN is not set; copy .env.example to .env and put your bot's token there."
            )
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise SettingsError(
                "DISCORD_TOKEN holds a space, a line break or a letter that no token has; copy it again."
            )
        return token


def _named_folder(name: str, folder: Path | None, what: str) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise SettingsError(
            f"{name} is {folder}, and there is no such folder; "
            f"make it and put {what} into it, or leave {name} empty."
        )
    return folder


def _model_folder(name: str, folder: Path | None, such_as: str) -> Path | None:
    if folder is not None and not (folder / "config.json").is_file():
        raise SettingsError(
            f"{name} is {folder}, and that is no folder with a model in it: it lacks config.json. "
            f"Name the folder of one such as {such_as}, or leave {name} empty."
        )
    return folder


def read_settings(env_file: Path = Path(".env")) -> Settings:
    """The settings from the environment, which wins, and from `env_file` if it exists.

    Raises:
        SettingsError: a value cannot be, or the file cannot be read.
    """
    try:
        text = env_file.read_text(encoding="utf-8-sig") if env_file.exists() else ""
        if wrong := mistake(text, str(env_file), [name.upper() for name in Settings.model_fields]):
            raise SettingsError(wrong)
        return Settings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors()[0]
        variable = str(first["loc"][0]).upper()
        raise SettingsError(f"{variable} cannot be used: {_because(first['type'], first['msg'])}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{env_file} is not a text file in UTF-8; save it as one.") from error
    except OSError as error:
        raise SettingsError(f"{env_file} cannot be read: {error.strerror}.") from error


def _because(kind: str, message: str) -> str:
    """Pydantic's reason without its jargon, and never with the value: it may be a secret."""
    if kind == "string_pattern_mismatch":
        return "it must be an address that begins with http://, https://, ws:// or wss://"
    if kind == "bool_parsing":
        return "it must be true or false"
    if kind.startswith("int_"):
        return "it must be a whole number"
    return message.replace("Input should be", "it must be").replace("'", "").removesuffix(".")
