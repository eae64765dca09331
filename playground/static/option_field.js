// One option of a command as a pill: its name, a field for its value, its suggestions, its problem.

import { autosize } from "./autosize.js";
import { fill, freshId, h } from "./dom.js";
import { OptionType } from "./flags.js";
import { icon } from "./icons.js";
import { check, choicesOf } from "./options.js";

const LONGEST_LIST = 60;

export class OptionField {
  /** `form` hears of what happens here: changed(field), focused(field), blurred(field), removed(field). */
  constructor(option, form) {
    this.option = option;
    this.form = form;
    this.input = { text: "", picked: null, file: null };
    this.touched = false;
    const id = freshId("option");
    this.control = option.type === OptionType.attachment ? this.fileControl(id) : this.textControl(id);
    this.element = h(
      "div.pill",
      { dataset: { option: option.name } },
      h("label.pill-name", { for: id }, option.name),
      this.control,
    );
    this.element.addEventListener("mousedown", (event) => {
      if (event.target === this.control || this.control.contains(event.target)) return;
      event.preventDefault();
      this.focus();
    });
  }

  textControl(id) {
    const numeric = { [OptionType.integer]: "numeric", [OptionType.number]: "decimal" }[this.option.type];
    const isText = this.option.type === OptionType.string && !this.option.choices?.length;
    const control = h(isText ? "textarea.pill-field" : "input.pill-field", {
      id,
      rows: isText ? 1 : null,
      type: isText ? null : "text",
      // Negative numbers have no minus sign on many numeric keyboards.
      inputmode: numeric && (this.option.min_value ?? -1) >= 0 ? numeric : null,
      enterkeyhint: "send",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: isText ? "true" : "false",
      "aria-required": this.option.required ? "true" : null,
      "aria-description": this.option.description,
      // A text area is a text box to those who hear the page; only a line of text may be a combobox.
      role: this.suggests && !isText ? "combobox" : null,
      "aria-expanded": this.suggests && !isText ? "false" : null,
      "aria-autocomplete": this.suggests ? "list" : null,
      oninput: () => this.typed(),
      onfocus: () => this.form.focused(this),
      onblur: () => this.form.blurred(this),
    });
    autosize(control);
    return control;
  }

  fileControl(id) {
    const picker = h("input", { type: "file", hidden: true, tabindex: "-1" });
    picker.addEventListener("change", () => picker.files[0] && this.setFile(picker.files[0]));
    this.fileName = h("span.pill-file-name", {}, "choose, drop or paste a file");
    const button = h(
      "button.pill-file",
      {
        type: "button",
        id,
        "aria-required": this.option.required ? "true" : null,
        onclick: () => picker.click(),
        onfocus: () => this.form.focused(this),
        onblur: () => this.form.blurred(this),
      },
      icon("file", 16),
      this.fileName,
    );
    button.append(picker);
    return button;
  }

  get suggests() {
    return Boolean(this.option.autocomplete || choicesOf(this.option, this.form.directory()));
  }

  get isEmpty() {
    return !this.input.file && !this.input.picked && !this.input.text;
  }

  typed() {
    // An option is one line for Discord; a pasted poem becomes one.
    if (/\n/.test(this.control.value)) this.control.value = this.control.value.replace(/\s*\n\s*/g, " ");
    this.input = { ...this.input, text: this.control.value, picked: null };
    this.showProblem(null);
    this.form.changed(this);
  }

  set(text) {
    this.control.value = text;
    this.control.dispatchEvent(new Event("input"));
  }

  pick(choice) {
    this.control.value = choice.name;
    this.input = { text: choice.name, picked: choice, file: null };
    this.showProblem(null);
  }

  setFile(file) {
    this.input = { ...this.input, file };
    fill(this.fileName, file.name);
    this.showProblem(check(this.option, this.input, this.form.directory()).problem ?? null);
    this.form.changed(this);
  }

  /** Suggestions that need nobody's answer. */
  choices() {
    const all = choicesOf(this.option, this.form.directory());
    if (!all) return null;
    const typed = this.input.picked ? "" : this.input.text.trim().toLowerCase();
    return all.filter(({ name }) => name.toLowerCase().includes(typed)).slice(0, LONGEST_LIST);
  }

  check() {
    const result = check(this.option, this.input, this.form.directory());
    this.showProblem(result.problem ?? null);
    return result;
  }

  showProblem(problem) {
    this.problem = problem;
    this.element.classList.toggle("wrong", Boolean(problem));
    if (problem) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  focus({ atStart = false } = {}) {
    this.control.focus();
    const at = atStart ? 0 : this.control.value?.length;
    this.control.setSelectionRange?.(at, at);
  }

  /** Whether the cursor stands at an end of the field, where an arrow leads to the neighbour. */
  atEdge(key) {
    if (this.option.type === OptionType.attachment) return true;
    const { selectionStart, selectionEnd, value } = this.control;
    return selectionStart === selectionEnd && selectionStart === (key === "ArrowLeft" ? 0 : value.length);
  }
}
