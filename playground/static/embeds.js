// Embeds of classic messages: title, description, fields, pictures, footer, a coloured edge.

import { h } from "./dom.js";
import { when } from "./format.js";
import { fromMedia, mosaic } from "./media.js";
import { inlineProse, prose } from "./prose.js";
import { safe } from "./markdown.js";

export function embed(data, { message, names }) {
  const element = h(
    "article.embed",
    {},
    h(
      "div.embed-body",
      {},
      author(data.author),
      title(data, names),
      data.description && h("div.prose", {}, prose(data.description, names)),
      fields(data.fields, names),
      data.image && mosaic([fromMedia(data.image, message)]),
      footer(data),
    ),
    data.thumbnail && h("div.embed-thumbnail", {}, mosaic([fromMedia(data.thumbnail, message)])),
  );
  if (data.color)
    element.style.setProperty("--accent-bar", `#${data.color.toString(16).padStart(6, "0").slice(-6)}`);
  return element;
}

function author(data) {
  if (!data?.name) return null;
  return h("div.embed-author", {}, linked(data.name, data.url));
}

function title(data, names) {
  if (!data.title) return null;
  return h("div.embed-title", {}, linked(inlineProse(data.title, names), data.url));
}

function linked(content, url) {
  return safe(url ?? "")
    ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, content)
    : content;
}

function fields(list, names) {
  if (!list?.length) return null;
  const field = ({ name, value, inline }) =>
    h(
      "div.embed-field",
      { class: inline ? "inline" : null },
      h("dt", {}, inlineProse(name, names)),
      h("dd.prose", {}, prose(value, names)),
    );
  return h("dl.embed-fields", {}, list.map(field));
}

function footer({ footer: data, timestamp }) {
  if (!data?.text && !timestamp) return null;
  const time = timestamp && h("time", { datetime: timestamp }, when(new Date(timestamp)));
  return h("footer.embed-footer", {}, data?.text, data?.text && time && " · ", time);
}
