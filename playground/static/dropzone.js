// Files dragged over the chat: a veil says where they go, and the composer takes them.

import { h } from "./dom.js";
import { icon } from "./icons.js";

export function dropzone(area, takeFiles) {
  const veil = h(
    "div.drop-veil",
    { hidden: true, "aria-hidden": "true" },
    icon("image", 40),
    h("span", {}, "Drop the file here"),
  );
  area.append(veil);
  // dragenter and dragleave come for every child as well, so they are counted.
  let depth = 0;
  const enter = (by) => (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    depth = Math.max(0, depth + by);
    veil.hidden = depth === 0;
  };
  area.addEventListener("dragenter", enter(1));
  area.addEventListener("dragleave", enter(-1));
  area.addEventListener("dragover", (event) => event.preventDefault());
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    takeFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
