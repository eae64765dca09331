// The list of messages of the open channel: order, grouping, dates, history, and where it is scrolled to.

import { fill, h } from "./dom.js";
import { Flag } from "./flags.js";
import { longDate, sameDay } from "./format.js";
import { icon } from "./icons.js";
import { echoElement, messageElement, summary } from "./message.js";
import { messageTime } from "./state.js";
import { welcome } from "./welcome.js";

const GROUP_MS = 7 * 60_000;
const NEAR_PX = 90;
const PAGE = 50;

export class MessageList {
  constructor(context) {
    this.context = context;
    this.rows = new Map();
    this.stuck = true;
    this.missed = 0;
    this.lowest = 0;
    this.list = h("div.messages", { role: "log", "aria-live": "off", tabindex: "0" });
    this.head = h("div.list-head");
    this.scroller = h(
      "div.scroller",
      { onscroll: () => this.scrolled() },
      h("div.spacer"),
      this.head,
      this.list,
    );
    this.present = h("button.jump-present", {
      type: "button",
      hidden: true,
      onclick: () => this.toPresent(),
    });
    // A row that is drawn anew at each step of a picture would be read out at each step; so news is told here instead.
    this.news = h("div.visually-hidden", { role: "status" });
    this.element = h("div.message-area", {}, this.scroller, this.present, this.news);
    // Pictures that load and phones' keyboards change heights; whoever reads the newest keeps seeing it.
    const observer = new ResizeObserver(() => this.stuck && this.toEnd());
    observer.observe(this.list);
    observer.observe(this.scroller);

    const { state, interactions } = context;
    state.on("messages", (channelId) => channelId === state.activeId && this.paint());
    state.on("active", () => this.openChannel());
    state.on("people", () => this.repaint());
    state.on("commands", () => this.repaint());
    state.on("arrived", (message) => this.arrived(message));
    state.on("finished", (message) => this.announce(message));
    interactions.on("pressed", (message) => this.repaintOne(message));
    interactions.on("echoes", (channelId) => {
      if (channelId !== state.activeId) return;
      this.stuck = true;
      this.paint();
    });
  }

  openChannel() {
    this.rows.clear();
    fill(this.list);
    this.stuck = true;
    this.missed = 0;
    const { active } = this.context.state;
    if (!active) return;
    this.list.setAttribute("aria-label", `Messages in ${this.context.names.title(active)}`);
    this.paint();
    if (!active.loaded) this.loadOlder();
  }

  async loadOlder() {
    const channel = this.context.state.active;
    if (!channel || (channel.loaded && channel.complete)) return;
    // Whoever asks while a page is on its way waits for that one.
    channel.loading ??= this.load(channel);
    await channel.loading;
  }

  async load(channel) {
    const { state, api } = this.context;
    const { forgotten } = state;
    const before = channel.loaded
      ? (channel.messages.find((message) => !(message.flags & Flag.ephemeral))?.id ?? null)
      : null;
    try {
      const page = await api.messages(channel.id, { before, limit: PAGE });
      if (state.forgotten !== forgotten) return;
      const anchor = this.anchor();
      state.addHistory(channel.id, page, page.length < PAGE);
      if (before) this.restore(anchor);
    } catch (error) {
      if (channel === state.active && state.forgotten === forgotten)
        fill(
          this.head,
          h(
            "p.list-error",
            { role: "alert" },
            `The messages could not be read. ${error.message} `,
            h("button.text-button", { type: "button", onclick: () => this.loadOlder() }, "Try again"),
          ),
        );
    } finally {
      if (state.forgotten === forgotten) channel.loading = null;
    }
  }

  anchor() {
    const first = [...this.list.querySelectorAll(".message")].find(
      (row) => row.getBoundingClientRect().bottom > 0,
    );
    return first && { id: first.dataset.id, top: first.getBoundingClientRect().top };
  }

  restore(anchor) {
    const row = anchor && this.rows.get(anchor.id)?.element;
    if (row) this.scroller.scrollTop += row.getBoundingClientRect().top - anchor.top;
  }

  repaint() {
    this.rows.clear();
    this.paint();
  }

  repaintOne(message) {
    this.rows.delete(message.id);
    this.paint();
  }

  /** Makes the list say what the state says, building only rows that changed. */
  paint() {
    const { state } = this.context;
    const channel = state.active;
    if (!channel || !state.me) return;
    const wanted = [];
    let above = null;
    for (const message of channel.messages) {
      const time = messageTime(message);
      if (!above || !sameDay(messageTime(above), time)) wanted.push(this.dateRow(time));
      const start = !above || !goesOn(above, message) || wanted.at(-1).classList.contains("date");
      wanted.push(this.row(message, start));
      above = message;
    }
    const { interactions } = this.context;
    wanted.push(
      ...interactions.echoes
        .filter(({ channelId }) => channelId === channel.id)
        .map((echo) => echoElement(echo, this.context)),
    );
    this.forget(channel);
    settle(this.list, wanted);
    fill(
      this.head,
      channel.loaded && channel.complete
        ? welcome(channel, this.context)
        : h("p.loading", { role: "status" }, "Loading messages…"),
    );
    if (this.stuck) this.toEnd();
  }

