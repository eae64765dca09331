"""The life of an interaction: asked, answered within three seconds, and followed up for fifteen minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playground import components as parts
from playground.asking import read_question
from playground.clock import Alarm
from playground.drafts import Draft, draft
from playground.errors import (
    Form,
    already_acknowledged,
    dead_token,
    invalid_form,
    too_many_follow_ups,
    unknown,
)
from playground.installs import MOST_FOLLOW_UPS, is_brought_along, is_hushed
from playground.nouns import (
    AnswerKind,
    CommandKind,
    Interaction,
    InteractionKind,
    Json,
    Message,
    MessageFlag,
    MessageKind,
    OptionKind,
    Snowflake,
    Upload,
    User,
)
from playground.world import World

ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
REMEMBERED_SECONDS = 60 * 60.0

EMPTY = Draft(
    content="",
    embeds=(),
    components=(),
    flags=MessageFlag(0),
    kept=(),
    files=(),
    allowed_mentions=None,
)


class Interactions:
    """All interactions of a world. Raises `ApiError` where Discord would refuse."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.patience = ANSWER_SECONDS
        """Seconds after which an unanswered interaction fails; tests that measure nothing allow more."""
        self._by_id: dict[Snowflake, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}
        self._alarms: dict[Snowflake, Alarm] = {}

    @property
    def newest(self) -> Interaction:
        """The one that was asked last."""
        return self._by_id[max(self._by_id)]

    # The person asks

    def ask(self, user: User, body: Json, uploads: Sequence[Upload]) -> Interaction:
        """Take up what a person's client sent, and tell the bot."""
        self._forget_old()
        modals = {i.id: i for i in self._by_id.values() if i.modal is not None}
        interaction = read_question(self.world, modals, user, body, uploads)
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        alarm = self.world.clock.ring_in(self.patience, lambda: self._miss(interaction))
        self._alarms[interaction.id] = alarm
        self._acknowledge("INTERACTION_CREATE", interaction)
        channel = self.world.channels[interaction.channel]
        self.world.tell(
            "INTERACTION_CREATE",
            self.world.wire.interaction(interaction),
            frozenset({self.world.bot.id}),
            direct=channel.direct,
        )
        return interaction

    # The bot answers

    def answer(
        self, interaction_id: Snowflake, token: str, body: Json, uploads: Sequence[Upload]
    ) -> Interaction:
        """The callback: the first and only direct answer."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or interaction.token != token or interaction.expired:
            raise unknown("interaction")
        if interaction.answered is not None:
            raise already_acknowledged()
        kind = _answer_kind(interaction, body)
        form = Form()
        data = form.fields(["data"], body.get("data"))
        form.refuse()
        match kind:
            case AnswerKind.MESSAGE | AnswerKind.DEFERRED_MESSAGE:
                made = EMPTY
                flags = self._private(interaction, data)
                if kind is AnswerKind.MESSAGE:
                    made = draft(data, uploads, path="data")
                else:
                    flags |= MessageFlag.LOADING
                interaction.original = self._say(interaction, made, flags).id
            case AnswerKind.UPDATE:
                source = self._source(interaction)
                interaction.original = self.world.edit(source, draft(data, uploads, source, path="data")).id
            case AnswerKind.DEFERRED_UPDATE:
                interaction.original = self._source(interaction).id
            case AnswerKind.CHOICES:
                self._offer(interaction, data)
            case AnswerKind.MODAL:
                self._open(interaction, data)
            case AnswerKind.PONG:
                raise AssertionError("refused above")
        interaction.answered = kind
        self._alarms.pop(interaction.id).cancel()
        if kind is not AnswerKind.CHOICES:
            self._acknowledge("INTERACTION_SUCCESS", interaction)
        return interaction

    def callback_response(self, interaction: Interaction) -> Json:
        """What the callback returns when asked `with_response`."""
        wire: Json = {
            "id": str(interaction.id),
            "type": int(interaction.kind),
            "channel_id": str(interaction.channel),
        }
        if not self.world.channels[interaction.channel].direct:
            wire["guild_id"] = str(self.world.channels[interaction.channel].guild)
        response: Json = {"interaction": wire}
        if interaction.original is not None:
            message = self.world.messages[interaction.original]
            wire |= {
                "response_message_id": str(message.id),
                "response_message_loading": MessageFlag.LOADING in message.flags,
                "response_message_ephemeral": message.ephemeral,
            }
            if interaction.answered in (AnswerKind.MESSAGE, AnswerKind.UPDATE):
                response["resource"] = {
                    "type": int(interaction.answered),
                    "message": self.world.wire.message(message),
                }
        return response

    # The bot follows up, through the interaction's webhook

    def webhook(self, application: Snowflake, token: str) -> Interaction:
        interaction = self._by_token.get(token)
        if interaction is None or application != self.world.bot.id or interaction.answered is None:
            raise unknown("Webhook")
        if self.world.clock.now() >= interaction.asked_at + TOKEN_SECONDS:
            raise dead_token()
        return interaction

    def message(self, interaction: Interaction, message_id: Snowflake | None) -> Message:
        """The original answer (None), or a follow-up by its id."""
        if message_id is None:
            message_id = interaction.original
        elif message_id not in (interaction.original, *interaction.followups):
            raise unknown("Message")
        message = self.world.messages.get(message_id) if message_id is not None else None
        if message is None:
            raise unknown("Message")
        return message

    def follow_up(self, interaction: Interaction, body: Json, uploads: Sequence[Upload]) -> Message:
        """Another message; the first one after a deferred answer becomes that answer."""
        original = self.world.messages.get(interaction.original) if interaction.original else None
        if original is not None and MessageFlag.LOADING in original.flags:
            return self.world.edit(original, draft(body, uploads, original))
        if is_brought_along(interaction) and len(interaction.followups) >= MOST_FOLLOW_UPS:
            raise too_many_follow_ups()
        flags = self._private(interaction, body)
        message = self._say(interaction, draft(body, uploads), flags, reply_to=original)
        interaction.followups.append(message.id)
        return message

    # Inside

    def _private(self, interaction: Interaction, data: Json) -> MessageFlag:
        """Whether only who asked sees it: because the bot wants that, or nobody else may hear it here."""
        flags = data.get("flags")
        asked = MessageFlag(flags) if isinstance(flags, int) else MessageFlag(0)
        if is_hushed(self.world, interaction):
            asked |= MessageFlag.EPHEMERAL
        return asked & MessageFlag.EPHEMERAL

    def _say(
        self,
        interaction: Interaction,
        made: Draft,
        flags: MessageFlag,
        reply_to: Message | None = None,
    ) -> Message:
        world = self.world
        metadata = dict(interaction.metadata)
        if reply_to is not None:
            metadata["original_response_message_id"] = str(reply_to.id)
        about: Json = {"metadata": metadata}
        kind = MessageKind.REPLY
        if interaction.command is not None:
            command = interaction.command
            about["command"] = {
                "id": str(interaction.id),
                "type": int(interaction.kind),
                "name": " ".join((command.name, *_chosen(interaction.data))),
                "user": metadata["user"],
            }
            if reply_to is None:
                chat = command.kind is CommandKind.CHAT
                kind = MessageKind.CHAT_COMMAND if chat else MessageKind.MENU_COMMAND
        if reply_to is None and interaction.source is not None:
            reply_to = world.messages.get(interaction.source)
        if reply_to is None and kind is MessageKind.REPLY:
            kind = (
                MessageKind.CHAT_COMMAND if interaction.kind is InteractionKind.MODAL else MessageKind.DEFAULT
            )
        return world.post(
            world.bot,
            world.channels[interaction.channel],
            made,
            kind=kind,
            reply_to=reply_to,
            interaction=about,
            only_to=interaction.user if MessageFlag.EPHEMERAL in flags else None,
            flags=flags,
        )

    def _source(self, interaction: Interaction) -> Message:
        message = self.world.messages.get(interaction.source) if interaction.source else None
        if message is None:
            raise unknown("Message")
        return message

    def _offer(self, interaction: Interaction, data: Json) -> None:
        form = Form()
        choices = form.many(["data", "choices"], data.get("choices"), most=25)
        for index, choice in enumerate(choices):
            path: list[str | int] = ["data", "choices", index]
            form.text([*path, "name"], choice.get("name"), least=1, most=100, required=True)
            value = choice.get("value")
            if isinstance(value, bool) or not isinstance(value, int | float):
                form.text([*path, "value"], value, least=1, most=100, required=True)
        form.refuse()
        self.world.tell(
            "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE",
            {"nonce": interaction.nonce, "choices": choices},
            frozenset({interaction.user}),
        )

    def _open(self, interaction: Interaction, data: Json) -> None:
        form = Form()
        parts.check_modal(form, data)
        form.refuse()
        interaction.modal = {
            "custom_id": data["custom_id"],
            "title": data["title"],
            "components": list(parts.stored(data["components"])),
        }
        bot = self.world.bot
        self.world.tell(
            "INTERACTION_MODAL_CREATE",
            {
                "id": str(interaction.id),
                "nonce": interaction.nonce,
                "channel_id": str(interaction.channel),
                "application": {"id": str(bot.id), "name": bot.name, "icon": None, "description": ""},
                **interaction.modal,
            },
            frozenset({interaction.user}),
        )

    def _acknowledge(self, name: str, interaction: Interaction) -> None:
        data = {"id": str(interaction.id), "nonce": interaction.nonce}
        self.world.tell(name, data, frozenset({interaction.user}))

    def _miss(self, interaction: Interaction) -> None:
        interaction.expired = True
        self._alarms.pop(interaction.id, None)
        self._acknowledge("INTERACTION_FAILURE", interaction)

    def _forget_old(self) -> None:
        limit = self.world.clock.now() - REMEMBERED_SECONDS
        for old in [i for i in self._by_id.values() if i.asked_at < limit]:
            del self._by_id[old.id], self._by_token[old.token]


def _chosen(data: Json) -> Iterator[str]:
    """The subcommand that was used, if the command has any, with its group."""
    for option in data.get("options") or ():
        if option["type"] in (OptionKind.SUBCOMMAND, OptionKind.GROUP):
            yield option["name"]
            yield from _chosen(option)


def _answer_kind(interaction: Interaction, body: Json) -> AnswerKind:
    """The kind of answer, if this interaction may be answered so."""
    allowed = {AnswerKind.MESSAGE, AnswerKind.DEFERRED_MESSAGE}
    if interaction.kind is InteractionKind.AUTOCOMPLETE:
        allowed = {AnswerKind.CHOICES}
    elif interaction.kind is not InteractionKind.MODAL:
        allowed.add(AnswerKind.MODAL)
    if interaction.source is not None:
        allowed |= {AnswerKind.UPDATE, AnswerKind.DEFERRED_UPDATE}
    asked = body.get("type")
    if not isinstance(asked, int) or asked not in allowed:
        choices = ", ".join(str(int(kind)) for kind in sorted(allowed))
        raise invalid_form(["type"], "BASE_TYPE_CHOICES", f"Value must be one of {{{choices}}}.")
    return AnswerKind(asked)
