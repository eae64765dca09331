// A small panel beside what opened it: menus of selects, of messages, of the person. One at a time.

import { h } from "./dom.js";

const GAP = 6;
const EDGE = 8;
let open = null;

/**
 * Shows `content` next to `anchor`, or `at` a point {x, y}; `onClose` hears of every way in which it ends.
 * Returns a function that closes it.
 */
export function openPopover(anchor, content, { label, role = null, wide = false, at = null, onClose = () => {} } = {}) {
  open?.();
  const panel = h(
    "div.popover",
    { popover: "auto", role, "aria-label": label, class: wide ? "wide" : null },
    content,
  );
  // A modal dialog makes everything outside it inert, so a panel that belongs to one has to live in it.
  (anchor.closest("dialog") ?? document.body).append(panel);
  panel.showPopover();
  place(panel, anchor, at);
  anchor.setAttribute("aria-expanded", "true");
  const reposition = () => (anchor.isConnected ? place(panel, anchor, at) : close());
  window.addEventListener("resize", reposition);
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    if (open === close) open = null;
    const hadFocus = panel.contains(document.activeElement) || document.activeElement === document.body;
    window.removeEventListener("resize", reposition);
    anchor.setAttribute("aria-expanded", "false");
    panel.remove();
    if (hadFocus) anchor.focus({ preventScroll: true });
    onClose();
  };
  panel.addEventListener("toggle", (event) => event.newState === "closed" && close());
  open = close;
  return close;
}

function place(panel, anchor, point) {
  const at = point ? new DOMRect(point.x, point.y, 0, 0) : anchor.getBoundingClientRect();
  panel.style.minWidth = `${Math.min(at.width, 480)}px`;
  const { width, height } = panel.getBoundingClientRect();
  const below = window.innerHeight - at.bottom - GAP - EDGE;
  const above = at.top - GAP - EDGE;
  const up = below < Math.min(height, 260) && above > below;
  panel.style.maxHeight = `${Math.max(120, up ? above : below)}px`;
  const real = Math.min(height, up ? above : below);
  panel.style.left = `${Math.max(EDGE, Math.min(at.left, window.innerWidth - width - EDGE))}px`;
  panel.style.top = `${up ? at.top - GAP - real : at.bottom + GAP}px`;
}

/** A menu of actions: [{label, icon, danger, act}], next to `anchor` or `at` a point {x, y}. */
export function openMenu(anchor, label, actions, at = null) {
  const list = h("div.menu", {
    role: "menu",
    "aria-label": label,
    onkeydown: (event) => moveInMenu(event, list),
  });
  const close = openPopover(anchor, list, { label, at });
  list.append(
    ...actions.map((action) => {
      const choose = () => {
        close();
        action.act();
      };
      const checked = action.checked === undefined ? null : String(action.checked);
      return h(
        "button.menu-item",
        {
          type: "button",
          role: checked ? "menuitemradio" : "menuitem",
          "aria-checked": checked,
          class: action.danger ? "danger" : null,
          onclick: choose,
        },
        action.icon,
        h("span", {}, action.label),
        action.note && h("span.menu-note", {}, action.note),
      );
    }),
  );
  place(list.closest(".popover"), anchor, at);
  list.querySelector("[aria-checked=true], .menu-item")?.focus();
}

function moveInMenu(event, list) {
  const items = [...list.children];
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  items.at(next % items.length)?.focus();
}