  row(message, start) {
    const known = this.rows.get(message.id);
    if (known && known.version === message.$version && known.start === start) return known.element;
    const element = messageElement(message, start, this.context);
    const before = this.list.querySelector(`[data-id="${CSS.escape(message.id)}"]`);
    if (before) carryOver(before, element);
    this.rows.set(message.id, { element, version: message.$version, start });
    return element;
  }

  dateRow(time) {
    const key = `date ${time.toDateString()}`;
    if (!this.rows.has(key))
      this.rows.set(key, {
        element: h(
          "div.date",
          { role: "separator", "aria-label": longDate(time) },
          h("span", {}, longDate(time)),
        ),
      });
    return this.rows.get(key).element;
  }

  forget(channel) {
    const ids = new Set(channel.messages.map(({ id }) => id));
    for (const key of this.rows.keys()) if (!key.startsWith("date ") && !ids.has(key)) this.rows.delete(key);
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    // Only a person scrolls upwards. If the end has moved away downwards, something has grown in between.
    if (this.stuck && !near && scrollTop >= this.lowest) {
      this.toEnd();
      return;
    }
    this.stuck = near;
    if (this.stuck) this.missed = 0;
    this.paintPresent();
    if (scrollTop < 300 && this.context.state.active?.loaded) this.loadOlder();
  }

  arrived(message) {
    const { state } = this.context;
    if (message.channel_id !== state.activeId) return;
    this.announce(message);
    if (message.author.id === state.me?.id) this.toPresent();
    else if (!this.stuck) this.missed += 1;
    this.paintPresent();
  }

  announce(message) {
    const { state } = this.context;
    if (message.channel_id !== state.activeId || message.author.id === state.me?.id) return;
    const what = message.flags & Flag.loading ? "is thinking" : summary(message, this.context.names);
    this.news.textContent = `${state.name(message.author.id)}: ${what}`;
  }

  paintPresent() {
    this.present.hidden = this.stuck;
    const news = this.missed
      ? `${this.missed} new ${this.missed === 1 ? "message" : "messages"}`
      : "You are looking at older messages";
    fill(this.present, h("span", {}, news), h("strong", {}, "Jump to present", icon("down", 16)));
  }

  toPresent() {
    this.stuck = true;
    this.missed = 0;
    this.toEnd();
    this.paintPresent();
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lowest = this.scroller.scrollTop;
  }

  /** Goes to a message, reading the history as far back as it takes. */
  async seek(id) {
    const channel = this.context.state.active;
    const known = () => channel.messages.some((message) => message.id === id);
    while (!known() && !channel.complete && channel === this.context.state.active) {
      const before = channel.messages.length;
      await this.loadOlder();
      if (channel.loaded && channel.messages.length === before) break;
    }
    this.jumpTo(id);
  }

  jumpTo(id) {
    const row = this.rows.get(id)?.element;
    if (!row) return;
    this.stuck = false;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    row.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    row.classList.add("pointed-at");
    setTimeout(() => row.classList.remove("pointed-at"), 1600);
  }
}

/** Whether a message goes on from the one above it without a head of its own. */
function goesOn(above, message) {
  const answers =
    message.interaction_metadata?.type === 2 ||
    message.message_reference ||
    message.type === 19 ||
    message.type === 20;
  if (answers || above.author.id !== message.author.id) return false;
  if ((above.flags & Flag.ephemeral) !== (message.flags & Flag.ephemeral)) return false;
  return messageTime(message) - messageTime(above) < GROUP_MS;
}

/** Puts the rows into order while touching only those that are out of place. */
function settle(list, wanted) {
  const keep = new Set(wanted);
  for (const row of [...list.children]) if (!keep.has(row)) row.remove();
  wanted.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
}

/** A row built anew keeps what the old one had: loaded pictures (no flicker), the focus, uncovered spoilers. */
function carryOver(before, after) {
  const inside = (cover) => cover.querySelector("img")?.getAttribute("src") ?? cover.textContent;
  const shown = new Set([...before.querySelectorAll(".spoiler.shown, .uncovered")].map(inside));
  for (const cover of after.querySelectorAll(".spoiler, .covered"))
    if (shown.has(inside(cover))) (cover.querySelector(":scope > .cover") ?? cover).click();
  const pictures = new Map(
    [...before.querySelectorAll("img")].map((picture) => [picture.getAttribute("src"), picture]),
  );
  for (const fresh of after.querySelectorAll("img")) {
    const loaded = pictures.get(fresh.getAttribute("src"));
    if (!loaded) continue;
    for (const name of ["alt", "width", "height", "title"]) {
      if (fresh.hasAttribute(name)) loaded.setAttribute(name, fresh.getAttribute(name));
      else loaded.removeAttribute(name);
    }
    fresh.replaceWith(loaded);
    pictures.delete(fresh.getAttribute("src"));
  }
  const focused = before.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  if (focused)
    queueMicrotask(() =>
      after.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true }),
    );
}
