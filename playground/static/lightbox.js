// A picture on its own, as large as the window allows, with its neighbours one arrow away.

import { fill, h } from "./dom.js";
import { openDialog } from "./dialog.js";
import { icon } from "./icons.js";

const SWIPE_PX = 50;

export function openLightbox(items, start) {
  if (start < 0) return;
  let at = start;
  const stage = h("div.lightbox-stage");
  const caption = h("figcaption.lightbox-caption");
  const tools = h("div.lightbox-tools");
  const step = (by) => {
    at = (at + by + items.length) % items.length;
    show();
  };
  const previous = h(
    "button.round-button.previous",
    { type: "button", "aria-label": "Previous picture", onclick: () => step(-1) },
    icon("left", 26),
  );
  const next = h(
    "button.round-button.next",
    { type: "button", "aria-label": "Next picture", onclick: () => step(1) },
    icon("right", 26),
  );
  const many = items.length > 1;
  const figure = h("figure.lightbox", {}, stage, caption, many && previous, many && next, tools);
  const dialog = openDialog(figure, { label: "Picture", className: "lightbox-dialog" });
  const exit = h(
    "button.round-button",
    { type: "button", "aria-label": "Close", onclick: () => dialog.close() },
    icon("close", 22),
  );

  function show() {
    const item = items[at];
    const picture = h("img", { src: item.url, alt: item.alt || item.name || "" });
    if (item.width && item.height) enlarge(picture, item);
    fill(stage, picture);
    const count = many ? `${at + 1} of ${items.length}` : null;
    fill(
      caption,
      h("span", {}, item.alt || item.name),
      h(
        "small",
        {},
        [count, item.width && `${item.width} × ${item.height}`, item.name].filter(Boolean).join(" · "),
      ),
    );
    fill(
      tools,
      h(
        "a.round-button",
        {
          href: item.url,
          target: "_blank",
          rel: "noopener",
          "aria-label": "Open original",
          title: "Open original",
        },
        icon("open"),
      ),
      h(
        "a.round-button",
        { href: item.url, download: item.name ?? "", "aria-label": "Download", title: "Download" },
        icon("download"),
      ),
      exit,
    );
  }

  figure.addEventListener(
    "click",
    (event) => (event.target === stage || event.target === figure) && dialog.close(),
  );
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" && many) step(-1);
    if (event.key === "ArrowRight" && many) step(1);
  });
  let from = null;
  stage.addEventListener("touchstart", (event) => (from = event.changedTouches[0].clientX), {
    passive: true,
  });
  stage.addEventListener("touchend", (event) => {
    const moved = event.changedTouches[0].clientX - from;
    if (many && Math.abs(moved) > SWIPE_PX) step(moved < 0 ? 1 : -1);
  });
  show();
  exit.focus();
}

/** A small drawing fills the window up to five times its size; a large one is only ever made smaller, by the stylesheet. */
function enlarge(picture, { width, height }) {
  const room = Math.min((window.innerWidth * 0.9) / width, (window.innerHeight * 0.74) / height, 5);
  if (room > 1) {
    picture.style.width = `${Math.floor(width * room)}px`;
    picture.style.height = `${Math.floor(height * room)}px`;
  }
}
