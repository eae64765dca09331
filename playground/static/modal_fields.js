// The fields a modal may hold. Each is {element, component, focus(), validate(), answer(files)}.

import { fill, freshId, h } from "./dom.js";
import { Component } from "./flags.js";
import { icon } from "./icons.js";
import { MOST_BYTES, tooLarge } from "./options.js";
import { select } from "./select.js";

export function modalField(component, label, state) {
  const makers = {
    [Component.textInput]: textInput,
    [Component.fileUpload]: fileUpload,
    [Component.radioGroup]: radioGroup,
    [Component.checkboxGroup]: checkboxGroup,
    [Component.checkbox]: checkbox,
  };
  const make = makers[component.type] ?? selectInput;
  const ids = { field: freshId("field"), help: freshId("help"), problem: freshId("problem") };
  const inner = make(component, label, ids, state);
  const problem = h("p.field-problem", { id: ids.problem, role: "alert" });
  const required = component.required ?? component.type !== Component.checkbox;
  const caption = [label.label, required && h("span.required", { "aria-hidden": "true" }, " *")];
  const heading = inner.grouped ? h("legend", {}, caption) : h("label", { for: ids.field }, caption);
  const description = label.description && h("p.field-help", { id: ids.help }, label.description);
  const element = h(
    inner.grouped ? "fieldset.field" : "div.field",
    {},
    heading,
    description,
    inner.element,
    problem,
  );
  return {
    element,
    component,
    focus: inner.focus,
    answer: inner.answer,
    validate() {
      const said = inner.problem(required);
      problem.textContent = said ?? "";
      element.classList.toggle("wrong", Boolean(said));
      inner.target?.setAttribute("aria-invalid", said ? "true" : "false");
      return !said;
    },
  };
}

function textInput(component, label, ids) {
  const long = component.style === 2;
  const target = h(long ? "textarea" : "input", {
    id: ids.field,
    type: long ? null : "text",
    rows: long ? 4 : null,
    placeholder: component.placeholder,
    value: component.value ?? "",
    autocomplete: "off",
    "aria-describedby": `${label.description ? ids.help : ""} ${ids.problem}`.trim(),
  });
  const most = component.max_length ?? 4000;
  const counter = h("span.field-count", { "aria-hidden": "true" });
  const count = () =>
    fill(
      counter,
      component.max_length || target.value.length > most * 0.8 ? `${target.value.length} / ${most}` : "",
    );
  target.addEventListener("input", count);
  count();
  const problem = (required) => {
    const { length } = target.value.trim();
    if (required && !length) return "This field is required.";
    if (target.value.length > most)
      return `Write at most ${most} characters; these are ${target.value.length}.`;
    if (length && length < (component.min_length ?? 0))
      return `Write at least ${component.min_length} characters.`;
    return null;
  };
  return {
    element: h("div.field-text", {}, target, counter),
    target,
    problem,
    focus: () => target.focus(),
    answer: () => ({ value: target.value }),
  };
}

function selectInput(component, label, ids, state) {
  const inner = select(component, state, { label: label.label });
  inner.element.id = ids.field;
  const least = component.min_values ?? 1;
  const problem = (required) =>
    required && inner.values().length < least
      ? least > 1
        ? `Choose at least ${least}.`
        : "Choose one."
      : null;
  return {
    element: inner.element,
    target: inner.element,
    problem,
    focus: () => inner.element.focus(),
    answer: () => ({ values: inner.values() }),
  };
}

function fileUpload(component, label, ids) {
  const most = component.max_values ?? 1;
  const least = component.min_values ?? 1;
  let chosen = [];
  const picker = h("input.visually-hidden", { id: ids.field, type: "file", multiple: most > 1 });
  const names = h("span", {}, most > 1 ? `Choose or drop up to ${most} files` : "Choose or drop a file");
  const take = (files) => {
    chosen = files.slice(0, most);
    fill(names, chosen.map(({ name }) => name).join(", "));
    picker.dispatchEvent(new Event("input", { bubbles: true }));
  };
  picker.addEventListener("change", () => take([...picker.files]));
  const zone = h(
    "label.file-zone",
    { for: ids.field, ondragover: (event) => event.preventDefault() },
    picker,
    icon("file", 22),
    names,
  );
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  const problem = (required) => {
    if (required && chosen.length < least)
      return least > 1 ? `Choose at least ${least} files.` : "Choose a file.";
    const large = chosen.find(({ size }) => size > MOST_BYTES);
    return large ? tooLarge(large) : null;
  };
  const answer = (files) => ({ values: chosen.map((file) => String(files.push(file) - 1)) });
  return { element: zone, target: picker, problem, focus: () => picker.focus(), answer };
}

function choiceRows(component, type, name) {
  return (component.options ?? []).map((option) => {
    const input = h("input", { type, name, value: option.value, checked: Boolean(option.default) });
    return {
      input,
      row: h(
        "label.choice",
        {},
        input,
        h(
          "span.choice-text",
          {},
          h("span", {}, option.label),
          option.description && h("small", {}, option.description),
        ),
      ),
    };
  });
}

function listed(rows) {
  return h(
    "div.choices",
    {},
    rows.map(({ row }) => row),
  );
}

function radioGroup(component, label, ids) {
  const rows = choiceRows(component, "radio", ids.field);
  const value = () => rows.find(({ input }) => input.checked)?.input.value ?? null;
  const problem = (required) => (required && value() === null ? "Choose one." : null);
  return {
    grouped: true,
    element: listed(rows),
    problem,
    focus: () => rows[0]?.input.focus(),
    answer: () => ({ value: value() }),
  };
}

function checkboxGroup(component, label, ids) {
  const rows = choiceRows(component, "checkbox", ids.field);
  const values = () => rows.filter(({ input }) => input.checked).map(({ input }) => input.value);
  const least = component.min_values ?? 1;
  const most = component.max_values ?? rows.length;
  const problem = (required) => {
    const { length } = values();
    if (required && length < least) return least > 1 ? `Choose at least ${least}.` : "Choose at least one.";
    return length > most ? `Choose at most ${most}.` : null;
  };
  return {
    grouped: true,
    element: listed(rows),
    problem,
    focus: () => rows[0]?.input.focus(),
    answer: () => ({ values: values() }),
  };
}

function checkbox(component, label, ids) {
  const input = h("input", { id: ids.field, type: "checkbox", checked: Boolean(component.default) });
  return {
    element: h("div.choices", {}, input),
    target: input,
    problem: () => null,
    focus: () => input.focus(),
    answer: () => ({ value: input.checked }),
  };
}
