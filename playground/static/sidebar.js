// The left side: the server's name, its channels, direct messages, and who this window is.

import { fill, h } from "./dom.js";
import { ChannelType } from "./flags.js";
import { icon } from "./icons.js";
import { isDirect } from "./options.js";
import { avatar } from "./people.js";
import { openMenu } from "./popover.js";

/** What a client of Discord's can be set to, in part. */
const LANGUAGES = [
  ["en-US", "English"],
  ["de", "Deutsch"],
  ["es-ES", "Español"],
  ["fr", "Français"],
  ["ja", "日本語"],
];
const THREADS = [ChannelType.thread, ChannelType.privateThread];
const SHOWN = [ChannelType.text, ChannelType.announcement];

export class Sidebar {
  constructor(context) {
    this.context = context;
    this.title = h("h1.server-name");
    this.servers = h(
      "button.icon-button.servers-button",
      {
        type: "button",
        "aria-label": "Servers",
        title: "Go to another server",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        hidden: true,
        onclick: () => this.openServers(),
      },
      icon("up", 18),
    );
    this.channels = h("div.channel-lists");
    this.person = h("div.person-panel");
    this.element = h(
      "nav.sidebar",
      { "aria-label": "Channels", id: "sidebar" },
      h("header.sidebar-head", {}, this.title, this.servers),
      this.channels,
      this.person,
    );
    for (const topic of ["channels", "people", "active", "presence", "commands"])
      context.state.on(topic, () => this.paint());
    this.paint();
  }

  paint() {
    const { state } = this.context;
    this.title.textContent = state.guild?.name ?? "Atelier playground";
    this.servers.hidden = state.guilds.size < 2;
    const focused = this.element.contains(document.activeElement)
      ? document.activeElement.dataset.focus
      : null;
    const all = [...state.channels.values()].sort(
      (one, other) => (one.position ?? 0) - (other.position ?? 0),
    );
    const here = all.filter(({ guild_id: guild }) => guild && guild === state.guild?.id);
    const text = here.filter(({ type }) => SHOWN.includes(type));
    const forums = here.filter(({ type }) => type === ChannelType.forum);
    const threads = (parent) =>
      here
        .filter(({ type, parent_id: id }) => THREADS.includes(type) && id === parent.id)
        .map((thread) => this.row(thread, icon("hash", 14), thread.name, "thread"));
    const direct = all.filter(isDirect);
    fill(
      this.channels,
      this.group(
        "Text channels",
        text.flatMap((channel) => [this.channelRow(channel), ...threads(channel)]),
      ),
      ...forums.map((forum) => this.group(forum.name, threads(forum))),
      this.group("Direct messages", [
        ...direct.map((channel) => this.directRow(channel)),
        this.startDirect(direct),
      ]),
    );
    this.paintPerson();
    if (focused) this.element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  group(title, rows) {
    const shown = rows.filter(Boolean);
    return shown.length
      ? h("section.channel-group", { "aria-label": title }, h("h2", {}, title), h("ul", {}, shown))
      : null;
  }

  channelRow(channel) {
    return this.row(channel, icon("hash"), channel.name);
  }

  directRow(channel) {
    const { state, names } = this.context;
    const other = channel.recipients?.find(({ id }) => id !== state.me?.id);
    return this.row(channel, other ? this.face(other.id, 28) : icon("at"), names.title(channel));
  }

  openServers() {
    const { state, actions } = this.context;
    const first = (guild) =>
      [...state.channels.values()].find(
        ({ guild_id: id, type }) => id === guild.id && SHOWN.includes(type),
      );
    openMenu(
      this.servers,
      "Servers",
      [...state.guilds.values()].map((guild) => ({
        label: guild.name,
        checked: guild.id === state.guild?.id,
        act: () => actions.openChannel(first(guild).id),
      })),
    );
  }

  row(channel, mark, name, kind = "") {
    const { state, actions } = this.context;
    const active = channel.id === state.activeId;
    const unread = channel.unread
      ? h(
          "span.unread",
          { "aria-label": `${channel.unread} unread` },
          channel.unread > 99 ? "99+" : String(channel.unread),
        )
      : null;
    return h(
      "li",
      {},
      h(
        "button.channel",
        {
          type: "button",
          class: [kind, active && "active", channel.unread && "has-unread"].filter(Boolean).join(" "),
          "aria-current": active ? "page" : null,
          dataset: { focus: `channel-${channel.id}`, channel: channel.id },
          onclick: () => actions.openChannel(channel.id),
        },
        mark,
        h("span.channel-name", {}, name),
        unread,
      ),
    );
  }

  /** Until there is a direct channel with the bot, a row that makes one. */
  startDirect(direct) {
    const { state, actions } = this.context;
    const { bot } = state;
    if (!bot || direct.some(({ recipients }) => recipients?.some(({ id }) => id === bot.id))) return null;
    return h(
      "li",
      {},
      h(
        "button.channel",
        { type: "button", dataset: { focus: "direct-bot" }, onclick: () => actions.openDirect(bot.id) },
        this.face(bot.id, 28),
        h("span.channel-name", {}, state.name(bot.id)),
      ),
    );
  }

  face(userId, size) {
    const { state } = this.context;
    const online = state.isOnline(userId);
    return h("span.face", { class: online ? "online" : "offline" }, avatar(state, userId, size));
  }

  paintPerson() {
    const { state, world, actions } = this.context;
    if (!state.me) return;
    const button = h(
      "button.person",
      {
        type: "button",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        title: "Change who you are in this window",
        dataset: { focus: "person" },
      },
      this.face(state.me.id, 32),
      h(
        "span.person-text",
        {},
        h("span.person-name", {}, state.name(state.me.id)),
        h("span.person-hint", {}, "Switch person"),
      ),
      icon("up", 18),
    );
    button.addEventListener("click", () =>
      openMenu(
        button,
        "Who you are in this window",
        [
          ...world.users.map((user) => ({
            label: user.name,
            icon: avatar(state, user.id, 24),
            checked: user.id === state.me.id,
            act: () => actions.become(user.id),
          })),
          ...LANGUAGES.map(([locale, label]) => ({
            label,
            checked: locale === state.me.locale,
            act: () => actions.speak(locale),
          })),
        ],
      ),
    );
    fill(this.person, button);
  }
}
