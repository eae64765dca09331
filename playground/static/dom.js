// Makes elements out of plain values. Text only ever becomes text nodes, so nothing anyone
// writes can turn into markup; there is no other way in this page to make an element.

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button.primary", {onclick: f, "aria-label": "Send"}, "text", child, null)
 * Properties that start with "on" are listeners, `dataset` is copied, `false` and `null` leave an attribute out.
 */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = [element.className, value].filter(Boolean).join(" ");
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "muted")
      element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/** Flattens lists and drops what is not there, so that a child may be written as `condition && h(...)`. */
export function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

export function svg(paths, { size = 20, view = 24, label = null } = {}) {
  const element = document.createElementNS(SVG, "svg");
  const attributes = {
    viewBox: `0 0 ${view} ${view}`,
    width: size,
    height: size,
    fill: "none",
    focusable: "false",
  };
  if (label) Object.assign(attributes, { role: "img", "aria-label": label });
  else attributes["aria-hidden"] = "true";
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const path of [paths].flat()) element.append(shape(path));
  return element;
}

function shape(path) {
  const { tag = "path", text = null, ...attributes } = typeof path === "string" ? stroke(path) : path;
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  return element;
}

function stroke(d) {
  return {
    d,
    stroke: "currentColor",
    "stroke-width": 2,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  };
}

let lastId = 0;

/** An id no other element has, for aria-controls, aria-labelledby and the like. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
