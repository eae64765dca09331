// Dialogs on the browser's own <dialog>: it keeps the focus inside, closes on Escape and gives the focus back.

import { h } from "./dom.js";

/** `keep` says whether a press beside the dialog must not close it, because something would be lost. */
export function openDialog(
  content,
  { label = null, labelledBy = null, className = null, keep = () => false, onClose = () => {} } = {},
) {
  const giveBack = rememberFocus();
  const dialog = h(
    "dialog",
    { class: className, "aria-label": label, "aria-labelledby": labelledBy },
    content,
  );
  // A press that both begins and ends on the backdrop is meant for it; one that ends there after selecting text is not.
  let began = null;
  dialog.addEventListener("pointerdown", (event) => (began = event.target));
  dialog.addEventListener(
    "click",
    (event) => event.target === dialog && began === dialog && !keep() && dialog.close(),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    giveBack();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** The way back to what has the focus now, even if its message is drawn anew in the meantime. */
function rememberFocus() {
  const before = document.activeElement;
  const message = before?.closest("[data-id]")?.dataset.id;
  const key = before?.dataset.focus;
  return () => {
    const again =
      message && key
        ? document.querySelector(`[data-id="${CSS.escape(message)}"] [data-focus="${CSS.escape(key)}"]`)
        : null;
    (before?.isConnected ? before : again)?.focus({ preventScroll: true });
  };
}
