"""What the ids in an interaction stand for: people, roles, channels, messages and files."""

from __future__ import annotations

from playground.errors import unknown
from playground.nouns import Attachment, Channel, Json, OptionKind, Role, Snowflake, User
from playground.world import World


class Resolved:
    """The things that ids in an interaction stand for, as they are to who asks, and where.

    `found` is what the interaction shows; `kept_as` says which attachment a sent file has become.
    """

    def __init__(self, world: World, user: User, channel: Channel) -> None:
        self.world = world
        self.asker = user
        self.channel = channel
        self.found: Json = {}
        self.kept_as: dict[str, str] = {}

    def add(self, group: str, key: Snowflake, thing: Json) -> None:
        self.found.setdefault(group, {})[str(key)] = thing

    def attachment(self, number: Snowflake, attachment: Attachment) -> None:
        """A file that was sent under `number`, kept as `attachment`."""
        shown = self.world.wire.attachment(self.channel.id, attachment, ephemeral=True)
        self.add("attachments", attachment.id, shown)
        self.kept_as[str(number)] = str(attachment.id)

    def user(self, key: Snowflake) -> None:
        user = self.world.users.get(key)
        if user is None:
            raise unknown("User")
        self.add("users", key, self.world.wire.user(user))
        guild = self.world.guild_of(self.channel)
        if guild is None or key in guild.strangers:
            return  # nobody is a member of a conversation
        held = self.world.permissions(user, self.channel)
        member = self.world.wire.member(user, guild, with_user=False)
        self.add("members", key, {**member, "permissions": str(int(held))})

    def entity(self, kind: OptionKind, key: Snowflake) -> bool:
        """Resolve a user, role or channel; False if there is none."""
        world = self.world
        if kind in (OptionKind.USER, OptionKind.MENTIONABLE) and key in world.users:
            self.user(key)
        elif kind in (OptionKind.ROLE, OptionKind.MENTIONABLE) and self._is_here(world.roles.get(key)):
            self.add("roles", key, world.wire.role(world.roles[key]))
        elif kind is OptionKind.CHANNEL and self._is_here(world.channels.get(key)):
            channel = world.channels[key]
            held = str(int(world.permissions(self.asker, channel)))
            self.add("channels", key, {**world.wire.channel(channel, world.bot), "permissions": held})
        else:
            return False
        return True

    def _is_here(self, thing: Role | Channel | None) -> bool:
        return thing is not None and thing.guild == self.channel.guild
