// The beginning of a channel: what it is for, and whether there is a bot to talk to.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { isDirect } from "./options.js";
import { avatar } from "./people.js";

export function welcome(channel, { state, names }) {
  const direct = isDirect(channel);
  const other = direct && channel.recipients?.[0];
  const title = names.title(channel);
  return h(
    "header.welcome",
    {},
    other ? avatar(state, other.id, 72) : h("span.welcome-mark", {}, icon("hash", 38)),
    h("h2", {}, direct ? title : `Welcome to ${title}`),
    h(
      "p",
      {},
      direct
        ? `This is the beginning of your messages with ${title}.`
        : (channel.topic ?? `This is the beginning of ${title}.`),
    ),
    (!other || state.isBot(other.id)) && botNote(state),
  );
}

function botNote(state) {
  if (!state.commands.length)
    return h(
      "p.welcome-note",
      { role: "status" },
      icon("warning", 18),
      h(
        "span",
        {},
        state.botOnline
          ? state.noCommands
          : "No bot is connected yet. Its commands appear here as soon as it is.",
      ),
    );
  if (!state.commands.some(({ name }) => name === "imagine"))
    return h("p.welcome-note", {}, "Type / to see what the bot can do.");
  return h(
    "p.welcome-note",
    {},
    h(
      "span",
      {},
      "Write ",
      h("strong", {}, "/imagine"),
      " and what you would like to see, then press Enter.",
    ),
  );
}
