// Dialogs on the browser's own <dialog>: it keeps the focus inside, closes on Escape and gives the focus back.

import { h } from "./dom.js";

/** `keep` says whether a press beside the dialog must not close it, because something would be lost. */
export function openDialog(content, { label = null, labelledBy = null, className = null, keep = () => false, onClose = () => {} } = {}) {
  const before = document.activeElement;
  const dialog = h("dialog", { class: className, "aria-label": label, "aria-labelledby": labelledBy }, content);
  // A press that both begins and ends on the backdrop is meant for it; one that ends there after selecting text is not.
  let began = null;
  dialog.addEventListener("pointerdown", (event) => (began = event.target));
  dialog.addEventListener("click", (event) => event.target === dialog && began === dialog && !keep() && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
