"""How the world's things look on the wire: nouns in, Discord's JSON out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from playground.attached import Shown
from playground.clock import iso, minted_at
from playground.drafts import FILE_LIMIT
from playground.nouns import (
    Attachment,
    Channel,
    Command,
    CommandKind,
    Interaction,
    InteractionKind,
    Json,
    Message,
    Role,
    Snowflake,
    User,
)

if TYPE_CHECKING:
    from playground.world import World


class Wire:
    """Renders a world. `url` is where the server listens; it changes from start to start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = "http://127.0.0.1"

    # People

    def user(self, user: User) -> Json:
        wire: Json = {
            "id": str(user.id),
            "username": user.username,
            "global_name": None if user.bot else user.name,
            "discriminator": "0001" if user.bot else "0",
            "avatar": None,
            "avatar_decoration_data": None,
            "banner": None,
            "accent_color": None,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": None,
        }
        if user.bot:
            wire["bot"] = True
        return wire

    def me(self, user: User) -> Json:
        return {
            **self.user(user),
            "mfa_enabled": False,
            "locale": user.locale,
            "verified": True,
            "email": None,
        }

    def member(self, user: User, *, with_user: bool = True) -> Json:
        wire: Json = {
            "avatar": None,
            "banner": None,
            "communication_disabled_until": None,
            "flags": 0,
            "joined_at": iso(minted_at(self.world.guild.id)),
            "nick": None,
            "pending": False,
            "premium_since": None,
            "roles": [str(role) for role in user.roles],
            "mute": False,
            "deaf": False,
        }
        if with_user:
            wire["user"] = self.user(user)
        return wire

    def role(self, role: Role) -> Json:
        wire: Json = {
            "id": str(role.id),
            "name": role.name,
            "permissions": str(int(role.permissions)),
            "position": role.position,
            "color": role.colour,
            "colors": {"primary_color": role.colour, "secondary_color": None, "tertiary_color": None},
            "hoist": role.hoist,
            "managed": role.bot is not None,
            "mentionable": role.bot is None,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }
        if role.bot is not None:
            wire["tags"] = {"bot_id": str(role.bot)}
        return wire

    # Places

    def channel(self, channel: Channel, viewer: User) -> Json:
        last = str(channel.last_message) if channel.last_message else None
        if channel.direct:
            others = [self.world.users[user] for user in channel.recipients if user != viewer.id]
            return {
                "id": str(channel.id),
                "type": int(channel.kind),
                "flags": 0,
                "last_message_id": last,
                "recipients": [self.user(other) for other in others],
            }
        return {
            "id": str(channel.id),
            "type": int(channel.kind),
            "flags": 0,
            "guild_id": str(self.world.guild.id),
            "name": channel.name,
            "topic": channel.topic,
            "position": channel.position,
            "parent_id": None,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "last_message_id": last,
            "last_pin_timestamp": None,
            "permission_overwrites": [
                {
                    "id": str(overwrite.target),
                    "type": 0 if overwrite.role else 1,
                    "allow": str(int(overwrite.allow)),
                    "deny": str(int(overwrite.deny)),
                }
                for overwrite in channel.overwrites
            ],
        }

    def guild(self) -> Json:
        guild = self.world.guild
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "description": None,
            "home_header": None,
            "splash": None,
            "discovery_splash": None,
            "features": [],
            "banner": None,
            "owner_id": str(guild.owner),
            "application_id": None,
            "region": "deprecated",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "widget_enabled": False,
            "widget_channel_id": None,
            "verification_level": 0,
            "roles": [self.role(role) for role in self.world.roles.values()],
            "default_message_notifications": 1,
            "mfa_level": 0,
            "explicit_content_filter": 0,
            "max_presences": None,
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            "vanity_url_code": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "rules_channel_id": None,
            "safety_alerts_channel_id": None,
            "public_updates_channel_id": None,
            "premium_progress_bar_enabled": False,
            "nsfw": False,
            "nsfw_level": 0,
            "emojis": [],
            "stickers": [],
            "incidents_data": None,
        }

    def whole_guild(self, viewer: User, presences: Iterable[Json]) -> Json:
        """The server as the gateway gives it: with members, and the channels the viewer may see."""
        members = list(self.world.users.values())
        return {
            **self.guild(),
            "joined_at": iso(minted_at(self.world.guild.id)),
            "large": False,
            "unavailable": False,
            "member_count": len(members),
            "members": [self.member(user) for user in members],
            "channels": [
                self.channel(channel, viewer)
                for channel in self.world.channels.values()
                if not channel.direct and self.world.may_see(viewer, channel)
            ],
            "threads": [],
            "presences": list(presences),
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

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
            "approximate_user_install_count": 0,
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
                wire["message_reference"]["guild_id"] = str(world.guild.id)
            if quoting:
                quoted = world.messages.get(message.reply_to)
                wire["referenced_message"] = self.message(quoted, quoting=False) if quoted else None
        return wire

    def gateway_message(self, message: Message) -> Json:
        """The same, with the server and the author's membership, as gateway events have it."""
        wire = self.message(message)
        if not self.world.channels[message.channel].direct:
            author = self.world.users[message.author]
            wire["guild_id"] = str(self.world.guild.id)
            wire["member"] = self.member(author, with_user=False)
        return wire

    # Interactions

    def interaction(self, interaction: Interaction) -> Json:
        """INTERACTION_CREATE as the bot gets it."""
        world = self.world
        user = world.users[interaction.user]
        channel = world.channels[interaction.channel]
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
            "app_permissions": str(world.permissions(world.bot, channel)),
            "locale": user.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "attachment_size_limit": FILE_LIMIT,
            "authorizing_integration_owners": interaction.metadata["authorizing_integration_owners"],
            "context": 1 if channel.direct else 0,
        }
        if channel.direct:
            wire["user"] = self.user(user)
            wire["channel"]["recipients"] = [self.user(user)]
        else:
            wire |= {
                "guild_id": str(world.guild.id),
                "guild": {"id": str(world.guild.id), "locale": "en-US", "features": []},
                "guild_locale": "en-US",
                "member": {
                    **self.member(user),
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
