// Pictures, films, sounds and files of a message: mosaics, file cards, and the way into the lightbox.

import { h } from "./dom.js";
import { fileSize } from "./format.js";
import { icon } from "./icons.js";
import { openLightbox } from "./lightbox.js";

const WIDEST = 550;
const TALLEST = 420;
// Small pictures are shown larger than they are, or a 128 x 128 drawing would be a stamp in a wide chat.
const SMALLEST = 288;

/**
 * One shape for attachments and for Components V2 media: {url, name, size, width, height, kind, alt, spoiler}.
 * `url` is null when it leads away from this machine, to where this page never goes.
 */
function fromAttachment(attachment) {
  return {
    url: local(attachment.url),
    name: attachment.filename,
    size: attachment.size,
    width: attachment.width,
    height: attachment.height,
    kind: kindOf(attachment.content_type, attachment.filename),
    alt: attachment.description ?? "",
    spoiler: attachment.filename?.startsWith("SPOILER_") ?? false,
  };
}

/** An unfurled media item; `attachment://name` is looked up among the message's attachments. */
export function fromMedia(media, message, { description = "", spoiler = false } = {}) {
  const name = media.url?.startsWith("attachment://") ? media.url.slice("attachment://".length) : null;
  const attachments = message?.attachments ?? [];
  const attachment =
    attachments.find((one) =>
      name ? one.filename === name : one.url === media.url || one.id === media.attachment_id,
    ) ?? null;
  const base = attachment
    ? fromAttachment(attachment)
    : {
        url: local(media.url),
        name: lastPart(media.url),
        kind: kindOf(media.content_type, lastPart(media.url)),
      };
  const seen = { width: media.width ?? base.width, height: media.height ?? base.height };
  return { ...base, ...seen, alt: description || base.alt || "", spoiler: spoiler || base.spoiler };
}

/** Addresses of this machine become paths, so that the page works under any of its names. */
function local(url) {
  if (!url) return null;
  try {
    const parsed = new URL(url, location.href);
    if (parsed.protocol === "blob:" || parsed.protocol === "data:") return url;
    const here =
      parsed.origin === location.origin ||
      (["127.0.0.1", "localhost", "[::1]"].includes(parsed.hostname) && parsed.port === location.port);
    return here ? parsed.pathname + parsed.search : null;
  } catch {
    return null;
  }
}

function lastPart(url) {
  return decodeURIComponent((url ?? "").split("?")[0].split("/").at(-1) || "file");
}

function kindOf(type, name = "") {
  const ending = name.split(".").at(-1).toLowerCase();
  if (type?.startsWith("image/svg") || ending === "svg") return "file";
  if (type?.startsWith("image/") || (!type && ["png", "jpg", "jpeg", "webp", "gif", "avif"].includes(ending)))
    return "image";
  if (type?.startsWith("video/")) return "video";
  if (type?.startsWith("audio/")) return "audio";
  return "file";
}

/** 1 to 10 pictures side by side; the stylesheet knows the arrangement for each number. */
export function mosaic(items) {
  const shown = items.slice(0, 10);
  const visible = shown.filter((item) => item.kind === "image" && item.url);
  const tiles = shown.map((item) =>
    tile(item, () => openLightbox(visible, visible.indexOf(item)), shown.length === 1),
  );
  return h(
    "div.mosaic",
    {
      class: `n${shown.length}`,
      role: shown.length > 1 ? "group" : null,
      "aria-label": shown.length > 1 ? `${shown.length} pictures` : null,
    },
    tiles,
  );
}

function tile(item, open, alone) {
  if (!item.url) return elsewhere(item);
  const inside =
    item.kind === "video"
      ? h("video", { src: item.url, controls: true, preload: "metadata" })
      : picture(item, open);
  const frame = h("div.tile", { class: item.spoiler ? "covered" : null }, inside, badge(item));
  if (alone && item.width && item.height) {
    const { width, height } = shownSize(item);
    frame.style.width = `${width}px`;
    frame.style.aspectRatio = `${width} / ${height}`;
  }
  if (item.spoiler) frame.append(cover(frame, item));
  return frame;
}

function picture(item, open) {
  const name = item.alt || item.name || "picture";
  return h(
    "button.picture",
    { type: "button", "aria-label": `Open picture: ${name}`, onclick: open },
    image(item),
  );
}

export function image(item) {
  return h("img", {
    src: item.url,
    alt: item.alt || item.name || "",
    width: item.width,
    height: item.height,
    title: item.alt || null,
    draggable: "false",
  });
}

function badge(item) {
  return item.alt ? h("span.alt-badge", { "aria-hidden": "true" }, "ALT") : null;
}

function cover(frame, item) {
  const uncover = (event) => {
    frame.classList.replace("covered", "uncovered");
    event.currentTarget.remove();
  };
  return h(
    "button.cover",
    { type: "button", "aria-label": `Spoiler: show ${item.alt || item.name || "picture"}`, onclick: uncover },
    "SPOILER",
  );
}

function elsewhere(item) {
  return h(
    "div.tile.elsewhere",
    {},
    icon("image", 24),
    h("span", {}, item.alt || item.name || "A picture"),
    h("small", {}, "kept on another machine, not loaded"),
  );
}

function shownSize({ width, height }) {
  const grow = Math.max(1, SMALLEST / Math.max(width, height));
  const shrink = Math.min(1, WIDEST / (width * grow), TALLEST / (height * grow));
  return { width: Math.round(width * grow * shrink), height: Math.round(height * grow * shrink) };
}

/** A file to download, with its name and size. Films and sounds get a player. */
export function fileCard(item) {
  if (item.kind === "audio" && item.url)
    return h(
      "div.file-card",
      {},
      h("audio", { src: item.url, controls: true, preload: "metadata", "aria-label": item.name }),
    );
  const name = item.url
    ? h("a.file-name", { href: item.url, download: item.name }, item.name)
    : h("span.file-name", {}, item.name);
  return h(
    "div.file-card",
    {},
    icon("file", 28),
    h("div.file-text", {}, name, h("span.file-size", {}, fileSize(item.size))),
    item.url &&
      h(
        "a.icon-button",
        { href: item.url, download: item.name, "aria-label": `Download ${item.name}` },
        icon("download"),
      ),
  );
}

/** The attachments of a classic message: pictures as one mosaic, the rest as cards. */
export function attachments(list) {
  const items = list.map(fromAttachment);
  const seen = items.filter((item) => item.kind === "image" || item.kind === "video");
  const rest = items.filter((item) => !seen.includes(item));
  return [seen.length ? mosaic(seen) : null, ...rest.map(fileCard)];
}
