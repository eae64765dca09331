// A list to choose from with the keyboard, the mouse or a finger, after the ARIA listbox pattern.
// The focus stays where the person types; the list only says which entry is active.

import { fill, freshId, h } from "./dom.js";

export class Listbox {
  /**
   * `onPick(item)` is called with what was chosen; items are {label, detail, note, icon, value, selected}.
   * `input` is the element that has the focus and is told about the list through aria attributes.
   */
  constructor({ label, onPick, multiple = false }) {
    this.id = freshId("list");
    this.onPick = onPick;
    this.items = [];
    this.index = -1;
    this.element = h("ul.listbox", {
      role: "listbox",
      id: this.id,
      tabindex: "-1",
      "aria-label": label,
      "aria-multiselectable": multiple ? "true" : null,
    });
    // The press must not take the focus from the input, or a phone's keyboard would close and open again.
    this.element.addEventListener("mousedown", (event) => event.preventDefault());
  }

  /** `active`: which entry starts active; -1 for none until an arrow is pressed. */
  show(items, active = 0) {
    this.items = items;
    fill(
      this.element,
      items.map((item, index) => this.row(item, index)),
    );
    // What is named has to be there: the attribute comes and goes with the entries.
    if (items.length && this.input !== this.element) this.input?.setAttribute("aria-controls", this.id);
    else this.input?.removeAttribute("aria-controls");
    this.activate(Math.min(active, items.length - 1));
  }

  row(item, index) {
    return h(
      "li.option",
      {
        role: "option",
        id: `${this.id}-${index}`,
        "aria-selected": item.selected ? "true" : "false",
        "aria-disabled": item.disabled ? "true" : null,
        onclick: () => this.pick(index),
        onmousemove: () => this.index !== index && this.activate(index, false),
      },
      item.icon && h("span.option-icon", {}, item.icon),
      h(
        "span.option-text",
        {},
        h("span.option-label", {}, item.label),
        item.detail && h("span.option-detail", {}, item.detail),
      ),
      item.note && h("span.option-note", {}, item.note),
    );
  }

  activate(index, scroll = true) {
    this.element.querySelector(".active")?.classList.remove("active");
    this.index = index;
    const row = this.element.children[index];
    row?.classList.add("active");
    if (scroll) row?.scrollIntoView({ block: "nearest" });
    if (row) this.input?.setAttribute("aria-activedescendant", row.id);
    else this.input?.removeAttribute("aria-activedescendant");
  }

  /** From now on `input` has the focus and drives the list; null lets go of the one that did. */
  attach(input) {
    this.input?.removeAttribute("aria-activedescendant");
    this.input?.removeAttribute("aria-controls");
    this.input = input;
  }

  pick(index = this.index) {
    const item = this.items[index];
    if (item && !item.disabled) this.onPick(item);
  }

  /** Arrows, Home and End move, Enter picks. Says whether the key was used. */
  key(event, { tabPicks = false } = {}) {
    if (!this.items.length || event.isComposing) return false;
    const last = this.items.length - 1;
    const moves = {
      ArrowDown: this.index >= last ? 0 : this.index + 1,
      ArrowUp: this.index <= 0 ? last : this.index - 1,
      PageDown: Math.min(last, this.index + 6),
      PageUp: Math.max(0, this.index - 6),
    };
    if (event.key in moves) {
      event.preventDefault();
      this.activate(moves[event.key]);
      return true;
    }
    const picks =
      (event.key === "Enter" && !event.shiftKey) || (tabPicks && event.key === "Tab" && !event.shiftKey);
    if (picks && this.index >= 0) {
      event.preventDefault();
      this.pick();
      return true;
    }
    return false;
  }
}
