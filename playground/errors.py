"""What the API says when it refuses: a status, one of Discord's codes and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from playground.nouns import Json

FORM_CODE = 50035
UNKNOWN_CODES = {
    "Application": 10002,
    "Channel": 10003,
    "Guild": 10004,
    "Member": 10007,
    "Message": 10008,
    "Role": 10011,
    "User": 10013,
    "Webhook": 10015,
    "interaction": 10062,
    "application command": 10063,
}


class CannotStartError(Exception):
    """The playground cannot begin; the message says why, and what to do."""


class PortInUseError(CannotStartError):
    """Somebody else listens there."""


class ApiError(Exception):
    """A refusal, in the shape in which Discord gives it."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> Json:
        body: Json = {"message": self.message, "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def unknown(what: str) -> ApiError:
    return ApiError(404, UNKNOWN_CODES[what], f"Unknown {what}")


def not_found() -> ApiError:
    return ApiError(404, 0, "404: Not Found")


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


def missing_access() -> ApiError:
    return ApiError(403, 50001, "Missing Access")


def missing_permissions() -> ApiError:
    return ApiError(403, 50013, "Missing Permissions")


def thread_archived() -> ApiError:
    return ApiError(400, 50083, "Thread is archived")


def thread_begun() -> ApiError:
    return ApiError(400, 160004, "A thread has already been created for this message")


def thread_locked() -> ApiError:
    return ApiError(403, 160005, "Thread is locked")


def too_many_follow_ups() -> ApiError:
    return ApiError(400, 40094, "This interaction has reached the maximum number of follow up messages")


def cannot_message_user() -> ApiError:
    return ApiError(403, 50007, "Cannot send messages to this user")


def not_the_author() -> ApiError:
    return ApiError(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> ApiError:
    return ApiError(400, 50006, "Cannot send an empty message")


def already_acknowledged() -> ApiError:
    return ApiError(400, 40060, "Interaction has already been acknowledged.")


def dead_token() -> ApiError:
    return ApiError(401, 50027, "Invalid Webhook Token")


def too_large() -> ApiError:
    return ApiError(413, 40005, "Request entity too large")


def invalid_json() -> ApiError:
    return ApiError(400, 50109, "The request body contains invalid JSON.")


class Form:
    """Collects what is wrong with a body, field by field, and refuses it as a whole."""

    def __init__(self) -> None:
        self._errors: Json = {}

    def fail(self, path: Sequence[str | int], code: str, message: str) -> None:
        """Note that the field at `path` is wrong, and why."""
        place = self._errors
        for step in path:
            place = place.setdefault(str(step), {})
        place.setdefault("_errors", []).append({"code": code, "message": message})

    def required(self, path: Sequence[str | int]) -> None:
        self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")

    def text(
        self, path: Sequence[str | int], value: object, *, most: int, least: int = 0, required: bool = False
    ) -> str:
        """A text of `least` to `most` characters; what is none is noted, and read as empty."""
        if value is None:
            if required:
                self.required(path)
        elif not isinstance(value, str):
            self.fail(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value!r:.80}" as string.')
        elif not least <= len(value) <= most:
            if least > 1 or (least and not value):
                self.fail(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
            else:
                self.fail(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return value if isinstance(value, str) else ""

    def fields(self, path: Sequence[str | int], value: object) -> Json:
        """An object; what is none is noted, and read as empty."""
        if value is not None and not isinstance(value, dict):
            self.fail(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return value if isinstance(value, dict) else {}

    def many(self, path: Sequence[str | int], value: object, *, most: int, least: int = 0) -> list[Json]:
        """A list of `least` to `most` objects; what is no object is noted and left out."""
        if value is None:
            value = []
        if not isinstance(value, list):
            self.fail(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if not least <= len(value) <= most:
            self.fail(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        objects = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                objects.append(item)
            else:
                self.fail(
                    [*path, index], "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType"
                )
        return objects

    def number(self, path: Sequence[str | int], value: object, *, least: int, most: int) -> None:
        """A whole number from `least` to `most`, or nothing."""
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(path, "NUMBER_TYPE_COERCE", f'Value "{value!r:.80}" is not int.')
        elif value > most:
            self.fail(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {most}.")
        elif value < least:
            self.fail(path, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {least}.")

    def url(
        self, path: Sequence[str | int], value: object, *, most: int = 2048, besides: Sequence[str] = ()
    ) -> None:
        """A web address, or one that begins with a prefix of `besides`, or nothing."""
        text = self.text(path, value, most=most)
        if not text or text.startswith(tuple(besides)):
            return
        scheme, found, _ = text.partition("://")
        if not found and ":" not in text:
            self.fail(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        elif scheme.lower() not in ("http", "https"):
            self.fail(
                path,
                "URL_TYPE_INVALID_SCHEME",
                f'Scheme "{text.split(":", 1)[0]:.20}" is not supported. Use http or https.',
            )
        elif not _has_host(text):
            self.fail(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")

    @property
    def clean(self) -> bool:
        return not self._errors

    def refuse(self) -> None:
        """Raise if anything was noted."""
        if self._errors:
            raise ApiError(400, FORM_CODE, "Invalid Form Body", self._errors)


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and not any(letter.isspace() for letter in url)
    except ValueError:  # such as http://[
        return False


def invalid_form(path: Sequence[str | int], code: str, message: str) -> ApiError:
    """A refusal of one field."""
    form = Form()
    form.fail(path, code, message)
    return ApiError(400, FORM_CODE, "Invalid Form Body", form._errors)
