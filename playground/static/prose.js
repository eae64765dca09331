// A tree of markdown as elements. Every leaf is a text node.

import { h, nodes } from "./dom.js";
import { parse, parseInline } from "./markdown.js";
import { fullTime, timestamp } from "./format.js";
import { icon } from "./icons.js";

/**
 * `names` knows what mentions stand for: {user(id), role(id), channel(id), place(id)} give
 * names or null, {openChannel(id), openMessage(channel, id), startCommand(name), copy(text)} act.
 */
export function prose(text, names) {
  return elements(parse(text), names);
}

export function inlineProse(text, names) {
  return elements(parseInline(text), names);
}

/** Emoji alone on their line are shown large, as in every chat. */
export function isOnlyEmoji(text) {
  return (
    text.length < 80 &&
    /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s)+$/u.test(text) &&
    /\p{Extended_Pictographic}/u.test(text)
  );
}

function elements(tree, names) {
  return nodes(tree.map((node) => element(node, names)));
}

function element(node, names) {
  const children = () => elements(node.children, names);
  switch (node.type) {
    case "text":
      return document.createTextNode(node.text);
    case "break":
      return h("br");
    case "paragraph":
      return h("p", {}, children());
    case "heading":
      // One below the level of the page's own headings, so that the outline stays true.
      return h(`h${node.level + 2}.md-h${node.level}`, {}, children());
    case "subtext":
      return h("p.subtext", {}, h("small", {}, children()));
    case "quote":
      return h("blockquote", {}, children());
    case "list":
      return h(
        node.ordered ? "ol" : "ul",
        { start: node.ordered && node.start !== 1 ? node.start : null },
        node.items.map((item) => h("li", {}, elements(item, names))),
      );
    case "codeblock":
      return codeblock(node, names);
    case "code":
      return h("code", {}, node.text);
    case "strong":
    case "em":
      return h(node.type, {}, children());
    case "underline":
      return h("u", {}, children());
    case "strike":
      return h("s", {}, children());
    case "spoiler":
      return spoiler(children());
    case "link":
      return (
        messageLink(node, names) ??
        h(
          "a",
          { href: node.href, target: "_blank", rel: "noopener noreferrer nofollow", title: node.href },
          children(),
        )
      );
    case "emoji":
      return h("span.custom-emoji", { title: `:${node.name}:` }, `:${node.name}:`);
    case "time":
      return h(
        "time.stamp",
        { datetime: isoTime(node.seconds), title: fullTime(new Date(node.seconds * 1000)) },
        timestamp(node.seconds, node.style),
      );
    case "mention":
      return mention(node, names);
    default:
      throw new Error(`No such kind of text: ${node.type}`);
  }
}

function codeblock({ language, text }, names) {
  const copy = h(
    "button.copy-code",
    { type: "button", "aria-label": "Copy", title: "Copy", onclick: () => names.copy(text) },
    icon("copy", 16),
  );
  return h(
    "div.codeblock",
    {},
    h("pre", { tabindex: "0", dataset: { language } }, h("code", {}, text)),
    copy,
  );
}

const MESSAGE_ADDRESS = /^https:\/\/(?:\w+\.)?discord\.com\/channels\/(?:\d+|@me)\/(\d+)\/(\d+)$/;

/** Addresses of messages lead to Discord; those of channels that are here lead to the message itself. */
function messageLink({ href }, names) {
  const [, channel, message] = MESSAGE_ADDRESS.exec(href) ?? [];
  const name = channel && names.place(channel);
  return name
    ? h(
        "button.mention",
        { type: "button", title: "Go to the message", onclick: () => names.openMessage(channel, message) },
        `${name} › message`,
      )
    : null;
}

function isoTime(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isFinite(date.getTime()) ? date.toISOString() : null;
}

function spoiler(children) {
  const cover = h(
    "span.spoiler",
    { role: "button", tabindex: "0", "aria-expanded": "false", "aria-label": "Spoiler, press to show" },
    h("span", {}, children),
  );
  const show = () => {
    cover.classList.add("shown");
    for (const name of ["role", "tabindex", "aria-expanded", "aria-label"]) cover.removeAttribute(name);
  };
  cover.addEventListener("click", show);
  cover.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      show();
    }
  });
  return cover;
}

function mention({ kind, id, text }, names) {
  if (kind === "user") return h("span.mention", {}, `@${names.user(id) ?? "unknown-user"}`);
  if (kind === "role") return h("span.mention", {}, `@${names.role(id) ?? "unknown-role"}`);
  if (kind === "channel" && names.channel(id)) {
    return h(
      "button.mention",
      { type: "button", onclick: () => names.openChannel(id) },
      `#${names.channel(id)}`,
    );
  }
  if (kind === "channel") return h("span.mention", {}, "#unknown-channel");
  if (kind === "command")
    return h("button.mention", { type: "button", onclick: () => names.startCommand(text) }, text);
  return h("span.mention", {}, text);
}
