// What this window knows of the chat. Gateway events come in through `apply`, views listen for topics.
//
// Topics: "channels", "people", "messages" (channel id), "message" (the message), "typing" (channel id),
// "active", "connection", "commands", "presence", "arrived" and "finished" (a message that came, or got its content).

import { Flag } from "./flags.js";
import { mayManage, maySpeak, nameColour } from "./permissions.js";
import { snowflakeTime } from "./api.js";

const TYPING_MS = 9000;
const FRESH = { loaded: false, complete: false, loading: null, unread: 0 };

export class State extends EventTarget {
  constructor(world) {
    super();
    this.world = world;
    this.me = null;
    this.connection = "connecting";
    /** All servers of this person; `guild` is the one that is shown, `members` are those of it. */
    this.guilds = new Map();
    this.guild = null;
    this.users = new Map();
    this.members = new Map();
    this.presences = new Map();
    this.channels = new Map();
    this.commands = [];
    this.knowsCommands = false;
    /** Done once the commands have been read for the first time. */
    this.commandsRead = new Promise((resolve) => (this.commandsAreRead = resolve));
    this.activeId = null;
    /** How often the history was; a page that was asked for before is of no use after. */
    this.forgotten = 0;
  }

  tell(topic, detail = null) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }

  on(topic, listener) {
    this.addEventListener(topic, (event) => listener(event.detail));
  }

  /** The open channel, as long as it exists and may be seen. */
  get active() {
    return this.channels.get(this.activeId) ?? null;
  }

  /** The user behind the application: the bot people talk to. */
  get bot() {
    return (
      this.users.get(this.world.bot_id ?? this.world.application_id) ??
      [...this.users.values()].find((user) => user.bot) ??
      null
    );
  }

  get botOnline() {
    return this.bot ? this.isOnline(this.bot.id) : false;
  }

  /** Why there are none, if there are none. */
  get noCommands() {
    if (!this.botOnline) return "No bot is connected yet, so there are no commands.";
    return `${this.name(this.bot.id)} has no commands here for you: it is no member, or you have not added it to your account.`;
  }

  isOnline(userId) {
    return (this.presences.get(userId)?.status ?? "offline") !== "offline";
  }

  get maySpeak() {
    const { active, me } = this;
    if (!active || !me) return true;
    const member = this.members.get(me.id);
    if (active.thread_metadata?.locked) return mayManage(this.guild, active, member, me.id);
    return maySpeak(this.guild, active, member, me.id, this.channels.get(active.parent_id));
  }

  mayDelete(message) {
    if (message.flags & Flag.ephemeral || !this.me) return false;
    return (
      message.author.id === this.me.id ||
      mayManage(this.guild, this.channels.get(message.channel_id), this.members.get(this.me.id), this.me.id)
    );
  }

  nameColour(userId) {
    return nameColour(this.guild, this.members.get(userId));
  }

  isBot(userId) {
    return userId === this.world.application_id || Boolean(this.users.get(userId)?.bot);
  }

  name(userId) {
    const user = this.users.get(userId);
    return this.members.get(userId)?.nick ?? user?.global_name ?? user?.username ?? "someone";
  }

  setConnection(connection) {
    this.connection = connection;
    this.tell("connection");
  }

  setCommands(commands) {
    const same = JSON.stringify(commands) === JSON.stringify(this.commands);
    this.commands = commands;
    this.commandsAreRead();
    if (same && this.knowsCommands) return;
    this.knowsCommands = true;
    this.tell("commands");
  }

  open(channelId) {
    if (!this.channels.has(channelId)) return;
    this.activeId = channelId;
    this.active.unread = 0;
    const moves = this.active.guild_id && this.active.guild_id !== this.guild?.id;
    if (moves) this.enter(this.active.guild_id);
    this.tell("active");
    this.tell("channels");
    if (moves) this.tell("people");
  }

  /** One gateway event. What it does not know it leaves alone. */
  apply(name, data) {
    this[`on${name}`]?.(data);
  }

  onREADY(data) {
    this.me = this.learn(data.user);
    this.presences.clear();
    (data.users ?? []).forEach((user) => this.learn(user));
    (data.guilds ?? []).forEach((guild) => this.onGUILD_CREATE(guild));
    (data.private_channels ?? []).forEach((channel) => this.addChannel(channel));
    (data.presences ?? []).forEach((presence) => this.setPresence(presence));
    this.tell("people");
    this.tell("channels");
  }

  onGUILD_CREATE(guild) {
    if (guild.unavailable) return;
    const { $members = new Map() } = this.guilds.get(guild.id) ?? {};
    this.guilds.set(guild.id, { ...this.guilds.get(guild.id), ...guild, $members });
    const places = [...(guild.channels ?? []), ...(guild.threads ?? [])];
    // READY gives all channels this person may see; one that is not there any more is gone.
    for (const [id, channel] of this.channels)
      if (guild.channels && channel.guild_id === guild.id && !places.some((one) => one.id === id))
        this.channels.delete(id);
    places.forEach((channel) => this.addChannel({ ...channel, guild_id: guild.id }));
    (guild.members ?? []).forEach((member) => this.addMember(member, $members));
    this.enter(this.guild?.id ?? (this.guilds.has(this.world.guild_id) ? this.world.guild_id : guild.id));
    (guild.presences ?? []).forEach((presence) => this.setPresence(presence));
    this.tell("people");
    this.tell("channels");
  }

  /** Shows this server. */
  enter(guildId) {
    this.guild = this.guilds.get(guildId);
    this.members = this.guild.$members;
  }

  onGUILD_MEMBER_ADD(member) {
    this.addMember(member, this.guilds.get(member.guild_id)?.$members);
    this.tell("people");
  }

  onGUILD_MEMBER_UPDATE(member) {
    this.onGUILD_MEMBER_ADD(member);
  }

  onPRESENCE_UPDATE(presence) {
    this.setPresence(presence);
    this.tell("presence", presence.user?.id);
  }

  onCHANNEL_CREATE(channel) {
    this.addChannel(channel);
    this.tell("channels");
  }

  onCHANNEL_UPDATE(channel) {
    this.onCHANNEL_CREATE(channel);
  }

  onCHANNEL_DELETE({ id }) {
    this.channels.delete(id);
    this.tell("channels");
  }

  onTHREAD_CREATE(thread) {
    this.onCHANNEL_CREATE(thread);
  }

  onTHREAD_UPDATE(thread) {
    this.onCHANNEL_CREATE(thread);
    if (thread.id === this.activeId) this.tell("people"); // who may write there may have changed
  }

  onTHREAD_DELETE(thread) {
    this.onCHANNEL_DELETE(thread);
  }

  onMESSAGE_CREATE(message) {
    const channel = this.channels.get(message.channel_id);
    if (!channel) return;
    this.stopTyping(channel, message.author.id);
    this.keep(channel, message);
    const mine = message.author.id === this.me?.id;
    if (channel.id !== this.activeId && !mine) {
      channel.unread += 1;
      this.tell("channels");
    }
    this.tell("messages", channel.id);
    this.tell("arrived", message);
  }

  onMESSAGE_UPDATE(message) {
    const channel = this.channels.get(message.channel_id);
    const known = channel?.messages.find(({ id }) => id === message.id);
    if (!known) return;
    const done = !known.attachments?.length && message.attachments?.length > 0;
    this.keep(channel, { ...known, ...message });
    this.tell("messages", channel.id);
    if (done || (known.flags & Flag.loading && !(message.flags & Flag.loading)))
      this.tell("finished", message);
  }

  onMESSAGE_DELETE({ id, channel_id: channelId }) {
    const channel = this.channels.get(channelId);
    if (!channel) return;
    channel.messages = channel.messages.filter((message) => message.id !== id);
    this.tell("messages", channelId);
  }

  onMESSAGE_DELETE_BULK({ ids, channel_id: channelId }) {
    ids.forEach((id) => this.onMESSAGE_DELETE({ id, channel_id: channelId }));
  }

  onTYPING_START({ channel_id: channelId, user_id: userId }) {
    const channel = this.channels.get(channelId);
    if (!channel || userId === this.me?.id) return;
    clearTimeout(channel.typing.get(userId));
    channel.typing.set(
      userId,
      setTimeout(() => this.stopTyping(channel, userId), TYPING_MS),
    );
    this.tell("typing", channelId);
  }

  stopTyping(channel, userId) {
    if (!channel.typing.has(userId)) return;
    clearTimeout(channel.typing.get(userId));
    channel.typing.delete(userId);
    this.tell("typing", channel.id);
  }

  /** A page of history, newest first as Discord gives it. */
  addHistory(channelId, page, complete) {
    const channel = this.channels.get(channelId);
    page.forEach((message) => this.keep(channel, message));
    channel.loaded = true;
    channel.complete = channel.complete || complete;
    this.tell("messages", channelId);
  }

  /** After a new session: what is in memory may have holes, so it is read again. Ephemeral ones exist only here. */
  forgetHistory() {
    this.forgotten += 1;
    for (const channel of this.channels.values()) {
      channel.messages = channel.messages.filter((message) => message.flags & Flag.ephemeral);
      channel.loaded = false;
      channel.complete = false;
      channel.loading = null;
    }
  }

  dismiss(message) {
    this.onMESSAGE_DELETE(message);
  }

  keep(channel, message) {
    const members = this.guilds.get(channel.guild_id)?.$members;
    this.learn(message.author, message.member, members);
    (message.mentions ?? []).forEach((user) => this.learn(user, user.member, members));
    const kept = { ...message, $version: (message.$version ?? 0) + 1 };
    const at = channel.messages.findIndex(({ id }) => id === message.id);
    if (at >= 0) {
      kept.$version = channel.messages[at].$version + 1;
      channel.messages[at] = kept;
      return;
    }
    channel.messages.push(kept);
    channel.messages.sort((one, other) => (BigInt(one.id) < BigInt(other.id) ? -1 : 1));
  }

  onUSER_UPDATE(user) {
    this.me = this.learn(user);
    this.tell("people");
  }

  learn(user, member = null, members = this.members) {
    if (!user?.id) return null;
    this.users.set(user.id, { ...this.users.get(user.id), ...user });
    if (member && members?.has(user.id)) members.set(user.id, { ...members.get(user.id), ...member });
    return this.users.get(user.id);
  }

  addMember(member, members = this.members) {
    this.learn(member.user);
    members.set(member.user.id, { ...members.get(member.user.id), ...member });
  }

  setPresence(presence) {
    if (presence.user?.id) this.presences.set(presence.user.id, presence);
  }

  addChannel(channel) {
    (channel.recipients ?? []).forEach((user) => this.learn(user));
    const known = this.channels.get(channel.id);
    // It stays the same object: who reads its history just then notes in it when that is done.
    if (known) Object.assign(known, channel);
    else this.channels.set(channel.id, { ...FRESH, messages: [], typing: new Map(), ...channel });
  }
}

export function messageTime(message) {
  return new Date(message.timestamp ?? snowflakeTime(message.id));
}
