// Discord's markdown, from text to a tree of plain objects. Pure: no DOM, no state, every input gives a tree.
//
// A tree is a list of nodes {type, ...}: text {text}; strong, em, underline, strike, spoiler {children};
// code {text}; link {href, children}; mention {kind: "user" | "role" | "channel" | "everyone" | "command", id, text};
// emoji {name, id, animated}; time {seconds, style}; break; and the blocks
// paragraph, heading {level}, subtext, quote {children}; list {ordered, start, items}; codeblock {language, text}.

const DEEPEST = 12;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const BARE_LINK = /^https?:\/\/[^\s<]+/;

/** Inside links Discord makes no further links, and inside itself no style is repeated. */
export function parse(text) {
  return blocks(String(text ?? "").replace(/\r\n?/g, "\n"), 0);
}

/** Only the inline part, as in the titles and field names of embeds. */
export function parseInline(text) {
  return inline(String(text ?? ""), 0, {});
}

/** The text of a tree without its marks, for alternatives and notices; `names` says who and what is mentioned. */
export function plain(tree, names = {}) {
  return tree.map((node, at) => (at && BLOCKS.has(node.type) ? "\n" : "") + plainNode(node, names)).join("");
}

const BLOCKS = new Set(["paragraph", "heading", "subtext", "quote", "list", "codeblock"]);

function plainNode(node, names) {
  if (node.type === "break") return "\n";
  if (node.type === "mention") {
    const name = ["user", "role", "channel"].includes(node.kind) && names[node.kind]?.(node.id);
    return name ? `${node.text[0]}${name}` : node.text;
  }
  if (node.type === "text" || node.type === "code" || node.type === "codeblock")
    return node.text;
  if (node.type === "emoji") return `:${node.name}:`;
  if (node.type === "list") return node.items.map((item) => plain(item, names)).join("\n");
  return node.children ? plain(node.children, names) : "";
}

// Blocks: read line by line, each kind takes the lines that belong to it.

function blocks(source, depth) {
  const lines = source.split("\n");
  const out = [];
  let loose = [];
  const flush = () => {
    // Blocks bring their own space, so blank lines beside them would double it.
    const body = loose.join("\n").replace(/^\n+|\n+$/g, "");
    if (body) out.push({ type: "paragraph", children: inline(body, depth, {}) });
    loose = [];
  };
  let at = 0;
  while (at < lines.length) {
    const block =
      depth < DEEPEST
        ? (fence(lines, at) ?? quote(lines, at, depth) ?? oneLine(lines, at, depth) ?? list(lines, at, depth))
        : null;
    if (!block) {
      loose.push(lines[at]);
      at += 1;
      continue;
    }
    if (block.before) loose.push(block.before);
    flush();
    out.push(block.node);
    at = block.next;
    if (block.rest !== undefined) lines.splice(at, 0, block.rest);
  }
  flush();
  return out;
}

