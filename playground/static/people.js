// How people look: a colour from their id, initials in a circle, a tag on bots.

import { h, svg } from "./dom.js";

const COLOURS = ["#5b6ee1", "#2f8f6b", "#b5573c", "#8b5cc9", "#b0437c", "#2a7fa8", "#87762b", "#c04a4a"];

export function colour(id) {
  // People made in the same moment have ids that differ in the last digits only.
  const sum = [...id].reduce((mixed, digit) => (mixed * 31 + digit.charCodeAt(0)) % 65521, 7);
  return COLOURS[sum % COLOURS.length];
}

function initials(name) {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const letters =
    words.length > 1
      ? [words[0], words.at(-1)].map((word) => [...word][0])
      : [...(words[0] ?? "?")].slice(0, 1);
  return letters.join("").toUpperCase();
}

/** The bot wears the page's own mark, everybody else their initials. */
export function avatar(state, userId, size = 40) {
  const face = state.isBot(userId) ? mark(size) : letters(state.name(userId), colour(userId), size);
  face.classList.add("avatar");
  return face;
}

function letters(name, fill, size) {
  return svg(
    [
      { tag: "circle", cx: 20, cy: 20, r: 20, fill },
      {
        tag: "text",
        x: 20,
        y: 20,
        "text-anchor": "middle",
        "dominant-baseline": "central",
        fill: "#fff",
        "font-size": 16,
        "font-weight": 600,
        text: initials(name),
      },
    ],
    { size, view: 40 },
  );
}

function mark(size) {
  return svg(
    [
      { tag: "circle", cx: 20, cy: 20, r: 20, fill: "#5a5fe0" },
      { d: "M9 28.5 17 15.5l5 7.5 3-4.3 6.5 9.8z", fill: "#fff" },
      { tag: "circle", cx: 27, cy: 13, r: 3.2, fill: "#ffd76a" },
    ],
    { size, view: 40 },
  );
}

export function botTag() {
  return h("span.bot-tag", { title: "This is a bot" }, "BOT");
}
