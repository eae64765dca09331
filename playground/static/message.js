// One message: who said it, what it answers, its content in every form, and what became of presses on it.

import { h } from "./dom.js";
import { components } from "./components.js";
import { embed } from "./embeds.js";
import { CommandType, Flag } from "./flags.js";
import { clock, fullTime, when } from "./format.js";
import { icon } from "./icons.js";
import { parse, plain } from "./markdown.js";
import { attachments } from "./media.js";
import { avatar, botTag } from "./people.js";
import { isOnlyEmoji, prose } from "./prose.js";
import { messageTime } from "./state.js";

const SYSTEM = { 6: "pinned a message to this channel.", 7: "joined the server." };

/** `context`: {state, interactions, names, actions}; `start` is false for a message that goes on from the one above. */
export function messageElement(message, start, context) {
  const { state, actions } = context;
  const time = messageTime(message);
  const ephemeral = Boolean(message.flags & Flag.ephemeral);
  const author = authorName(message, state);
  const classes = [
    start ? "start" : "goes-on",
    ephemeral && "ephemeral",
    mentionsMe(message, state) && "mentions-me",
  ];
  const stamp = h(
    "time.time",
    { datetime: time.toISOString(), title: fullTime(time) },
    start ? when(time) : clock(time),
  );
  return h(
    "div.message",
    {
      role: "article",
      class: classes.filter(Boolean).join(" "),
      dataset: { id: message.id },
      "aria-label": `${author}, ${when(time)}`,
      oncontextmenu: (event) => menuAtPointer(event, message, context),
    },
    origin(message, context),
    h("div.gutter", {}, start ? avatar(state, message.author.id) : stamp),
    h(
      "div.message-main",
      {},
      start &&
        h(
          "div.message-head",
          {},
          authorTag(message, author, state),
          message.author.bot && botTag(),
          stamp,
          editedTag(message),
        ),
      h("div.message-body", {}, body(message, context), !start && editedTag(message)),
      failure(message, context),
      ephemeral && privately(() => actions.dismiss(message)),
    ),
    toolbar(message, context),
  );
}

function authorName(message, state) {
  return state.members.has(message.author.id)
    ? state.name(message.author.id)
    : (message.author.global_name ?? message.author.username);
}

function editedTag({ edited_timestamp: edited }) {
  return edited && h("span.edited", { title: fullTime(new Date(edited)) }, "(edited)");
}

function authorTag(message, name, state) {
  const tag = h("span.author", {}, name);
  const tint = state.nameColour(message.author.id);
  if (tint) tag.style.setProperty("--role", tint);
  if (tint) tag.classList.add("tinted");
  return tag;
}

function mentionsMe(message, state) {
  return (message.mentions ?? []).some(({ id }) => id === state.me?.id) || Boolean(message.mention_everyone);
}

/** The line above an answer: "Mara used /imagine", or the message it replies to. */
function origin(message, { state, names, actions }) {
  const used = message.interaction_metadata ?? message.interaction;
  const name = message.interaction?.name ?? message.interaction_metadata?.name;
  if (used && used.type === 2 && name) {
    const user = used.user;
    return h(
      "div.origin",
      {},
      h("span.spine", { "aria-hidden": "true" }),
      avatar(state, user.id, 16),
      h("span.origin-name", {}, state.name(user.id)),
      h("span", {}, " used "),
      h("span.mention", {}, used.command_type > CommandType.slash ? name : `/${name}`),
    );
  }
  if (!message.message_reference?.message_id && !message.referenced_message) return null;
  const target =
    message.referenced_message ??
    state.channels
      .get(message.channel_id)
      ?.messages.find(({ id }) => id === message.message_reference.message_id);
  if (!target)
    return h(
      "div.origin.gone",
      {},
      h("span.spine", { "aria-hidden": "true" }),
      icon("reply", 14),
      "The message this answers is gone",
    );
  return h(
    "button.origin",
    {
      type: "button",
      "aria-label": `Answers ${state.name(target.author.id)}: go to that message`,
      onclick: () => actions.jumpTo(target.id),
    },
    h("span.spine", { "aria-hidden": "true" }),
    avatar(state, target.author.id, 16),
    h("span.origin-name", {}, state.name(target.author.id)),
    h("span.origin-text", {}, summary(target, names)),
  );
}

