"""Which components a message or a modal may have, and how they are kept (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playground.errors import Form
from playground.media import safe_filename
from playground.nouns import Json

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT = 5, 6, 7, 8
SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
LABEL, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 18, 19, 21, 22, 23

ENTITY_SELECTS = (USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT)
SELECTS = (STRING_SELECT, *ENTITY_SELECTS)
LEGACY_TOP = (ROW,)
CONTAINED = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR)
V2_TOP = (*CONTAINED, CONTAINER)
MODAL_TOP = (ROW, TEXT, LABEL)
LABELLED = (TEXT_INPUT, *SELECTS, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX)

LINK_STYLE, PREMIUM_STYLE = 5, 6
MOST_COMPONENTS = 40
MOST_TEXT = 4000
REFERENCE = "attachment://"


def walk(components: object) -> Iterator[Json]:
    """Every component of a tree, each before its children; what is no component is passed over."""
    for component in components if isinstance(components, list | tuple) else ():
        if isinstance(component, dict):
            yield component
            yield from walk(component.get("components"))
            yield from walk([component.get("accessory"), component.get("component")])


def check_message(
    form: Form, path: list[str | int], components: Sequence[Json], *, v2: bool, files: frozenset[str]
) -> None:
    """Note what Discord would refuse. `files` are the names that `attachment://` may point to."""
    check = _Check(form, files)
    for index, component in enumerate(components):
        check.one([*path, index], component, V2_TOP if v2 else LEGACY_TOP)
    if not v2 and len(components) > 5:
        form.fail(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    if check.count > MOST_COMPONENTS:
        form.fail(
            path,
            "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
            f"The total number of components, nested ones included, is {check.count}; "
            f"at most {MOST_COMPONENTS} are allowed.",
        )
    if check.text > MOST_TEXT:
        form.fail(
            path,
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
            f"Displayable text size exceeds maximum size of {MOST_TEXT}",
        )


def check_modal(form: Form, data: Json) -> None:
    """Note what is wrong with a modal: its id, title and its one to five components."""
    form.text(["data", "custom_id"], data.get("custom_id"), least=1, most=100, required=True)
    form.text(["data", "title"], data.get("title"), least=1, most=45, required=True)
    components = form.many(["data", "components"], data.get("components"), least=1, most=5)
    check = _Check(form, frozenset())
    for index, component in enumerate(components):
        check.one(["data", "components", index], component, MODAL_TOP)


def stored(components: Sequence[Json]) -> tuple[Json, ...]:
    """The components as the server gives them back: numbered, with every default filled in."""
    taken = {c["id"] for c in walk(components) if c.get("id")}
    numbers = (number for number in range(1, 2**31) if number not in taken)
    return tuple(_stored(component, numbers) for component in components)


class _Check:
    def __init__(self, form: Form, files: frozenset[str]) -> None:
        self.form = form
        self.files = files
        self.count = 0
        self.text = 0
        self.ids: set[str] = set()

    def one(self, path: list[str | int], part: Json, allowed: Sequence[int]) -> None:
        self.count += 1
        kind = part.get("type")
        if kind not in allowed:
            choices = ", ".join(map(str, allowed))
            self.form.fail(
                [*path, "type"],
                "UNION_TYPE_CHOICES" if kind is not None else "BASE_TYPE_REQUIRED",
                f'Value of field "type" must be one of ({choices}).',
            )
            return
        self.form.number([*path, "id"], part.get("id"), least=0, most=2**31 - 1)
        if kind == ROW:
            self.row(path, part, modal=allowed == MODAL_TOP)
        elif kind == BUTTON:
            self.button(path, part)
        elif kind in SELECTS:
            self.select(path, part)
        elif kind == TEXT_INPUT:
            self.text_input(path, part, labelled=allowed == LABELLED)
        elif kind == SECTION:
            self.children(path, part, (TEXT,), most=3)
            self.child(path, part, "accessory", (BUTTON, THUMBNAIL))
        elif kind == TEXT:
            content = part.get("content")
            self.text += len(
                self.form.text([*path, "content"], content, least=1, most=MOST_TEXT, required=True)
            )
        elif kind == THUMBNAIL:
            self.media(path, part)
        elif kind == GALLERY:
            items = self.form.many([*path, "items"], part.get("items"), least=1, most=10)
            for index, item in enumerate(items):
                self.media([*path, "items", index], item)
        elif kind == FILE:
            self.url([*path, "file"], part.get("file"), only_attached=True)
        elif kind == CONTAINER:
            self.form.number([*path, "accent_color"], part.get("accent_color"), least=0, most=0xFFFFFF)
            self.children(path, part, CONTAINED, most=MOST_COMPONENTS)
        elif kind == LABEL:
            self.form.text([*path, "label"], part.get("label"), least=1, most=45, required=True)
            self.form.text([*path, "description"], part.get("description"), least=1, most=100)
            self.child(path, part, "component", LABELLED)
        elif kind in (FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX):
            self.custom_id(path, part)
            if kind in (RADIO_GROUP, CHECKBOX_GROUP):
                least = 2 if kind == RADIO_GROUP else 1
                self.options(path, part, least=least, most=10)

    def children(self, path: list[str | int], part: Json, allowed: Sequence[int], *, most: int) -> None:
        parts = self.form.many([*path, "components"], part.get("components"), least=1, most=most)
        for index, child in enumerate(parts):
            self.one([*path, "components", index], child, allowed)

    def child(self, path: list[str | int], part: Json, key: str, allowed: Sequence[int]) -> None:
        child = part.get(key)
        if isinstance(child, dict):
            self.one([*path, key], child, allowed)
        else:
            self.form.required([*path, key])

    def row(self, path: list[str | int], part: Json, *, modal: bool) -> None:
        parts = part.get("components")
        first = (
            parts[0].get("type") if isinstance(parts, list) and parts and isinstance(parts[0], dict) else 0
        )
        if modal:
            self.children(path, part, (TEXT_INPUT,), most=1)
        elif first in SELECTS:
            self.children(path, part, SELECTS, most=1)
        else:
            self.children(path, part, (BUTTON, *SELECTS), most=5)

    def custom_id(self, path: list[str | int], part: Json) -> None:
        custom_id = part.get("custom_id")
        self.form.text([*path, "custom_id"], custom_id, least=1, most=100, required=True)
        if isinstance(custom_id, str):
            if custom_id in self.ids:
                self.form.fail(
                    [*path, "custom_id"],
                    "COMPONENT_CUSTOM_ID_DUPLICATED",
                    "Component custom id cannot be duplicated",
                )
            self.ids.add(custom_id)

    def button(self, path: list[str | int], part: Json) -> None:
        style = part.get("style")
        self.form.text([*path, "label"], part.get("label"), most=80)
        self.form.fields([*path, "emoji"], part.get("emoji"))
        if style not in range(1, 7):
            self.form.fail([*path, "style"], "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
        elif style == LINK_STYLE:
            if part.get("url"):
                self.form.url([*path, "url"], part["url"], most=512, besides=("discord://",))
            else:
                self.form.required([*path, "url"])
            if part.get("custom_id") is not None:
                self.form.fail(
                    [*path, "custom_id"],
                    "BUTTON_COMPONENT_CUSTOM_ID_AND_URL",
                    "A link button cannot have a custom id",
                )
        elif style != PREMIUM_STYLE:
            self.custom_id(path, part)
            if part.get("label") is None and part.get("emoji") is None:
                self.form.fail(
                    path, "BUTTON_COMPONENT_INVALID_CONTENT", "A button must have a label or an emoji"
                )

    def select(self, path: list[str | int], part: Json) -> None:
        self.custom_id(path, part)
        self.form.text([*path, "placeholder"], part.get("placeholder"), most=150)
        self.form.number([*path, "min_values"], part.get("min_values"), least=0, most=25)
        self.form.number([*path, "max_values"], part.get("max_values"), least=1, most=25)
        if part["type"] == STRING_SELECT:
            self.options(path, part, least=1, most=25)

    def options(self, path: list[str | int], part: Json, *, least: int, most: int) -> None:
        options = self.form.many([*path, "options"], part.get("options"), least=least, most=most)
        values: set[str] = set()
        for index, option in enumerate(options):
            at = [*path, "options", index]
            self.form.text([*at, "label"], option.get("label"), least=1, most=100, required=True)
            value = self.form.text([*at, "value"], option.get("value"), least=1, most=100, required=True)
            self.form.text([*at, "description"], option.get("description"), most=100)
            self.form.fields([*at, "emoji"], option.get("emoji"))
            if value and value in values:
                self.form.fail(
                    [*at, "value"],
                    "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                    "The specified option value is already used",
                )
            values.add(value)

    def text_input(self, path: list[str | int], part: Json, *, labelled: bool) -> None:
        self.custom_id(path, part)
        if not labelled:
            self.form.text([*path, "label"], part.get("label"), least=1, most=45, required=True)
        if part.get("style") not in (1, 2):
            self.form.fail([*path, "style"], "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
        self.form.text([*path, "placeholder"], part.get("placeholder"), most=100)
        self.form.text([*path, "value"], part.get("value"), most=4000)
        self.form.number([*path, "min_length"], part.get("min_length"), least=0, most=4000)
        self.form.number([*path, "max_length"], part.get("max_length"), least=1, most=4000)

    def media(self, path: list[str | int], part: Json) -> None:
        self.form.text([*path, "description"], part.get("description"), least=1, most=1024)
        self.url([*path, "media"], part.get("media"))

    def url(self, path: list[str | int], media: object, *, only_attached: bool = False) -> None:
        url = media.get("url") if isinstance(media, dict) else None
        self.form.text([*path, "url"], url, least=1, most=2048, required=True)
        if not isinstance(url, str):
            return
        if url.startswith(REFERENCE):
            name = safe_filename(url.removeprefix(REFERENCE))
            if name not in self.files:
                self.form.fail(
                    [*path, "url"],
                    "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
                    f"The referenced attachment {name} was not found",
                )
        elif only_attached or not url.startswith(("http://", "https://")):
            schemes = "attachment" if only_attached else "http, https, attachment"
            self.form.fail(
                [*path, "url"],
                "URL_TYPE_INVALID_SCHEME",
                f'Scheme "{url.split(":", 1)[0]:.20}" is not supported. Scheme must be one of ({schemes}).',
            )


def _stored(part: Json, numbers: Iterator[int]) -> Json:
    kept = {key: value for key, value in part.items() if value is not None}
    kept["id"] = part.get("id") or next(numbers)
    for key in ("accessory", "component"):
        if key in kept:
            kept[key] = _stored(kept[key], numbers)
    if "components" in kept:
        kept["components"] = [_stored(child, numbers) for child in kept["components"]]
    if "emoji" in kept:
        kept["emoji"] = {key: value for key, value in kept["emoji"].items() if value is not None}
    match kept["type"]:
        case 3 | 5 | 6 | 7 | 8:
            kept.setdefault("min_values", 1)
            kept.setdefault("max_values", 1)
        case 4:
            for key in ("label", "min_length", "max_length"):
                kept.setdefault(key, None)
        case 11:
            kept.setdefault("description", None)
            kept.setdefault("spoiler", False)
        case 12:
            kept["items"] = [{"description": None, "spoiler": False, **item} for item in kept["items"]]
        case 13:
            kept.setdefault("spoiler", False)
        case 14:
            kept.setdefault("divider", True)
            kept.setdefault("spacing", 1)
        case 17:
            kept.setdefault("accent_color", None)
            kept.setdefault("spoiler", False)
        case _:
            pass
    return kept