function fence(lines, at) {
  const opened = lines[at].indexOf("```");
  if (opened < 0 || lines[at][opened - 1] === "\\") return null;
  const body = [lines[at].slice(opened + 3), ...lines.slice(at + 1)].join("\n");
  const closed = body.indexOf("```");
  if (closed < 0 || !body.slice(0, closed).trim()) return null;
  const inside = body.slice(0, closed);
  const language = /^([a-z0-9_+.#-]+)\n/i.exec(inside)?.[1] ?? "";
  const text = (language ? inside.slice(language.length + 1) : inside).replace(/^\n/, "").replace(/\n$/, "");
  const after = body.slice(closed + 3).split("\n")[0];
  const node = { type: "codeblock", language, text };
  const next = at + inside.split("\n").length;
  return { node, next, before: lines[at].slice(0, opened), rest: after.trim() ? after : undefined };
}

function quote(lines, at, depth) {
  if (lines[at].startsWith(">>> ")) {
    const body = [lines[at].slice(4), ...lines.slice(at + 1)].join("\n");
    return { node: { type: "quote", children: blocks(body, depth + 1) }, next: lines.length };
  }
  let end = at;
  while (end < lines.length && lines[end].startsWith("> ")) end += 1;
  if (end === at) return null;
  const body = lines
    .slice(at, end)
    .map((line) => line.slice(2))
    .join("\n");
  return { node: { type: "quote", children: blocks(body, depth + 1) }, next: end };
}

function oneLine(lines, at, depth) {
  const heading = /^(#{1,3})\s+(\S.*)$/.exec(lines[at]);
  if (heading)
    return {
      node: { type: "heading", level: heading[1].length, children: inline(heading[2], depth, {}) },
      next: at + 1,
    };
  const small = /^-#\s+(\S.*)$/.exec(lines[at]);
  if (small) return { node: { type: "subtext", children: inline(small[1], depth, {}) }, next: at + 1 };
  return null;
}

const ITEM = /^( *)([-*]|\d{1,9}\.)\s+(\S.*)$/;

function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first) return null;
  const ordered = /\d/.test(first[2]);
  const indent = first[1].length;
  const items = [];
  let next = at;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next]);
    if (!item || item[1].length < indent || (item[1].length === indent && /\d/.test(item[2]) !== ordered))
      break;
    next += 1;
    const deeper = [];
    while (next < lines.length && /^ +\S/.test(lines[next]) && lines[next].search(/\S/) > indent) {
      deeper.push(lines[next]);
      next += 1;
    }
    const children = inline(item[3], depth, {});
    if (deeper.length) children.push(...blocks(dedent(deeper), depth + 1));
    items.push(children);
  }
  return { node: { type: "list", ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, items }, next };
}

function dedent(lines) {
  const margin = Math.min(...lines.map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(margin)).join("\n");
}

// Inline: at each position the first rule that applies wins; a mark without its partner is plain text.

const PAIRS = [
  ["***", (children) => ({ type: "em", children: [{ type: "strong", children }] })],
  ["**", (children) => ({ type: "strong", children })],
  ["__", (children) => ({ type: "underline", children })],
  ["~~", (children) => ({ type: "strike", children })],
  ["||", (children) => ({ type: "spoiler", children })],
  ["*", (children) => ({ type: "em", children })],
  ["_", (children) => ({ type: "em", children })],
];

function inline(text, depth, context) {
  const out = [];
  let at = 0;
  while (at < text.length) {
    const found = depth < DEEPEST ? rule(text, at, depth, context) : null;
    if (found) {
      if (found.node.type === "text") append(out, found.node.text);
      else out.push(found.node);
      at = found.next;
    } else {
      append(out, text[at]);
      at += 1;
    }
  }
  return out;
}

function append(out, text) {
  const last = out.at(-1);
  if (last?.type === "text") last.text += text;
  else out.push({ type: "text", text });
}

function rule(text, at, depth, context) {
  const char = text[at];
  if (char === "\n") return { node: { type: "break" }, next: at + 1 };
  if (char === "\\" && at + 1 < text.length && PUNCTUATION.test(text[at + 1])) {
    return { node: { type: "text", text: text[at + 1] }, next: at + 2 };
  }
  if (char === "`") return code(text, at);
  if (char === "<") return angle(text, at, context);
  if (char === "[" && !context.link) return named(text, at, depth, context);
  if (char === "h" && !context.link) return bare(text, at);
  if (char === "@") return everyone(text, at);
  if ("*_~|".includes(char)) return pair(text, at, depth, context);
  return null;
}

function code(text, at) {
  const ticks = /^`+/.exec(text.slice(at))[0];
  const closed = text.indexOf(ticks, at + ticks.length);
  if (closed < 0) return { node: { type: "text", text: ticks }, next: at + ticks.length };
  let inside = text.slice(at + ticks.length, closed);
  if (ticks.length > 1) inside = inside.replace(/^ (?=`)|(?<=`) $/g, "");
  return { node: { type: "code", text: inside }, next: closed + ticks.length };
}

const ANGLE = [
  [/^<@!?(\d{1,20})>/, ([, id]) => ({ type: "mention", kind: "user", id, text: `@${id}` })],
  [/^<@&(\d{1,20})>/, ([, id]) => ({ type: "mention", kind: "role", id, text: `@${id}` })],
  [/^<#(\d{1,20})>/, ([, id]) => ({ type: "mention", kind: "channel", id, text: `#${id}` })],
  [
    /^<\/([-\w ]{1,98}):(\d{1,20})>/,
    ([, text, id]) => ({ type: "mention", kind: "command", id, text: `/${text}` }),
  ],
  [/^<(a?):(\w{2,32}):(\d{1,20})>/, ([, a, name, id]) => ({ type: "emoji", name, id, animated: a === "a" })],
  [
    /^<t:(-?\d{1,13})(?::([tTdDfFR]))?>/,
    ([, seconds, style]) => ({ type: "time", seconds: Number(seconds), style: style ?? "f" }),
  ],
];

