// A select of a message or a modal: strings, or people, roles and channels of the server.

import { fill, h } from "./dom.js";
import { Component } from "./flags.js";
import { icon } from "./icons.js";
import { Listbox } from "./listbox.js";
import { avatar } from "./people.js";
import { openPopover } from "./popover.js";

const SEARCHED_FROM = 9;
const SHOWN_TAGS = 6;

/** What can be chosen: [{value, label, detail, icon}]. */
function choicesOf(component, state) {
  const people = [...state.members.keys()].map((id) => ({
    value: id,
    label: state.name(id),
    detail: state.users.get(id)?.username,
    icon: avatar(state, id, 24),
    kind: "user",
  }));
  const roles = (state.guild?.roles ?? []).map((role) => ({
    value: role.id,
    label: `@${role.name.replace(/^@/, "")}`,
    icon: icon("at", 18),
    kind: "role",
  }));
  const types = component.channel_types ?? [];
  const channels = [...state.channels.values()]
    .filter((channel) => channel.guild_id && channel.guild_id === state.guild?.id && (!types.length || types.includes(channel.type)))
    .map((channel) => ({
      value: channel.id,
      label: `#${channel.name}`,
      icon: icon("hash", 18),
      kind: "channel",
    }));
  switch (component.type) {
    case Component.userSelect:
      return people;
    case Component.roleSelect:
      return roles;
    case Component.mentionableSelect:
      return [...people, ...roles];
    case Component.channelSelect:
      return channels;
    default:
      return (component.options ?? []).map((option) => ({
        value: option.value,
        label: option.label,
        detail: option.description,
        icon: option.emoji?.name && !option.emoji.id ? h("span.emoji", {}, option.emoji.name) : null,
      }));
  }
}

function initial(component) {
  if (component.type === Component.stringSelect)
    return (component.options ?? []).filter((option) => option.default).map((option) => option.value);
  return (component.default_values ?? []).map(({ id }) => String(id));
}

/** {element, values()}. `onChange(values)` is called once a choice is complete. */
export function select(component, state, { busy = false, onChange = () => {}, label = null } = {}) {
  const most = component.max_values ?? 1;
  const least = component.min_values ?? 1;
  const choices = choicesOf(component, state);
  let chosen = new Set(initial(component));
  let close = null;

  const button = h("button.select", {
    type: "button",
    role: "combobox",
    "aria-haspopup": "listbox",
    "aria-expanded": "false",
    "aria-label": label ?? component.placeholder ?? "Choose",
    "aria-busy": busy ? "true" : null,
    disabled: Boolean(component.disabled),
    dataset: { focus: component.custom_id },
    onclick: () => (close ? close() : open()),
    onkeydown: (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!close) open();
      }
    },
  });

  function paint() {
    const named = choices.filter(({ value }) => chosen.has(value));
    const text = named.length
      ? h("span.select-values", {}, most > 1 ? tags(named) : named[0].label)
      : h("span.select-placeholder", {}, component.placeholder || "Make a selection");
    fill(button, text, busy ? h("span.spinner", {}, h("i"), h("i"), h("i")) : icon("down", 18));
  }

  function open() {
    if (busy) return;
    const before = [...chosen].sort().join();
    const list = new Listbox({
      label: component.placeholder ?? label ?? "Choices",
      multiple: most > 1,
      onPick: pick,
    });
    const search =
      choices.length >= SEARCHED_FROM &&
      h("input.select-search", {
        type: "search",
        placeholder: "Search",
        "aria-label": "Search the choices",
        autocomplete: "off",
        role: "combobox",
        "aria-controls": list.id,
        "aria-expanded": "true",
      });
    const holder = search || list.element;
    if (!search) list.element.tabIndex = 0;
    const show = () => {
      const wanted = search ? search.value.trim().toLowerCase() : "";
      const items = choices.filter((choice) =>
        `${choice.label} ${choice.detail ?? ""}`.toLowerCase().includes(wanted),
      );
      const full = most > 1 && chosen.size >= most;
      list.show(
        items.map((choice) => ({
          ...choice,
          selected: chosen.has(choice.value),
          disabled: full && !chosen.has(choice.value),
          note: chosen.has(choice.value) ? icon("check", 18) : null,
        })),
        list.index < 0
          ? Math.max(
              0,
              items.findIndex(({ value }) => chosen.has(value)),
            )
          : list.index,
      );
      if (!items.length) list.element.append(h("li.empty", {}, "Nothing fits."));
    };
    list.attach(holder);
    holder.addEventListener("keydown", (event) => {
      if (event.key === "Tab") close?.();
      else if (event.key === " " && !search) {
        event.preventDefault();
        list.pick();
      } else list.key(event);
    });
    if (search) search.addEventListener("input", show);
    show();
    const done =
      most > 1 && h("button.button.primary.select-done", { type: "button", onclick: () => close() }, "Done");
    close = openPopover(button, h("div.select-panel", {}, search, list.element, done), {
      onClose: () => {
        close = null;
        button.removeAttribute("aria-controls");
        if (most > 1 && [...chosen].sort().join() !== before) finish(before);
      },
    });
    button.setAttribute("aria-controls", list.id);
    holder.focus();

    function pick(item) {
      if (most === 1) {
        const again = chosen.has(item.value);
        chosen = new Set(again && least === 0 ? [] : [item.value]);
        paint();
        close();
        onChange([...chosen]);
        return;
      }
      if (chosen.has(item.value)) chosen.delete(item.value);
      else chosen.add(item.value);
      paint();
      show();
    }
  }

  function finish(before) {
    if (chosen.size >= least) onChange([...chosen]);
    else chosen = new Set(before ? before.split(",") : []);
    paint();
  }

  paint();
  return { element: button, values: () => [...chosen] };
}

function tags(named) {
  const rest = named.length - SHOWN_TAGS;
  return [
    ...named.slice(0, SHOWN_TAGS).map(({ label }) => h("span.select-tag", {}, label)),
    rest > 0 && h("span.select-tag", {}, `+${rest}`),
  ];
}
