// What ids stand for: names of people, roles and channels, for mentions, titles and option lists.

import { isDirect } from "./options.js";

/** What acts: {openChannel(id), openMessage(channel, id), startCommand(name), copy(text)}. */
export function makeNames(state, { openChannel, openMessage, startCommand, copy }) {
  const names = {
    openChannel,
    openMessage,
    copy,
    startCommand: (text) => startCommand(text.replace(/^\//, "")),
    user: (id) => (state.users.has(id) ? state.name(id) : null),
    role: (id) => state.guild?.roles?.find((role) => role.id === id)?.name.replace(/^@/, "") ?? null,
    channel: (id) => state.channels.get(id)?.name ?? null,
    place: (id) => (state.channels.has(id) ? names.title(state.channels.get(id)) : null),
    title(channel) {
      if (!isDirect(channel)) return `#${channel.name}`;
      const others = (channel.recipients ?? []).filter(({ id }) => id !== state.me?.id);
      return others.map(({ id }) => state.name(id)).join(", ") || channel.name || "Direct message";
    },
    /** Who and what an option of a command may name. */
    directory: () => ({
      users: [...state.members.keys()].map((id) => ({ id, name: state.name(id) })),
      channels: [...state.channels.values()]
        .filter(({ guild_id: guild }) => guild && guild === state.guild?.id)
        .map(({ id, name, type }) => ({ id, name, type })),
      roles: (state.guild?.roles ?? []).map(({ id, name }) => ({ id, name: name.replace(/^@/, "") })),
    }),
  };
  return names;
}
