"""The state of the chat: who and what there is, and what is told when it changes."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playground import drafts, media, permissions, threads
from playground.clock import Clock, Mint
from playground.drafts import Draft, NewFile
from playground.errors import (
    cannot_message_user,
    missing_access,
    missing_permissions,
    unknown,
)
from playground.keep import Keeper, Noun
from playground.nonces import Nonces
from playground.nouns import (
    NO_FLAGS,
    Attachment,
    Channel,
    ChannelKind,
    Command,
    Event,
    Json,
    Message,
    MessageFlag,
    MessageKind,
    Role,
    Snowflake,
    Upload,
    User,
)
from playground.permissions import Permission
from playground.places import Beginning, Guild, beginning, neighbours
from playground.wire import Wire


class World:
    """Everything there is, kept by a `Keeper`. Changes are told to `listeners` as `Event`s."""

    def __init__(self, clock: Clock, keeper: Keeper) -> None:
        self.clock = clock
        self.keeper = keeper
        self.mint = Mint(clock)
        self.wire = Wire(self)
        self.listeners: list[Callable[[Event], None]] = []
        self.closed_to_messages: set[Snowflake] = set()
        self.file_limit = drafts.FILE_LIMIT
        """Bytes that interactions say a file may have; fewer make a bot take care sooner."""
        self.loose_files: dict[tuple[Snowflake, Snowflake, str], tuple[Attachment, Path]] = {}
        self.nonces = Nonces(clock)

        guilds = keeper.load(Guild) or [self._begin(beginning(self.mint))]
        self.users: dict[Snowflake, User] = {user.id: user for user in keeper.load(User)}
        if len(guilds) == 1:
            guilds.append(self._begin(neighbours(self.mint, self.people, self.bot)))
        self.guild = guilds[0]
        """The server that the bot is in, and people begin in."""
        self.guilds: dict[Snowflake, Guild] = {guild.id: guild for guild in guilds}
        self.roles: dict[Snowflake, Role] = {
            role.id: replace(role, guild=role.guild or self.guild.id) for role in keeper.load(Role)
        }
        self.channels: dict[Snowflake, Channel] = {
            place.id: place if place.direct else replace(place, guild=place.guild or self.guild.id)
            for place in keeper.load(Channel)
        }
        self.commands: dict[Snowflake, Command] = {made.id: made for made in keeper.load(Command)}
        self.messages: dict[Snowflake, Message] = {said.id: said for said in keeper.load(Message)}
        self._history: dict[Snowflake, list[Snowflake]] = {}
        for message in self.messages.values():
            self._history.setdefault(message.channel, []).append(message.id)
        files = {attachment.id for message in self.messages.values() for attachment in message.attachments}
        keeper.sweep(files)
        for snowflake in (*self.users, *self.channels, *self.commands, *self.messages, *files):
            self.mint.seen(snowflake)

    # Finding

    @property
    def bot(self) -> User:
        return next(user for user in self.users.values() if user.bot)

    @property
    def people(self) -> list[User]:
        return [user for user in self.users.values() if not user.bot]

    @property
    def first_channel(self) -> Channel:
        return next(channel for channel in self.channels.values() if not channel.direct)

    def user_by_token(self, token: str) -> User | None:
        return next((user for user in self.users.values() if user.token == token), None)

    def guild_of(self, channel: Channel) -> Guild | None:
        """The server that a channel is in; None: it is a conversation."""
        return None if channel.guild is None else self.guilds[channel.guild]

    def roles_of(self, guild: Guild) -> dict[Snowflake, Role]:
        return {role.id: role for role in self.roles.values() if role.guild == guild.id}

    def members(self, guild: Guild) -> list[User]:
        return [user for user in self.users.values() if user.id not in guild.strangers]

    def is_member(self, user: User, channel: Channel) -> bool:
        """Whether somebody belongs to the server or the conversation that a channel is in."""
        guild = self.guild_of(channel)
        return user.id in channel.recipients if guild is None else user.id not in guild.strangers

    def permissions(self, user: User, channel: Channel) -> int:
        guild = self.guild_of(channel)
        if not self.is_member(user, channel):
            return 0
        rules = channel if channel.parent is None else self.channels[channel.parent]
        place, owner = (Snowflake(0), Snowflake(0)) if guild is None else (guild.id, guild.owner)
        roles = {} if guild is None else self.roles_of(guild)
        held = permissions.in_channel(user, rules, roles, everyone=place, owner=owner)
        is_outside = channel.kind is ChannelKind.PRIVATE_THREAD and user.id not in channel.members
        return 0 if is_outside and not held & Permission.MANAGE_THREADS else held

    def may_see(self, user: User, channel: Channel) -> bool:
        return bool(self.permissions(user, channel) & Permission.VIEW_CHANNEL)

    def permissions_everywhere(self, user: User, guild: Guild) -> int:
        """What a user may do in a server, the overwrites of its channels apart."""
        return permissions.in_server(user, self.roles_of(guild), everyone=guild.id, owner=guild.owner)

    def audience(self, channel: Channel) -> frozenset[Snowflake]:
        if channel.direct:
            return frozenset(channel.recipients)
        return frozenset(user.id for user in self.users.values() if self.may_see(user, channel))

    def visit(self, user: User, channel_id: Snowflake, *needs: Permission) -> Channel:
        """The channel, if this user may be there and do what they need; else raise."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise unknown("Channel")
        held = self.permissions(user, channel)
        if not held & Permission.VIEW_CHANNEL:
            raise missing_access()
        if any(not held & permissions.as_said_of(channel, need) for need in needs):
            raise missing_permissions()
        return channel

    def message_in(self, channel: Channel, message_id: Snowflake) -> Message:
        message = self.messages.get(message_id)
        if message is None or message.channel != channel.id or message.ephemeral:
            raise unknown("Message")
        return message

    def history(
        self,
        channel: Channel,
        *,
        before: Snowflake | None = None,
        after: Snowflake | None = None,
        around: Snowflake | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Messages that all may see, newest first; around, before or after one if asked."""
        ids = self._history.get(channel.id, [])
        ids = [i for i in ids if not self.messages[i].ephemeral]
        if around is not None:
            middle = bisect.bisect_left(ids, around)
            start = max(0, middle - limit // 2)
            chosen = ids[start : start + limit]
        elif after is not None:
            start = bisect.bisect_right(ids, after)
            chosen = ids[start : start + limit]
        else:
            end = len(ids) if before is None else bisect.bisect_left(ids, before)
            chosen = ids[max(0, end - limit) : end]
        return [self.messages[i] for i in reversed(chosen)]

    # Changing

    def tell(self, name: str, data: Json, audience: frozenset[Snowflake], *, direct: bool = False) -> None:
        event = Event(name=name, data=data, audience=audience, direct=direct)
        for listener in self.listeners:
            listener(event)

    def install(self, user: User, installed: bool) -> None:
        """A person adds the app to their account, or removes it."""
        user = replace(user, installed=installed)
        self.keeper.keep(user)
        self.users[user.id] = user
        self._tell_commands(user)

    def speak(self, user: User, locale: str) -> None:
        """A person's client is in another language from now on."""
        user = replace(user, locale=locale)
        self.keeper.keep(user)
        self.users[user.id] = user
        self.tell("USER_UPDATE", self.wire.me(user), frozenset({user.id}), direct=True)

    def direct_channel(self, one: User, *others: User) -> Channel:
        """The conversation of these, opened if they never had one."""
        everybody = (one, *others)
        ids = [user.id for user in everybody]
        for channel in self.channels.values():
            if channel.direct and set(channel.recipients) == set(ids):
                return channel
        kind = ChannelKind.DIRECT if len(ids) == 2 else ChannelKind.GROUP
        channel = Channel(id=self.mint(), kind=kind, recipients=tuple(ids), owner=one.id)
        self.put_channel(channel)
        for user in everybody:
            if not user.bot:
                shown = self.wire.channel(channel, user)
                self.tell("CHANNEL_CREATE", shown, frozenset({user.id}), direct=True)
        return channel

    def post(
        self,
        author: User,
        channel: Channel,
        draft: Draft,
        *,
        kind: MessageKind = MessageKind.DEFAULT,
        reply_to: Message | None = None,
        nonce: str | int | None = None,
        interaction: Json | None = None,
        only_to: Snowflake | None = None,
        flags: MessageFlag = NO_FLAGS,
        number: Snowflake | None = None,
    ) -> Message:
        """Say something; `flags` come on top of those of the draft. The first of a post has its `number`."""
        self._check_reachable(author, channel)
        channel = threads.opened(self, author, channel)
        message = Message(
            id=number or self.mint(), channel=channel.id, author=author.id, kind=kind, nonce=nonce,
            only_to=only_to, interaction=interaction, reply_to=reply_to.id if reply_to else None,
        )  # fmt: skip
        message = self._written(message, draft, reply_to)
        message = replace(message, flags=message.flags | flags)
        if not message.ephemeral:
            self.keeper.keep(message)
        self.messages[message.id] = message
        self._history.setdefault(channel.id, []).append(message.id)
        if not message.ephemeral:
            self.put_channel(replace(channel, last_message=message.id))
        self._tell_message("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, draft: Draft) -> Message:
        channel = self.channels[message.channel]
        threads.check_open(self, self.users[message.author], channel)
        changed = self._written(replace(message, edited_at=self.clock.now()), draft, None)
        changed = replace(changed, flags=changed.flags & ~MessageFlag.LOADING)
        if MessageFlag.LOADING in message.flags:
            changed = replace(changed, edited_at=None)
        self._replace(message, changed)
        return changed

    def delete(self, message: Message) -> None:
        self._forget(message)
        channel = self.channels[message.channel]
        gone = {"id": str(message.id), "channel_id": str(channel.id)}
        if not channel.direct:
            gone["guild_id"] = str(channel.guild)
        self.tell("MESSAGE_DELETE", gone, self._message_audience(message), direct=channel.direct)

    def delete_many(self, channel: Channel, messages: list[Message]) -> None:
        """Delete messages of a channel of the server at once; all who may see it are told so once."""
        for message in messages:
            self._forget(message)
        gone: Json = {
            "ids": [str(message.id) for message in messages],
            "channel_id": str(channel.id),
            "guild_id": str(channel.guild),
        }
        self.tell("MESSAGE_DELETE_BULK", gone, self.audience(channel))

    def replace_commands(self, guild: Snowflake | None, commands: list[Command]) -> None:
        """From now on these are the commands of the server, or (`guild` None) those of everywhere."""
        for command in [c for c in self.commands.values() if c.guild == guild]:
            del self.commands[command.id]
            self.keeper.forget(command)
        for command in commands:
            self.commands[command.id] = command
            self.keeper.keep(command)
        self._tell_commands(*self.people)

    def _tell_commands(self, *people: User) -> None:
        told: Json = {"guild_id": str(self.guild.id), "application_command_count": len(self.commands)}
        self.tell("GUILD_APPLICATION_COMMAND_INDEX_UPDATE", told, frozenset(user.id for user in people))

    def type_in(self, user: User, channel: Channel) -> None:
        data: Json = {
            "channel_id": str(channel.id),
            "user_id": str(user.id),
            "timestamp": int(self.clock.now()),
        }
        if (guild := self.guild_of(channel)) is not None:
            data |= {"guild_id": str(guild.id), "member": self.wire.member(user, guild)}
        self.tell("TYPING_START", data, self.audience(channel) - {user.id}, direct=channel.direct)

    def file(
        self, channel: Snowflake, attachment: Snowflake, filename: str
    ) -> tuple[Attachment, Path] | None:
        """An attachment under its full address, and where its bytes are."""
        for message_id in self._history.get(channel, []):
            for found in self.messages[message_id].attachments:
                if found.id == attachment and found.filename == filename:
                    return found, self.keeper.path(attachment)
        return self.loose_files.get((channel, attachment, filename))

    def lend(self, channel: Channel, upload: Upload) -> Attachment:
        """Keep a file somebody gave with a command: it has an address, but is in no message."""
        new = NewFile(upload=upload, filename=media.safe_filename(upload.filename), description=None)
        (attachment,) = drafts.attach([new], {upload.key: self.mint()})
        path = self.keeper.path(attachment.id)
        path.write_bytes(upload.content)
        self.loose_files[channel.id, attachment.id, attachment.filename] = (attachment, path)
        return attachment

    # Inside

    def _written(self, message: Message, draft: Draft, reply_to: Message | None) -> Message:
        """`message`, saying what the draft says; new files are written to disk."""
        channel = self.channels[message.channel]
        author = self.users[message.author]
        may_ping_all = bool(self.permissions(author, channel) & Permission.MENTION_EVERYONE)
        named = drafts.mentions(
            draft,
            users=dict.fromkeys(self.audience(channel)),
            roles={i: role for i, role in self.roles.items() if role.guild == channel.guild},
            everyone=may_ping_all,
            replied_to=reply_to.author if reply_to and reply_to.author != author.id else None,
        )
        ids = {new.upload.key: self.mint() for new in draft.files}
        for new in draft.files:
            self.keeper.path(ids[new.upload.key]).write_bytes(new.upload.content)
        attachments = (*draft.kept, *drafts.attach(draft.files, ids))
        kept = {attachment.id for attachment in attachments}
        self._remove_files(tuple(a for a in message.attachments if a.id not in kept))
        return replace(
            message,
            content=draft.content,
            embeds=tuple(drafts.relinked(embed, attachments) for embed in draft.embeds),
            components=tuple(drafts.relinked(part, attachments) for part in draft.components),
            attachments=attachments,
            flags=draft.flags | (message.flags & ~drafts.SETTABLE),
            mentions=named.users,
            mention_roles=named.roles,
            mention_everyone=named.everyone,
        )

    def _check_reachable(self, author: User, channel: Channel) -> None:
        if channel.direct and author.id in channel.recipients:
            others = [user for user in channel.recipients if user != author.id]
            if any(user in self.closed_to_messages for user in others):
                raise cannot_message_user()

    def drop_channel(self, channel: Channel) -> None:
        """Forget a channel with all that is in it."""
        for message_id in list(self._history.get(channel.id, [])):
            self._forget(self.messages[message_id])
        self.keeper.forget(channel)
        del self.channels[channel.id]

    def count_messages(self, channel: Channel) -> int:
        return len(self._history.get(channel.id, []))

    def _begin(self, start: Beginning) -> Guild:
        things: tuple[Noun, ...] = (start.guild, *start.users, *start.roles, *start.channels)
        for thing in things:
            self.keeper.keep(thing)
        return start.guild

    def _forget(self, message: Message) -> None:
        self.keeper.forget(message)
        del self.messages[message.id]
        self._history[message.channel].remove(message.id)
        self._remove_files(message.attachments)

    def _replace(self, message: Message, changed: Message) -> None:
        if not changed.ephemeral:
            self.keeper.keep(changed)
        self.messages[message.id] = changed
        self._tell_message("MESSAGE_UPDATE", changed)

    def _tell_message(self, name: str, message: Message) -> None:
        direct = self.channels[message.channel].direct
        self.tell(name, self.wire.gateway_message(message), self._message_audience(message), direct=direct)

    def _message_audience(self, message: Message) -> frozenset[Snowflake]:
        if message.only_to is not None:
            return frozenset({message.only_to})
        return self.audience(self.channels[message.channel])

    def put_channel(self, channel: Channel) -> None:
        self.keeper.keep(channel)
        self.channels[channel.id] = channel

    def _remove_files(self, attachments: tuple[Attachment, ...]) -> None:
        for attachment in attachments:
            self.keeper.path(attachment.id).unlink(missing_ok=True)
