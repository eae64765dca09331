// The frame of the page: side panels, the head of the channel, the connection line, notices, typing.

import { fill, h } from "./dom.js";
import { together } from "./format.js";
import { icon } from "./icons.js";
import { isDirect } from "./options.js";

const CONNECTION = {
  connecting: "Connecting…",
  waiting: "The connection was lost. Reconnecting…",
  refused: "The playground does not know this person any more. Open the page again from its address.",
};

// A bot that restarts is away for a few seconds; that is not worth a line.
const BOT_CALM_MS = 4000;

// Reconnecting within a moment is nobody's concern, and a line that flashes would be.
const CALM_MS = 700;
const NOTICE_MS = 4000;

export class Shell {
  constructor(context, { sidebar, members }) {
    this.context = context;
    const { messages, composer } = context;
    this.title = h("h2.channel-title");
    this.topic = h("span.topic");
    this.menuButton = h(
      "button.icon-button.drawer-button",
      {
        type: "button",
        "aria-label": "Channels",
        "aria-controls": "sidebar",
        "aria-expanded": "false",
        onclick: () => this.toggleDrawer(),
      },
      icon("menu"),
      h("span.dot", { hidden: true }),
    );
    this.memberButton = h(
      "button.icon-button.members-button",
      {
        type: "button",
        "aria-label": "Members",
        title: "Members",
        "aria-pressed": "true",
        onclick: () => this.toggleMembers(),
      },
      icon("people"),
    );
    this.connection = h("p.connection", { role: "status", hidden: true });
    this.away = h("p.connection", { role: "status", hidden: true });
    this.typing = h("p.typing", { role: "status" });
    this.notices = h("div.notices", { role: "status" });
    const head = h("header.chat-head", {}, this.menuButton, this.title, this.topic, this.memberButton);
    this.chat = h(
      "main.chat",
      {},
      head,
      this.connection,
      this.away,
      h(
        "div.chat-body",
        {},
        h("section.chat-main", { "aria-label": "Chat" }, messages.element, composer.element, this.typing),
        members.element,
      ),
      this.notices,
    );
    this.veil = h("div.drawer-veil", { onclick: () => this.closeDrawer() });
    this.element = h(
      "div.shell",
      { onkeydown: (event) => event.key === "Escape" && this.closeDrawer() },
      sidebar.element,
      this.veil,
      this.chat,
    );
    const { state } = context;
    state.on("active", () => this.paintHead());
    state.on("people", () => this.paintHead());
    state.on("channels", () => this.paintUnread());
    state.on("connection", () => this.paintConnection());
    state.on("typing", (channelId) => channelId === state.activeId && this.paintTyping());
    state.on("active", () => this.paintTyping());
    for (const topic of ["presence", "commands", "people"]) state.on(topic, () => this.paintBot());
    // A window made wider has no drawer that could be closed.
    matchMedia("(min-width: 768px)").addEventListener("change", () => this.closeDrawer());
    this.paintConnection();
  }

  /** Says when the bot, which was here once, is not. */
  paintBot() {
    const { state } = this.context;
    clearTimeout(this.botCalm);
    const away = () => state.me && state.commands.length > 0 && !state.botOnline;
    const show = () => {
      this.away.hidden = !away();
      this.away.textContent = state.bot
        ? `${state.name(state.bot.id)} is offline. It answers again as soon as it is back.`
        : "";
    };
    if (away()) this.botCalm = setTimeout(show, BOT_CALM_MS);
    else show();
  }

  paintHead() {
    const { state, names } = this.context;
    const channel = state.active;
    if (!channel) return;
    const title = names.title(channel);
    fill(this.title, icon(isDirect(channel) ? "at" : "hash", 22), h("span", {}, title.replace(/^#/, "")));
    this.topic.textContent = channel.topic ?? "";
    this.topic.title = channel.topic ?? "";
    this.paintUnread();
  }

  paintUnread() {
    const { state, names } = this.context;
    const unread = [...state.channels.values()].reduce((sum, channel) => sum + channel.unread, 0);
    this.menuButton.querySelector(".dot").hidden = !unread;
    const place = state.active ? `${names.title(state.active)} · ` : "";
    document.title = `${unread ? `(${unread}) ` : ""}${place}Atelier playground`;
  }

  paintConnection() {
    const { connection } = this.context.state;
    clearTimeout(this.calm);
    const show = () => {
      this.connection.hidden = !CONNECTION[connection];
      this.connection.textContent = CONNECTION[connection] ?? "";
    };
    // Between two tries the line stays as it is instead of changing back and forth.
    if (connection === "connecting" && !this.connection.hidden) return;
    if (connection === "waiting" || connection === "connecting") this.calm = setTimeout(show, CALM_MS);
    else show();
  }

  paintTyping() {
    const { state } = this.context;
    const who = [...(state.active?.typing.keys() ?? [])].map((id) => state.name(id));
    const text =
      who.length > 3
        ? "Several people are typing…"
        : `${together(who)} ${who.length > 1 ? "are" : "is"} typing…`;
    fill(
      this.typing,
      who.length > 0 && [h("span.dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i")), text],
    );
  }

  toggleDrawer() {
    const open = this.element.classList.toggle("drawer-open");
    this.menuButton.setAttribute("aria-expanded", String(open));
    // What the drawer covers cannot be reached until it is closed.
    this.chat.inert = open;
    if (open) this.element.querySelector(".sidebar .channel.active, .sidebar .channel")?.focus();
  }

  closeDrawer() {
    if (!this.element.classList.contains("drawer-open")) return;
    this.element.classList.remove("drawer-open");
    this.chat.inert = false;
    this.menuButton.setAttribute("aria-expanded", "false");
    this.menuButton.focus({ preventScroll: true });
  }

  toggleMembers() {
    const hidden = this.element.classList.toggle("no-members");
    this.memberButton.setAttribute("aria-pressed", String(!hidden));
  }

  notice(text) {
    const note = h("p.notice", {}, text);
    this.notices.append(note);
    setTimeout(() => note.remove(), NOTICE_MS);
  }
}
