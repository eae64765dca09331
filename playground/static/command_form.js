// A command being filled in: its pills, what is suggested for the one in use, and the way to send it.

import { fill, h } from "./dom.js";
import { OptionType } from "./flags.js";
import { Listbox } from "./listbox.js";
import { OptionField } from "./option_field.js";
import { commandData } from "./options.js";

const TYPING_PAUSE_MS = 180;

export class CommandForm {
  /**
   * `host`: {panel (where suggestions are shown), directory(), complete(data) -> choices, submit(data, files, entry),
   * leave(text)} of the composer that holds this form.
   */
  constructor(entry, values, host) {
    this.entry = entry;
    this.host = host;
    this.directory = () => host.directory();
    this.list = new Listbox({ label: "Suggestions", onPick: (item) => item.act() });
    this.asked = 0;
    this.fields = [];
    this.more = h("input.more-options", {
      type: "text",
      "aria-label": "Add an option",
      role: "combobox",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      enterkeyhint: "send",
      oninput: () => this.suggestOptions(),
      onfocus: () => this.focused(null),
      onblur: () => this.blurred(null),
    });
    this.name = h("span.command-name", { title: entry.description ?? "" }, `/${entry.name}`);
    this.line = h("div.command-line", {}, this.name, this.more);
    this.element = h(
      "div.command-form",
      { role: "group", "aria-label": `/${entry.name}`, onkeydown: (event) => this.key(event) },
      this.line,
    );
    for (const option of entry.options) {
      if (!option.required && !values.has(option.name)) continue;
      const field = this.add(option);
      const value = values.get(option.name);
      if (value instanceof File) field.setFile(value);
      else if (value) field.set(value);
    }
    this.countMore();
  }

  /** The first thing to fill in; with everything there, the end of the first field. */
  focus() {
    const field = this.fields.find((one) => one.isEmpty) ?? this.fields[0];
    if (field) field.focus();
    else this.more.focus();
  }

  get left() {
    return this.entry.options.filter(
      (option) => !this.fields.some((field) => field.option.name === option.name),
    );
  }

  /** A bot that has registered its commands again expects their new versions. */
  renew(entries) {
    this.entry = entries.find(({ name }) => name === this.entry.name) ?? this.entry;
    this.name.title = this.entry.description ?? "";
  }

  add(option) {
    const field = new OptionField(option, this);
    this.fields.push(field);
    this.line.insertBefore(field.element, this.more);
    this.countMore();
    return field;
  }

  remove(field) {
    const at = this.fields.indexOf(field);
    this.fields.splice(at, 1);
    field.element.remove();
    this.countMore();
    (this.fields[at - 1] ?? this.fields[0] ?? { focus: () => this.more.focus() }).focus();
  }

  countMore() {
    const { length } = this.left;
    this.more.placeholder = length ? `+${length} more` : "";
    this.more.classList.toggle("none", !length);
  }

  /** Puts a file where the command takes one. Says whether there was a place. */
  takeFile(file) {
    const isFree = (option) => option.type === OptionType.attachment;
    const field =
      this.fields.find((one) => isFree(one.option) && !one.input.file) ??
      this.fields.find((one) => isFree(one.option));
    const option = this.left.find(isFree);
    const place = field && (!field.input.file || !option) ? field : option && this.add(option);
    if (!place) return false;
    place.setFile(file);
    place.focus();
    return true;
  }

  /** What has been filled in so far, for the history of the composer. */
  typedValues() {
    return new Map(
      this.fields
        .filter((field) => !field.isEmpty)
        .map((field) => [field.option.name, field.input.file ?? field.input.text]),
    );
  }

  // What the fields say.

  focused(field) {
    this.current = field;
    this.closed = false;
    if (field) this.suggest(field);
    else this.suggestOptions();
  }

  blurred(field) {
    if (field && !field.isEmpty) field.check();
    if (this.current === field) this.hide();
  }

  changed(field) {
    this.closed = false;
    if (this.current === field) this.suggest(field);
  }

  suggest(field) {
    const asked = (this.asked += 1);
    clearTimeout(this.pause);
    const choices = field.choices();
    this.show(field, choices ?? []);
    if (!field.option.autocomplete) return;
    this.pause = setTimeout(async () => {
      const { data } = this.data(field.option.name);
      const found = await this.host.complete(data);
      if (asked === this.asked && this.current === field && !this.closed) this.show(field, found);
    }, TYPING_PAUSE_MS);
  }

