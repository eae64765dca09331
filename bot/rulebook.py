"""What is said of a server's settings and of changes to them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.limitlines import listed_limit
from bot.markdown import literal, mention, shortened
from bot.options import code
from bot.preferring import told
from bot.safety import MEANINGS, OwnerSafety
from generation.preferences import Preferences
from generation.request import InvalidRequest
from generation.safety import Safety
from generation.sentence import count, joined, say
from generation.shelf import Shelf
from storage.quotas import Quota
from storage.servers import Change, ServerSettings

LANGUAGES: Mapping[str, str] = {
    "bg": "български",
    "cs": "Čeština",
    "da": "Dansk",
    "de": "Deutsch",
    "el": "Ελληνικά",
    "en": "English",
    "es-ES": "Español",
    "fi": "Suomi",
    "fr": "Français",
    "hi": "हिन्दी",
    "hr": "Hrvatski",
    "hu": "Magyar",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "lt": "Lietuvių",
    "nl": "Nederlands",
    "no": "Norsk",
    "pl": "Polski",
    "pt-BR": "Português do Brasil",
    "ro": "Română",
    "ru": "Русский",
    "sv-SE": "Svenska",
    "th": "ไทย",
    "tr": "Türkçe",
    "uk": "Українська",
    "vi": "Tiếng Việt",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}
"""What languages call themselves; a server can choose those for which there is a catalogue."""
MAX_LISTED = 230
"""Characters of one list on the page of all settings."""
MAX_IN_CHANGE = 300
"""The same where a change is told."""
OWNERS = say("as the owner of the bot has it")

TITLES: Mapping[str, str] = {
    "safety": say("Flagged pictures"),
    "open_safety": say("Flagged pictures in channels that are not age-restricted"),
    "moderators_channel": say("Moderators"),
    "log_channel": say("Changes"),
    "channels": say("Channels"),
    "models": say("Models"),
    "adult_models": say("Models for age-restricted channels only"),
    "defaults": say("Defaults"),
    "words": say("Banned words"),
    "blocked": say("Blocked people"),
    "quotas": say("Limits"),
    "spoilers": say("Spoilers"),
    "language": say("Language"),
    "retention": say("Pictures are kept"),
    "room": say("Room for pictures"),
    "gallery_channel": say("Gallery"),
    "board": say("Best of the week"),
    "web_gallery": say("Gallery on the web"),
}
"""What each setting is called, in the order in which they are told."""

WEEKDAYS: Mapping[int, str] = {
    1: say("Monday"),
    2: say("Tuesday"),
    3: say("Wednesday"),
    4: say("Thursday"),
    5: say("Friday"),
    6: say("Saturday"),
    7: say("Sunday"),
}


def setting_line(name: str, settings: ServerSettings, owner: OwnerSafety, shelf: Shelf) -> str:
    """One setting, as it is now."""
    return say("**{title}** {value}", title=TITLES[name], value=_value(name, settings, owner, shelf))


def _value(name: str, settings: ServerSettings, owner: OwnerSafety, shelf: Shelf) -> str:
    match name:
        case "safety":
            safety = owner.default if settings.safety is None else settings.safety
            flagged = joined(": ", (safety.value, MEANINGS[safety]))
            if settings.safety is None:
                flagged = joined(", ", (flagged, OWNERS))
            return say("{flagged}.", flagged=flagged)
        case "open_safety":
            if settings.open_safety is None:
                return say("the same.")
            least = joined(": ", (settings.open_safety.value, MEANINGS[settings.open_safety]))
            return say("at least {flagged}.", flagged=least)
        case "moderators_channel":
            if settings.moderators_channel is None:
                return say("see what waits for them with `/moderate`.")
            return say("see what waits for them in {channel}.", channel=f"<#{settings.moderators_channel}>")
        case "log_channel":
            if settings.log_channel is None:
                return say("of these settings are listed by `/server changes`.")
            return say(
                "of these settings are told in {channel}, and listed by `/server changes`.",
                channel=f"<#{settings.log_channel}>",
            )
        case "channels":
            if not settings.channels:
                return say("everywhere.")
            return say("{channels}, with their threads and posts.", channels=_listed(name, settings.channels))
        case "models":
            return _models(settings.models, shelf) if settings.models else say("all that I have.")
        case "adult_models":
            return _models(settings.adult_models, shelf) if settings.adult_models else say("none.")
        case "defaults":
            if not settings.defaults:
                return say("those of the model.")
            return say("{defaults}.", defaults=_preferred(settings.defaults, MAX_LISTED))
        case "words":
            if not settings.words:
                return say("none.")
            return say("{words}.", words=_listed(name, settings.words))
        case "blocked":
            return (
                say("{people}.", people=_listed(name, settings.blocked)) if settings.blocked else say("none.")
            )
        case "quotas":
            if not settings.quotas:
                return say("those of the owner of the bot.")
            return say("{limits}; `/server limits` shows them all.", limits=_listed(name, settings.quotas))
        case "spoilers":
            return (
                say("over all pictures.")
                if settings.spoilers
                else say("only where the safety check says so.")
            )
        case "language":
            if settings.language is None:
                return say("of a card: that of who asks.")
            return say("of a card: {language}.", language=LANGUAGES.get(settings.language, settings.language))
        case "retention":
            if settings.retention is None:
                return say("until somebody deletes them.")
            return say("{days}, then I forget them; their messages stay.", days=days(settings.retention))
        case "room":
            if settings.room is None:
                return say("as much as they take.")
            return say(
                "{size}; beyond that I forget the oldest, and their messages stay.",
                size=size_of(settings.room),
            )
        case "gallery_channel":
            if settings.gallery_channel is None:
                return say("none: nothing can be shared.")
            return say("what people share is shown in {channel}.", channel=f"<#{settings.gallery_channel}>")
        case "board":
            if settings.board is None:
                return say("is not posted.")
            return say("is posted into the gallery: {weekday}, by UTC.", weekday=WEEKDAYS[settings.board])
        case "web_gallery":
            if not settings.web_gallery:
                return say("closed.")
            return say("open: whoever has its address sees what is shared here.")
        case _:
            raise KeyError(name)


def days(number: int) -> str:
    """So many days."""
    return count("{number} day", "{number} days", number)


def size_of(megabytes: int) -> str:
    """So much room."""
    whole, rest = divmod(megabytes, 1000)
    return say("{number:,} MB", number=megabytes) if rest else say("{number:,} GB", number=whole)


def _models(names: Sequence[str], shelf: Shelf) -> str:
    said = _listed("models", names)
    gone = [name for name in names if shelf.find(name) is None]
    if gone:
        return say("{models}; of these I do not have {gone}.", models=said, gone=_listed("models", gone))
    return say("{models}.", models=said)


def _listed(name: str, values: Sequence[Any], most: int = MAX_LISTED) -> str:
    """As many of a list as there is room for."""
    shown: list[str] = []
    for value in values:
        one = _one(name, value)
        if shown and sum(len(each) + 2 for each in (*shown, one)) > most:
            break
        shown.append(one)
    left = len(values) - len(shown)
    listed = joined("; " if name == "quotas" else ", ", shown)
    if not left:
        return listed
    return count("{listed} and {number:,} more", "{listed} and {number:,} more", left, listed=listed)


def _one(name: str, value: Any) -> str:
    match name:
        case "channels" | "moderators_channel" | "log_channel" | "gallery_channel":
            return f"<#{value}>"
        case "blocked":
            return f"<@{value}>"
        case "quotas":
            return listed_limit(value if isinstance(value, Quota) else Quota.from_plain(value))
        case "words":
            return f"“{literal(shortened(value, 80))}”"
        case _:
            return code(str(value))


def _preferred(wanted: Preferences, most: int) -> str:
    pairs = told(wanted)
    each = max(40, most // max(1, len(pairs)))
    return ", ".join(f"{code(name)} {literal(shortened(value, each))}" for name, value in pairs)


# Changes -------------------------------------------------------------------------------------------------


def change_line(change: Change) -> str:
    """What was changed from what to what. What another version of us has written is told as it is kept."""
    title = TITLES.get(change.name, code(change.name))
    try:
        if isinstance(change.was, list) or isinstance(change.became, list):
            return say("**{title}**: {changes}", title=title, changes=_listed_changes(change))
        was, became = _plain(change.name, change.was), _plain(change.name, change.became)
    except (LookupError, TypeError, ValueError, InvalidRequest):
        was, became = (code(json.dumps(each, ensure_ascii=False)) for each in (change.was, change.became))
    return say("**{title}**: from {was} to {became}", title=title, was=was, became=became)


def _listed_changes(change: Change) -> str:
    parts = []
    if change.became:
        parts.append(say("added {values}", values=_listed(change.name, change.became, MAX_IN_CHANGE)))
    if change.was:
        parts.append(say("removed {values}", values=_listed(change.name, change.was, MAX_IN_CHANGE)))
    return joined("; ", parts)


def _plain(name: str, value: Any) -> str:
    if value is None:
        return say("off") if name in ("spoilers", "web_gallery") else say("nothing")
    match name:
        case "safety" | "open_safety":
            return code(Safety(value).value)
        case "spoilers" | "web_gallery":
            return say("on")
        case "language":
            return LANGUAGES.get(value, code(value))
        case "retention":
            return days(value)
        case "room":
            return size_of(value)
        case "board":
            return WEEKDAYS[value]
        case "defaults":
            return _preferred(Preferences.from_plain(value), MAX_IN_CHANGE)
        case _:
            return _one(name, value)


def by_whom(change: Change) -> str:
    """Who made a change, and when."""
    return joined(" ", (mention(change.by), f"<t:{int(change.at)}:R>"))