function angle(text, at, context) {
  const rest = text.slice(at, at + 600);
  for (const [pattern, node] of ANGLE) {
    const match = pattern.exec(rest);
    if (match) return { node: node(match), next: at + match[0].length };
  }
  const address = /^<(https?:\/\/[^\s<>]+)>/.exec(rest);
  if (!address || context.link || !safe(address[1])) return null;
  return { node: link(address[1]), next: at + address[0].length };
}

function named(text, at, depth, context) {
  const match =
    /^\[((?:\\.|[^\]\\\n])+)\]\(<?(https?:\/\/[^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?: "[^"\n]*")?\)/.exec(
      text.slice(at, at + 2500),
    );
  if (!match || !safe(match[2])) return null;
  const children = inline(match[1], depth + 1, { ...context, link: true });
  return { node: { type: "link", href: match[2], children }, next: at + match[0].length };
}

function bare(text, at) {
  if (at > 0 && /\w/.test(text[at - 1])) return null;
  const match = BARE_LINK.exec(text.slice(at, at + 2048));
  if (!match) return null;
  // A full stop or a bracket that closes the sentence around it is not part of the address.
  let address = match[0].replace(/[.,:;"'\]|*_~]+$/, "");
  while (address.endsWith(")") && count(address, ")") > count(address, "(")) address = address.slice(0, -1);
  return safe(address) ? { node: link(address), next: at + address.length } : null;
}

function count(text, char) {
  return text.split(char).length - 1;
}

function link(href) {
  return { type: "link", href, children: [{ type: "text", text: href }] };
}

/** Nothing but the web: no javascript:, data: or file: address ever becomes a link. */
export function safe(address) {
  try {
    return ["http:", "https:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

function everyone(text, at) {
  const match = /^@(everyone|here)\b/.exec(text.slice(at, at + 10));
  return match
    ? { node: { type: "mention", kind: "everyone", id: "", text: match[0] }, next: at + match[0].length }
    : null;
}

function pair(text, at, depth, context) {
  for (const [mark, make] of PAIRS) {
    if (!text.startsWith(mark, at) || context[mark]) continue;
    const closed = partner(text, at, mark);
    if (closed < 0) continue;
    const children = inline(text.slice(at + mark.length, closed), depth + 1, { ...context, [mark]: true });
    return { node: make(children), next: closed + mark.length };
  }
  return null;
}

/** Where the mark that closes the one at `at` begins, or -1. Skips escapes and code. */
function partner(text, at, mark) {
  const single = mark.length === 1;
  if (single && (/\s|^$/.test(text[at + 1] ?? "") || text[at + 1] === mark)) return -1;
  if (mark === "_" && /\w/.test(text[at - 1] ?? "")) return -1;
  let here = at + mark.length;
  while (here < text.length) {
    if (text[here] === "\\") here += 2;
    else if (text[here] === "`") here = code(text, here).next;
    else if (text.startsWith(mark, here) && closes(text, here, mark, at)) return here;
    else if (single && text[here] === mark && text[here + 1] === mark) here += 2;
    else here += 1;
  }
  return -1;
}

function closes(text, here, mark, at) {
  if (here === at + mark.length) return false;
  if (mark === "***" || mark === "||" || mark === "~~") return true;
  // In "**a *b***" the last two stars close the outer pair.
  if (mark.length === 2) return text[here + 2] !== mark[0];
  if (text[here + 1] === mark || text[here - 1] === mark)
    return mark === "*" && text[here - 1] === "*" && text[here + 1] !== "*" && text[here - 2] === "*";
  if (mark === "*") return !/\s/.test(text[here - 1]);
  return !/\w/.test(text[here + 1] ?? "");
}