  show(field, choices) {
    const { option, input } = field;
    const items = choices.map((choice) => ({
      label: choice.name,
      selected: input.picked?.value === choice.value,
      act: () => this.picked(field, choice),
    }));
    // An answer that has nothing to do with what is typed must not be taken by pressing Enter.
    const typed = input.text.trim().toLowerCase();
    const fits =
      choices.length &&
      (!option.autocomplete ||
        (typed &&
          [choices[0].name, choices[0].value].some((text) => String(text).toLowerCase().includes(typed))));
    // Taking what stands there already would only cost whoever writes it a second Enter.
    const standsThere = option.autocomplete && choices[0]?.value === input.text.trim();
    const first = fits && !input.picked && !standsThere ? 0 : -1;
    const empty = !choices.length && option.choices?.length ? "None of the choices fits." : null;
    this.reveal(
      field.control,
      h("div.panel-head", {}, h("strong", {}, option.name), h("span", {}, described(option)), limits(option)),
      items,
      first,
      empty,
      field.problem,
    );
  }

  suggestOptions() {
    const typed = this.more.value.trim().toLowerCase();
    const options = this.left.filter(({ name }) => name.includes(typed));
    const items = options.map((option) => ({
      label: option.name,
      detail: described(option),
      act: () => this.addPicked(option),
    }));
    const head = this.left.length
      ? h(
          "div.panel-head",
          {},
          h("strong", {}, "More options"),
          h("span", {}, "choose one, or press Enter to send"),
        )
      : null;
    this.reveal(this.more, head, items, typed && items.length ? 0 : -1, null, null);
  }

  addPicked(option) {
    this.more.value = "";
    this.add(option).focus();
  }

  picked(field, choice) {
    field.pick(choice);
    const next = this.fields.find((one) => one.option.required && one.isEmpty);
    if (next) next.focus();
    else this.more.focus();
  }

  reveal(control, head, items, active, empty, problem) {
    this.list.attach(control);
    expanded(control, items.length > 0);
    this.list.show(items, active);
    const trouble = problem && h("p.panel-problem", { role: "alert" }, problem);
    fill(
      this.host.panel,
      head,
      trouble,
      items.length ? this.list.element : empty && h("p.panel-empty", {}, empty),
    );
    this.host.panel.hidden = !head && !items.length;
  }

  hide() {
    clearTimeout(this.pause);
    this.asked += 1;
    this.list.show([]);
    expanded(this.current?.control ?? this.more, false);
    this.host.panel.hidden = true;
  }

  // The keyboard.

  key(event) {
    if (event.isComposing) return;
    const field = this.fields.find((one) => one.element.contains(event.target)) ?? null;
    if (!this.host.panel.hidden && this.list.key(event, { tabPicks: true })) return;
    if (event.key === "Enter") {
      if (field?.option.type === OptionType.attachment && !field.input.file) return;
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (this.host.panel.hidden || !this.list.items.length) this.host.leave("");
      else {
        this.closed = true;
        this.hide();
      }
    } else if (event.key === "Backspace") this.backspace(event, field);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.sideways(event, field);
  }

  backspace(event, field) {
    if (field ? !field.isEmpty && !field.input.file : this.more.value) return;
    event.preventDefault();
    if (field?.input.file) this.remove(field);
    else if (!field && this.fields.length) this.fields.at(-1).focus();
    else if (field && !field.option.required) this.remove(field);
    else if (this.fields.every((one) => one.isEmpty)) this.host.leave(`/${this.entry.name}`);
    else this.fields[this.fields.indexOf(field) - 1]?.focus();
  }

  sideways(event, field) {
    const at = field ? this.fields.indexOf(field) : this.fields.length;
    if (field ? !field.atEdge(event.key) : event.key === "ArrowRight" || this.more.selectionStart > 0) return;
    const next = at + (event.key === "ArrowLeft" ? -1 : 1);
    if (next < 0 || next > this.fields.length) return;
    event.preventDefault();
    if (next === this.fields.length) this.more.focus();
    else this.fields[next].focus({ atStart: event.key === "ArrowRight" });
  }

  data(focused = null) {
    const values = new Map();
    for (const field of this.fields) {
      const { value } = field.option.name === focused ? { value: field.input.text } : silently(field);
      if (value !== undefined) values.set(field.option.name, value);
    }
    return commandData(this.entry, values, { focused });
  }

  submit() {
    const wrong = this.fields.map((field) => [field, field.check().problem]).find(([, problem]) => problem);
    if (wrong) {
      wrong[0].focus();
      this.focused(wrong[0]);
      return;
    }
    const { data, files } = this.data();
    this.host.submit(data, files, this.entry, this.typedValues());
  }
}

/** The value of a field without marking it as wrong: it may be half typed. */
function silently(field) {
  const { problem } = field;
  const result = field.check();
  field.showProblem(problem);
  return result;
}

function expanded(control, open) {
  if (control.getAttribute("role") === "combobox") control.setAttribute("aria-expanded", String(open));
}

/** Libraries put three dots where nobody wrote a description. */
function described({ description }) {
  return description === "…" ? "" : description;
}

function limits({ type, min_value: least, max_value: most }) {
  if (type !== OptionType.integer && type !== OptionType.number) return null;
  if (least === undefined && most === undefined) return null;
  const text =
    least === undefined ? `up to ${most}` : most === undefined ? `from ${least}` : `${least} to ${most}`;
  return h("span.panel-limits", {}, text);
}
