"""How people, servers and channels look on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from playground import threads
from playground.clock import iso, minted_at
from playground.nouns import Channel, ChannelKind, Json, Role, User

if TYPE_CHECKING:
    from playground.places import Guild
    from playground.world import World


class Surroundings:
    """Renders who and where of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

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

    def member(self, user: User, guild: Guild, *, with_user: bool = True) -> Json:
        wire: Json = {
            "avatar": None,
            "banner": None,
            "communication_disabled_until": None,
            "flags": 0,
            "joined_at": iso(minted_at(guild.id)),
            "nick": None,
            "pending": False,
            "premium_since": None,
            "roles": [str(role) for role in user.roles if role in self.world.roles_of(guild)],
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
            direct: Json = {
                "id": str(channel.id),
                "type": int(channel.kind),
                "flags": 0,
                "last_message_id": last,
                "recipients": [self.user(other) for other in others],
            }
            if channel.kind is ChannelKind.GROUP:
                direct |= {"name": None, "icon": None, "owner_id": str(channel.owner)}
            return direct
        if channel.thread:
            return self.thread(channel)
        shown: Json = {
            "id": str(channel.id),
            "type": int(channel.kind),
            "flags": 0,
            "guild_id": str(channel.guild),
            "name": channel.name,
            "topic": channel.topic,
            "position": channel.position,
            "parent_id": None,
            "nsfw": channel.nsfw,
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
        if channel.kind is ChannelKind.FORUM:
            shown |= {
                "available_tags": [],
                "default_reaction_emoji": None,
                "default_sort_order": None,
                "default_forum_layout": 0,
            }
        return shown

    def thread(self, thread: Channel) -> Json:
        """A thread of a channel, or a post of a forum."""
        count = self.world.count_messages(thread)
        shown: Json = {
            "id": str(thread.id),
            "type": int(thread.kind),
            "flags": 0,
            "guild_id": str(thread.guild),
            "name": thread.name,
            "parent_id": str(thread.parent),
            "owner_id": str(thread.owner),
            "rate_limit_per_user": 0,
            "last_message_id": str(thread.last_message) if thread.last_message else None,
            "message_count": count,
            "total_message_sent": count,
            "member_count": max(1, len(thread.members)),
            "thread_metadata": {
                "archived": thread.archived,
                "archive_timestamp": iso(thread.archive_changed_at),
                "auto_archive_duration": 1440,
                "locked": thread.locked,
                "create_timestamp": iso(minted_at(thread.id)),
            },
        }
        if thread.kind is ChannelKind.PRIVATE_THREAD:
            shown["thread_metadata"]["invitable"] = True
        if thread.parent is not None and self.world.channels[thread.parent].kind is ChannelKind.FORUM:
            shown["applied_tags"] = []
        return shown

    def guild(self, guild: Guild) -> Json:
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
            "roles": [self.role(role) for role in self.world.roles_of(guild).values()],
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

    def whole_guild(self, guild: Guild, viewer: User, presences: Iterable[Json]) -> Json:
        """The server as the gateway gives it: with members, and the channels the viewer may see."""
        members = self.world.members(guild)
        here = [
            channel
            for channel in self.world.channels.values()
            if channel.guild == guild.id and self.world.may_see(viewer, channel)
        ]
        return {
            **self.guild(guild),
            "joined_at": iso(minted_at(guild.id)),
            "large": False,
            "unavailable": False,
            "member_count": len(members),
            "members": [self.member(user, guild) for user in members],
            "channels": [self.channel(channel, viewer) for channel in here if not channel.thread],
            "threads": [self.thread(each) for each in threads.active(self.world, viewer, guild.id)],
            "presences": list(presences),
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }
