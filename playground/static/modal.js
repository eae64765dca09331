// A form the bot opens: labels around text fields, selects, files, radio buttons and checkboxes.

import { fill, freshId, h } from "./dom.js";
import { openDialog } from "./dialog.js";
import { Component } from "./flags.js";
import { icon } from "./icons.js";
import { modalField } from "./modal_fields.js";
import { prose } from "./prose.js";

export function openModal(modal, { state, interactions, names }) {
  const titleId = freshId("modal-title");
  const fields = [];
  const parts = modal.components.map((component) => part(component, fields, { state, names }));
  const trouble = h("p.modal-trouble", { role: "alert" });
  const submit = h("button.button.primary", { type: "submit" }, "Submit");
  const form = h(
    "form.modal",
    { novalidate: true, onsubmit: (event) => send(event) },
    h(
      "header.modal-head",
      {},
      h("h2", { id: titleId }, modal.title),
      h(
        "button.icon-button",
        { type: "button", "aria-label": "Close", onclick: () => dialog.close() },
        icon("close"),
      ),
    ),
    h("div.modal-body", {}, parts),
    trouble,
    h(
      "footer.modal-foot",
      {},
      h("button.button.secondary", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      submit,
    ),
  );
  const dialog = openDialog(form, {
    labelledBy: titleId,
    className: "modal-dialog",
    keep: () => form.dataset.changed === "yes",
  });
  form.addEventListener("input", () => (form.dataset.changed = "yes"));
  fields[0]?.focus();
  return dialog;

  async function send(event) {
    event.preventDefault();
    const wrong = fields.filter((field) => !field.validate());
    if (wrong.length) {
      wrong[0].focus();
      return;
    }
    if (submit.disabled) return;
    submit.disabled = true;
    fill(submit, "Submit", h("span.spinner", {}, h("i"), h("i"), h("i")));
    trouble.textContent = "";
    const files = [];
    const answers = modal.components.map((component) => answer(component, fields, files)).filter(Boolean);
    try {
      await interactions.submitModal(modal, answers, files);
      dialog.close();
    } catch (error) {
      trouble.textContent = error.message;
    } finally {
      submit.disabled = false;
      fill(submit, "Submit");
    }
  }
}

function part(component, fields, context) {
  if (component.type === Component.textDisplay)
    return h("div.prose", {}, prose(component.content, context.names));
  const inner = component.type === Component.label ? component.component : component.components[0];
  const label = component.type === Component.label ? component : { label: inner.label, description: null };
  const field = modalField(inner, label, context.state);
  fields.push(field);
  return field.element;
}

/** What Discord's client sends back for one part of the form; files are collected beside it. */
function answer(component, fields, files) {
  if (component.type === Component.textDisplay) return null;
  const inner = component.type === Component.label ? component.component : component.components[0];
  const field = fields.find((one) => one.component === inner);
  const given = { type: inner.type, id: inner.id, custom_id: inner.custom_id, ...field.answer(files) };
  if (component.type === Component.label) return { type: component.type, id: component.id, component: given };
  return { type: component.type, id: component.id, components: [given] };
}
