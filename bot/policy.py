"""What a server allows of a request: where, by whom, with which model, in which words. The one place for it.

What waits already when a rule is made is drawn still. Nobody is exempt, and none keeps anybody from /server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import discord

from bot.banned import banned
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.options import MAX_NAMED, code, some
from bot.safety import OwnerSafety, is_server_of_ours
from generation.loras import Loras
from generation.model import ModelInfo
from generation.prompting.attention import words_of
from generation.prompting.loras import all_in_force
from generation.request import GenerationRequest, InvalidRequest
from generation.safety import Safety
from generation.sentence import Sentence, count, joined, say
from generation.shelf import Shelf
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_CHANNELS = 5
"""Of those that somebody is told."""

STRICT = (Safety.OFF, Safety.SPOILER, Safety.HOLD, Safety.REFUSE)
"""From the mildest to the strictest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds in one place of a server; where no server decides anything, nothing does."""

    settings: ServerSettings = field(default_factory=ServerSettings)
    channel: int | None = None
    """Where somebody asks; of a thread or a post, the channel that it is in."""
    age_restricted: bool = True
    """Whether only adults see that channel."""

    def asker_reason(self, person: int) -> Sentence | None:
        """Why this person may not ask for pictures here, whatever they show, or None."""
        if person in self.settings.blocked:
            return say("Whoever manages this server has decided that you cannot ask me for pictures in it.")
        allowed = self.settings.channels
        if allowed and self.channel not in allowed:
            named = joined(", ", [f"<#{channel}>" for channel in allowed[:MAX_CHANNELS]])
            left = len(allowed) - MAX_CHANNELS
            if left > 0:
                named = count("{named} and {number} more", "{named} and {number} more", left, named=named)
            return say("In this server I draw somewhere else: {named}.", named=named)
        return None

    def allows(self, model: ModelInfo) -> bool:
        """Whether this model may draw here."""
        name = _folded(model.name)
        allowed = self.settings.models
        if allowed and name not in map(_folded, allowed):
            return False
        return self.age_restricted or name not in map(_folded, self.settings.adult_models)

    def models(self, shelf: Shelf) -> tuple[ModelInfo, ...]:
        """Those that may draw here; there may be none."""
        return tuple(model for model in shelf.models if self.allows(model))

    def shelf(self, shelf: Shelf) -> Shelf:
        """The shelf with nothing but these; as it is, if there are none: what is asked then is refused."""
        models = self.models(shelf)
        if not models or len(models) == len(shelf.models):
            return shelf
        return replace(shelf, models=models, default=shelf.default if shelf.default in models else models[0])

    def model_reason(self, model: ModelInfo, shelf: Shelf) -> Sentence | None:
        """Why this model may not draw here, or None."""
        if self.allows(model):
            return None
        models = self.models(shelf)
        if not models:
            return say(
                "No model may draw here. Whoever manages this server can change that with `/server models`."
            )
        named = some([code(each.name) for each in models], MAX_NAMED)
        if not self.age_restricted and replace(self, age_restricted=True).allows(model):
            return say(
                "{model} draws in age-restricted channels only; in this one there are: {named}.",
                model=code(model.name),
                named=named,
            )
        return say(
            "{model} may not draw in this server; there are: {named}.", model=code(model.name), named=named
        )

    def words_reason(
        self, request: GenerationRequest, loras: Loras, model: ModelInfo | None = None
    ) -> Sentence | None:
        """Why this cannot be asked for in these words, or None. Slow for long lists.

        What the model or the server itself puts into the negative prompt nobody has asked for.
        """
        if not self.settings.words:
            return None
        ours = {self.settings.defaults.negative_prompt, None if model is None else model.negative_prompt}
        list_ = banned(self.settings.words)
        for text in texts_of(request, loras, [text for text in ours if text]):
            if (word := list_.find(text)) is not None:
                shown = literal(shortened(word, 80))
                return say("This server does not want {word} in prompts, in any spelling.", word=f"“{shown}”")
        return None

    def reject_reason(self, request: GenerationRequest, shelf: Shelf) -> Sentence | None:
        """Why this request may not be drawn here, or None. Slow for long lists."""
        model = None if request.upscale is not None else shelf.by_source(request.model)
        if model is not None and (reason := self.model_reason(model, shelf)) is not None:
            return reason
        return self.words_reason(request, shelf.loras, shelf.by_source(request.model))

    def safety(self, owner: OwnerSafety) -> Safety:
        """What is wanted here with flagged pictures."""
        decided = owner.default if self.settings.safety is None else self.settings.safety
        least = self.settings.open_safety
        if self.age_restricted or least is None:
            return decided
        return max(decided, least, key=STRICT.index)


def texts_of(request: GenerationRequest, loras: Loras, ours: Collection[str] = ()) -> Iterator[str]:
    """All words that a request is made of, as they were typed and as they are read.

    Args:
        ours: what stands in negative prompts although nobody typed it.
    """
    if request.upscale is not None and request.upscale.brought:
        return  # its words are ours
    read = [*request.wordings, *([] if request.template is None else [request.template])]
    prompts = [request.prompt, *(each.prompt for each in read)]
    negative = [request.negative_prompt, *(each.negative_prompt for each in read)]
    for prompt in dict.fromkeys((*prompts, *(_without(text, ours) for text in negative))):
        yield prompt
        yield words_of(prompt)
    try:
        names = {each.name for some in all_in_force(request) for each in some}
    except InvalidRequest:
        names = {each.name for each in request.adapters}
    for name in sorted(names):
        yield name
        yield from loras.triggers(name)


def _without(text: str, ours: Collection[str]) -> str:
    for part in ours:
        text = text.replace(part, ",")
    return text


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


# Where somebody asks -------------------------------------------------------------------------------------


def rules_here(interaction: Interaction) -> Rules:
    """What holds where somebody asks: nothing in direct messages, and where I am no member of the server.

    Raises:
        UnreadableSettings: nobody knows what the server has decided.
    """
    if interaction.guild_id is None or not is_server_of_ours(interaction):
        return Rules()
    settings = interaction.client.house.servers.of(interaction.guild_id)
    channel, age_restricted = standing(interaction.channel)
    return Rules(settings=settings, channel=channel, age_restricted=age_restricted)


def standing(channel: Any) -> tuple[int | None, bool]:
    """The channel whose rules hold in this one or in this thread or post, and whether only adults see it.

    Of a parent that we do not know we cannot tell that.
    """
    if isinstance(channel, discord.Thread):
        return channel.parent_id, channel.is_nsfw()
    if channel is None:
        return None, False
    return channel.id, bool(getattr(channel, "nsfw", False))


def safety_here(interaction: Interaction) -> Safety:
    """What is wanted with flagged pictures of requests that are made here."""
    owner = interaction.client.house.safety
    return rules_here(interaction).safety(owner) if is_server_of_ours(interaction) else owner.direct


def shelf_here(interaction: Interaction) -> Shelf:
    """The models that may draw where somebody asks."""
    return rules_here(interaction).shelf(interaction.client.house.shelf)


def check_asker(interaction: Interaction) -> Rules:
    """What holds here for this person, who may ask for pictures.

    Raises:
        Refused: they may not.
    """
    rules = rules_here(interaction)
    if (reason := rules.asker_reason(interaction.user.id)) is not None:
        raise Refused(reason)
    return rules