/** A message in a few words, for replies and notices. */
export function summary(message, names) {
  const source = message.content || texts(message.components) || message.embeds?.[0]?.title || "";
  const text = plain(parse(source), names)
    .replace(/\s+/g, " ")
    .trim();
  return text.slice(0, 140) || (message.attachments?.length ? "sent a picture" : "sent a message");
}

function texts(list) {
  for (const component of list ?? []) {
    const found = component.content ?? texts(component.components);
    if (found) return found;
  }
  return "";
}

function body(message, context) {
  if (message.flags & Flag.loading) {
    return h(
      "div.thinking",
      { role: "status" },
      h("span.dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i")),
      h("span", {}, `${authorName(message, context.state)} is thinking…`),
    );
  }
  if (SYSTEM[message.type]) return h("p.system", {}, SYSTEM[message.type]);
  const inside = { ...context, message };
  if (message.flags & Flag.componentsV2) return components(message.components, inside);
  return [
    message.content &&
      h(
        "div.prose",
        { class: isOnlyEmoji(message.content) ? "large-emoji" : null },
        prose(message.content, context.names),
      ),
    attachments(message.attachments ?? []),
    message.flags & Flag.suppressEmbeds ? null : (message.embeds ?? []).map((data) => embed(data, inside)),
    components(message.components, inside),
  ];
}

function failure(message, { interactions }) {
  const said = interactions.failures.get(message.id);
  return said ? h("p.failure", { role: "alert" }, icon("warning", 16), said) : null;
}

function privately(dismiss) {
  return h(
    "p.private-note",
    {},
    icon("eye", 15),
    "Only you can see this · ",
    h("button.text-button", { type: "button", onclick: dismiss }, "Dismiss message"),
  );
}

function toolbar(message, { actions }) {
  if (message.flags & Flag.loading) return null;
  const more = h(
    "button.icon-button",
    {
      type: "button",
      "aria-label": "More about this message",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      dataset: { focus: "message-menu" },
    },
    icon("more"),
  );
  more.addEventListener("click", () => actions.openMessageMenu(message, more));
  return h("div.toolbar", {}, more);
}

/** A right click, or a long touch, opens the message's menu; links, fields and marked words keep the browser's own. */
function menuAtPointer(event, message, { actions }) {
  const more = event.currentTarget.querySelector(".toolbar button");
  const browsers = event.target.closest("a, input, textarea") || !getSelection().isCollapsed;
  if (!more || browsers || event.shiftKey) return;
  event.preventDefault();
  actions.openMessageMenu(message, more, { x: event.clientX, y: event.clientY });
}

/** What stands for a command until the bot answers, and for one that got no answer. */
export function echoElement(echo, { state, interactions }) {
  const { bot } = state;
  const text = echo.failure
    ? h("p.failure", { role: "alert" }, icon("warning", 16), echo.failure)
    : h("div.thinking", { role: "status" }, "Sending command…");
  return h(
    "div.message.start.echo",
    { role: "article", "aria-label": `${echo.title}, not answered yet`, dataset: { nonce: echo.nonce } },
    h(
      "div.origin",
      {},
      h("span.spine", { "aria-hidden": "true" }),
      avatar(state, state.me.id, 16),
      h("span.origin-name", {}, state.name(state.me.id)),
      " used ",
      h("span.mention", {}, echo.title),
    ),
    h("div.gutter", {}, bot && avatar(state, bot.id)),
    h(
      "div.message-main",
      {},
      h("div.message-head", {}, h("span.author", {}, bot ? state.name(bot.id) : "The bot"), botTag()),
      text,
      echo.failure && privately(() => interactions.dismissEcho(echo)),
    ),
  );
}
