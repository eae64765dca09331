"""How the world's things look on the wire: nouns in, Discord's JSON out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from playground import installs
from playground.attached import Shown
from playground.clock import iso, minted_at
from playground.nouns import (
    Attachment,
    Command,
    CommandKind,
    Interaction,
    InteractionKind,
    Json,
    Message,
    MessageFlag,
    Snowflake,
)
from playground.surroundings import Surroundings

if TYPE_CHECKING:
    from playground.world import World


class Wire(Surroundings):
    """Renders a world. `url` is where the server listens; it changes from start to start."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.url = "http://127.0.0.1"

    # The application

    def application(self) -> Json:
        bot = self.world.bot
        return {
            "id": str(bot.id),
            "name": bot.name,
            "icon": None,
            "description": "",
            "type": None,
            "bot": self.user(bot),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": (1 << 15) | (1 << 19),
            "flags_new": str((1 << 15) | (1 << 19)),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": self.user(self.world.users[self.world.guild.owner]),
            "approximate_guild_count": 1,
            "approximate_user_install_count": sum(user.installed for user in self.world.people),
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
        }

    def command(self, command: Command) -> Json:
        shape = command.shape
        wire: Json = {
            "id": str(command.id),
            "application_id": str(self.world.bot.id),
            "version": str(command.version),
            "default_member_permissions": (
                None
                if shape.get("default_member_permissions") is None
                else str(shape["default_member_permissions"])
            ),
            "type": int(command.kind),
            "name": command.name,
            "name_localizations": shape.get("name_localizations"),
            "description": shape.get("description") or "",
            "description_localizations": shape.get("description_localizations"),
            "dm_permission": shape.get("dm_permission") is not False,
            "contexts": shape.get("contexts"),
            "integration_types": shape.get("integration_types") or [0],
            "nsfw": bool(shape.get("nsfw")),
        }
        if command.guild is not None:
            wire["guild_id"] = str(command.guild)
        if command.kind is CommandKind.CHAT and shape.get("options"):
            wire["options"] = [_option(option) for option in shape["options"]]
        return wire

    # Messages

    def attachment(self, channel: Snowflake, attachment: Attachment, *, ephemeral: bool = False) -> Json:
        url = f"{self.url}/attachments/{channel}/{attachment.id}/{quote(attachment.filename)}"
        wire: Json = {
            "id": str(attachment.id),
            "filename": attachment.filename,
            "size": attachment.size,
            "url": url,
            "proxy_url": url,
            "content_type": attachment.content_type,
            "flags": 0,
        }
        if attachment.description is not None:
            wire["description"] = attachment.description
        if attachment.width is not None:
            wire |= {"width": attachment.width, "height": attachment.height}
        if ephemeral:
            wire["ephemeral"] = True
        return wire

    def message(self, message: Message, *, quoting: bool = True) -> Json:
        """A message as REST and the gateway give it; `quoting` adds what it replies to."""
        world = self.world
        media = Shown(message, self.attachment)
        wire: Json = {
            "id": str(message.id),
            "channel_id": str(message.channel),
            "type": int(message.kind),
            "content": message.content,
            "author": self.user(world.users[message.author]),
            "timestamp": iso(minted_at(message.id)),
            "edited_timestamp": None if message.edited_at is None else iso(message.edited_at),
            "mentions": [self.user(world.users[user]) for user in message.mentions],
            "mention_roles": [str(role) for role in message.mention_roles],
            "mention_everyone": message.mention_everyone,
            "attachments": [
                self.attachment(message.channel, attachment, ephemeral=message.ephemeral)
                for attachment in message.attachments
            ],
            "embeds": [media.embed(embed) for embed in message.embeds],
            "components": [media.component(component) for component in message.components],
            "flags": int(message.flags),
            "pinned": False,
            "tts": False,
        }
        begun = world.channels.get(message.id)
        if begun is not None and begun.parent == message.channel:
            wire |= {"flags": int(message.flags | MessageFlag.HAS_THREAD), "thread": self.thread(begun)}
        if message.nonce is not None:
            wire["nonce"] = message.nonce
        if message.interaction is not None:
            wire |= {
                "application_id": str(world.bot.id),
                "webhook_id": str(world.bot.id),
                "interaction_metadata": message.interaction["metadata"],
            }
            if message.interaction.get("command"):
                wire["interaction"] = message.interaction["command"]
        if message.reply_to is not None:
            wire["message_reference"] = {
                "type": 0,
                "channel_id": str(message.channel),
                "message_id": str(message.reply_to),
            }
            if not world.channels[message.channel].direct:
                wire["message_reference"]["guild_id"] = str(world.channels[message.channel].guild)
            if quoting:
                quoted = world.messages.get(message.reply_to)
                wire["referenced_message"] = self.message(quoted, quoting=False) if quoted else None
        return wire

    def gateway_message(self, message: Message) -> Json:
        """The same, with the server and the author's membership, as gateway events have it."""
        wire = self.message(message)
        guild = self.world.guild_of(self.world.channels[message.channel])
        if guild is not None:
            wire["guild_id"] = str(guild.id)
            if message.author not in guild.strangers:  # an app that was brought along is no member
                author = self.world.users[message.author]
                wire["member"] = self.member(author, guild, with_user=False)
        return wire

    # Interactions

    def interaction(self, interaction: Interaction) -> Json:
        """INTERACTION_CREATE as the bot gets it."""
        world = self.world
        user = world.users[interaction.user]
        channel = world.channels[interaction.channel]
        guild, place = world.guild_of(channel), installs.place_of(world, channel)
        wire: Json = {
            "id": str(interaction.id),
            "application_id": str(world.bot.id),
            "type": int(interaction.kind),
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": str(channel.id),
            "channel": {
                **self.channel(channel, world.bot),
                "permissions": str(world.permissions(user, channel)),
            },
            "app_permissions": str(installs.app_permissions(world, user, channel)),
            "locale": user.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "attachment_size_limit": world.file_limit,
            "authorizing_integration_owners": interaction.metadata["authorizing_integration_owners"],
            "context": int(place),
        }
        if guild is None:
            wire["user"] = self.user(user)
        else:
            wire |= {
                "guild_id": str(guild.id),
                "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
                "guild_locale": "en-US",
                "member": {
                    **self.member(user, guild),
                    "permissions": str(world.permissions(user, channel)),
                },
            }
        source = world.messages.get(interaction.source) if interaction.source else None
        if source is not None and interaction.kind in (InteractionKind.COMPONENT, InteractionKind.MODAL):
            wire["message"] = self.message(source)
        return wire


def _option(option: Json) -> Json:
    kept = {key: value for key, value in option.items() if value is not None}
    if "options" in kept:
        kept["options"] = [_option(child) for child in kept["options"]]
    if "choices" in kept and not kept["choices"]:
        del kept["choices"]
    return kept
