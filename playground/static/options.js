// Commands and their options: finding them, reading them from typed text, checking values, building the
// request. Pure: people, channels and roles come in as `directory` {users, channels, roles}: [{id, name}].

import { ChannelType, CommandType, OptionType } from "./flags.js";

export const MOST_BYTES = 10 * 1024 * 1024;

/** A command as it reads in a language; the names that are sent to the bot stay as they are. */
export function localized(command, locale) {
  return { ...described(command, locale), shown: command.name_localizations?.[locale] ?? command.name };
}

function described(node, locale) {
  const said = { ...node, description: node.description_localizations?.[locale] ?? node.description };
  if (node.options) said.options = node.options.map((option) => described(option, locale));
  if (node.choices)
    said.choices = node.choices.map(({ name, value, name_localizations: names }) => ({
      name: names?.[locale] ?? name,
      value,
    }));
  return said;
}

/** Slash commands with their subcommands side by side: {name, path, description, options, command}. */
export function entries(commands) {
  return commands
    .filter((command) => (command.type ?? CommandType.slash) === CommandType.slash)
    .flatMap((command) => leaves(command, [command.name], command))
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** Entries of the context menus of messages or people. */
export function menuEntries(commands, type) {
  return commands.filter((command) => command.type === type);
}

function leaves(node, path, command) {
  const below = (node.options ?? []).filter(
    ({ type }) => type === OptionType.subcommand || type === OptionType.group,
  );
  if (below.length) return below.flatMap((child) => leaves(child, [...path, child.name], command));
  return [
    { name: path.join(" "), path, description: node.description, options: node.options ?? [], command },
  ];
}

/** Commands that fit what is typed after the slash, best first. */
export function search(list, typed) {
  const wanted = typed.toLowerCase().trim();
  const rank = (entry) =>
    entry.name.startsWith(wanted)
      ? 0
      : entry.name.includes(wanted)
        ? 1
        : entry.description?.toLowerCase().includes(wanted)
          ? 2
          : 3;
  return list.filter((entry) => rank(entry) < 3).sort((one, other) => rank(one) - rank(other));
}

/** "/imagine a red star" → {entry, rest: "a red star"}; null while no command's whole name stands there. */
export function readLine(text, list) {
  if (!text.startsWith("/")) return null;
  const line = text.slice(1);
  const known = [...list].sort((one, other) => other.name.length - one.name.length);
  const entry = known.find(
    ({ name }) => line.toLowerCase().startsWith(name) && /\s/.test(line[name.length] ?? ""),
  );
  return entry ? { entry, rest: line.slice(entry.name.length).trim() } : null;
}

/** What follows a command's name: "prompt:a star steps:30", or plain words for the first option. */
export function readOptions(entry, rest) {
  const values = new Map();
  if (!rest) return values;
  const names = entry.options.map(({ name }) => name);
  const label = new RegExp(`(?:^|\\s)(${names.join("|")}):\\s*`, "g");
  const found = names.length ? [...rest.matchAll(label)] : [];
  if (found[0]?.index === 0) {
    found.forEach((match, index) =>
      values.set(match[1], rest.slice(match.index + match[0].length, found[index + 1]?.index).trim()),
    );
  } else if (entry.options.length) {
    const first =
      entry.options.find(({ required, type }) => required && type !== OptionType.attachment) ??
      entry.options.find(({ type }) => type === OptionType.string);
    if (first) values.set(first.name, rest);
  }
  return values;
}

/** What can be picked for an option: [{name, value}], or null where anything may be typed. */
export function choicesOf(option, directory) {
  if (option.choices?.length) return option.choices.map(({ name, value }) => ({ name, value }));
  const ids = (list, mark = "") => list.map(({ id, name }) => ({ name: mark + name, value: id }));
  switch (option.type) {
    case OptionType.boolean:
      return [
        { name: "True", value: true },
        { name: "False", value: false },
      ];
    case OptionType.user:
      return ids(directory.users);
    case OptionType.channel:
      return ids(
        directory.channels.filter(
          ({ type }) => !option.channel_types?.length || option.channel_types.includes(type),
        ),
        "#",
      );
    case OptionType.role:
      return ids(directory.roles, "@");
    case OptionType.mentionable:
      return [...ids(directory.users), ...ids(directory.roles, "@")];
    default:
      return null;
  }
}

/**
 * {value} that may be sent, {problem} in words, or {} for an optional one left empty.
 * `input` is {text, picked, file}: what is typed, the choice taken from a list, the file given.
 */
export function check(option, input, directory) {
  if (option.type === OptionType.attachment) return checkFile(option, input.file);
  const text = (input.text ?? "").trim();
  if (input.picked) return { value: input.picked.value };
  if (!text) return option.required ? { problem: "This option is required." } : {};
  const choices = choicesOf(option, directory);
  if (choices) {
    const same = choices.find(
      ({ name, value }) =>
        plainName(name) === plainName(text) || String(value).toLowerCase() === text.toLowerCase(),
    );
    return same ? { value: same.value } : { problem: "Pick one of the choices." };
  }
  if (option.type === OptionType.integer || option.type === OptionType.number)
    return checkNumber(option, text);
  return checkText(option, text);
}

function plainName(name) {
  return name.toLowerCase().replace(/^[@#]/, "");
}

function checkFile(option, file) {
  if (!file) return option.required ? { problem: "This option needs a file." } : {};
  if (file.size > MOST_BYTES) return { problem: tooLarge(file) };
  return { value: file };
}

export function tooLarge(file) {
  return `${file.name} is ${(file.size / 1024 / 1024).toFixed(1)} MB; a file may have at most 10 MB.`;
}

function checkNumber(option, text) {
  const whole = option.type === OptionType.integer;
  if (!(whole ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)$/).test(text))
    return { problem: whole ? "Enter a whole number." : "Enter a number, such as 7.5." };
  const value = Number(text);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return { problem: "This number is too large." };
  if (option.min_value !== undefined && value < option.min_value)
    return { problem: `The smallest value is ${option.min_value}.` };
  if (option.max_value !== undefined && value > option.max_value)
    return { problem: `The largest value is ${option.max_value}.` };
  return { value };
}

function checkText(option, text) {
  const length = [...text].length;
  if (option.min_length && length < option.min_length)
    return { problem: `Write at least ${option.min_length} characters.` };
  const most = option.max_length ?? 6000;
  if (length > most) return { problem: `Write at most ${most} characters; these are ${length}.` };
  return { value: text };
}

/** The `data` of an interaction; `focused` names the option that is being completed. Files ride beside it. */
export function commandData(entry, values, { focused = null } = {}) {
  const files = [];
  const options = [];
  for (const { name, type } of entry.options) {
    if (!values.has(name)) continue;
    const value = values.get(name);
    const given = { type, name, value: value instanceof File ? String(files.push(value) - 1) : value };
    options.push(name === focused ? { ...given, focused: true } : given);
  }
  const { command } = entry;
  const nested = entry.path
    .slice(1)
    .reduceRight(
      (inner, name, index) => [
        {
          type: entry.path.length === 3 && index === 0 ? OptionType.group : OptionType.subcommand,
          name,
          options: inner,
        },
      ],
      options,
    );
  const data = {
    version: command.version,
    id: command.id,
    name: command.name,
    type: command.type ?? CommandType.slash,
    options: nested,
    attachments: files.map((file, index) => ({ id: String(index), filename: file.name })),
  };
  if (command.guild_id) data.guild_id = command.guild_id;
  return { data, files };
}

export function isDirect(channel) {
  return channel?.type === ChannelType.direct || channel?.type === ChannelType.group;
}
