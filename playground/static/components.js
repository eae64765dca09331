// Message components as elements: Components V2 and the classic rows of buttons and selects.

import { h, nodes } from "./dom.js";
import { Component } from "./flags.js";
import { icon } from "./icons.js";
import { fileCard, fromMedia, image, mosaic } from "./media.js";
import { openLightbox } from "./lightbox.js";
import { prose } from "./prose.js";
import { safe } from "./markdown.js";
import { select } from "./select.js";

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link" };

/** `context`: {message, names, state, interactions}. */
export function components(list, context) {
  return nodes((list ?? []).map((component) => one(component, context)));
}

function one(component, context) {
  switch (component.type) {
    case Component.container:
      return container(component, context);
    case Component.textDisplay:
      return h("div.text-display.prose", {}, prose(component.content, context.names));
    case Component.section:
      return section(component, context);
    case Component.thumbnail:
      return thumbnail(component, context);
    case Component.mediaGallery:
      return mosaic(component.items.map((item) => fromMedia(item.media, context.message, item)));
    case Component.file:
      return file(component, context);
    case Component.separator:
      return h("hr.separator", {
        class:
          `${component.spacing === 2 ? "wide" : ""} ${component.divider === false ? "blank" : ""}`.trim(),
      });
    case Component.actionRow:
      return h("div.action-row", {}, components(component.components, context));
    case Component.button:
      return button(component, context);
    case Component.stringSelect:
    case Component.userSelect:
    case Component.roleSelect:
    case Component.mentionableSelect:
    case Component.channelSelect:
      return messageSelect(component, context);
    default:
      return h("div.unknown-component", {}, `This page cannot show a component of type ${component.type}.`);
  }
}

function container(component, context) {
  const element = h(
    "div.container",
    { class: component.spoiler ? "covered" : null },
    components(component.components, context),
  );
  const accent = component.accent_color ?? null;
  if (accent !== null) {
    element.classList.add("accented");
    element.style.setProperty("--accent-bar", `#${Number(accent).toString(16).padStart(6, "0").slice(-6)}`);
  }
  if (component.spoiler) element.append(cover(element));
  return element;
}

function cover(element) {
  const uncover = (event) => {
    element.classList.replace("covered", "uncovered");
    event.currentTarget.remove();
  };
  return h(
    "button.cover",
    { type: "button", "aria-label": "Spoiler: show what is under it", onclick: uncover },
    "SPOILER",
  );
}

function section(component, context) {
  const accessory = component.accessory ? one(component.accessory, context) : null;
  return h(
    "div.section",
    {},
    h("div.section-text", {}, components(component.components, context)),
    accessory && h("div.section-accessory", {}, accessory),
  );
}

function thumbnail(component, { message }) {
  const item = fromMedia(component.media, message, component);
  if (!item.url)
    return h("div.thumbnail.elsewhere", { title: "kept on another machine, not loaded" }, icon("image", 24));
  const name = item.alt || item.name || "picture";
  return h(
    "button.picture.thumbnail",
    { type: "button", "aria-label": `Open picture: ${name}`, onclick: () => openLightbox([item], 0) },
    image(item),
  );
}

function file(component, { message }) {
  const item = fromMedia(component.file, message, component);
  return fileCard({ ...item, name: component.name ?? item.name, size: component.size ?? item.size });
}

function button(component, context) {
  const style = STYLES[component.style] ?? "secondary";
  const inside = [emoji(component.emoji), component.label && h("span.button-label", {}, component.label)];
  if (component.style === 5) {
    const dead = component.disabled || !safe(component.url ?? "");
    const link = {
      href: dead ? null : component.url,
      target: "_blank",
      rel: "noopener noreferrer nofollow",
      "aria-disabled": dead ? "true" : null,
    };
    return h("a.button.link", link, inside, icon("open", 15));
  }
  const { message, interactions } = context;
  const pressed = interactions.isPressed(message.id, component.custom_id);
  const busy = interactions.isBusy(message.id);
  return h(
    "button.button",
    {
      type: "button",
      class: `${style}${pressed ? " pressed" : ""}`,
      disabled: Boolean(component.disabled),
      // Not `disabled` while waiting: that would throw the keyboard's focus away.
      "aria-disabled": busy ? "true" : null,
      "aria-busy": pressed ? "true" : null,
      "aria-label": component.label ? null : (component.emoji?.name ?? "button"),
      dataset: { focus: component.custom_id ?? "" },
      onclick: () => !busy && interactions.press(message, component),
    },
    inside,
    pressed && h("span.spinner", { "aria-hidden": "true" }, h("i"), h("i"), h("i")),
  );
}

export function emoji(value) {
  if (!value?.name) return null;
  // A custom emoji's picture lives at Discord, where this page does not go: its name stands in.
  return h("span.emoji", { "aria-hidden": "true" }, value.id ? `:${value.name}:` : value.name);
}

function messageSelect(component, context) {
  const { message, interactions, state } = context;
  return select(component, state, {
    busy: interactions.isPressed(message.id, component.custom_id),
    onChange: (values) => interactions.press(message, component, values),
  }).element;
}
