// Who may write where, by Discord's rules. Pure.

const ADMINISTRATOR = 1n << 3n;
const SEND_MESSAGES = 1n << 11n;
const SEND_MESSAGES_IN_THREADS = 1n << 38n;
const MANAGE_MESSAGES = 1n << 13n;
const EVERYTHING = (1n << 53n) - 1n;

/** The permission bits of a member in a channel of the guild. */
export function permissions(guild, channel, member, userId) {
  const mine = new Set([guild.id, ...(member?.roles ?? [])]);
  const held = (guild.roles ?? [])
    .filter(({ id }) => mine.has(id))
    .reduce((bits, role) => bits | BigInt(role.permissions ?? 0), 0n);
  if (guild.owner_id === userId || held & ADMINISTRATOR) return EVERYTHING;
  const rules = channel.permission_overwrites ?? [];
  const groups = [
    rules.filter(({ id }) => id === guild.id),
    rules.filter(({ id, type }) => type === 0 && id !== guild.id && mine.has(id)),
    rules.filter(({ id }) => id === userId),
  ];
  return groups.reduce((bits, group) => {
    const denied = group.reduce((sum, rule) => sum | BigInt(rule.deny ?? 0), 0n);
    const allowed = group.reduce((sum, rule) => sum | BigInt(rule.allow ?? 0), 0n);
    return (bits & ~denied) | allowed;
  }, held);
}

/** Direct messages are always open to those who are in them. In a thread hold the rules of its `parent`. */
export function maySpeak(guild, channel, member, userId, parent = null) {
  if (!channel.guild_id || !guild?.roles?.some(({ permissions: bits }) => bits !== undefined)) return true;
  const held = permissions(guild, parent ?? channel, member, userId);
  return Boolean(held & (parent ? SEND_MESSAGES_IN_THREADS : SEND_MESSAGES));
}

export function mayManage(guild, channel, member, userId) {
  return Boolean(channel.guild_id && guild && permissions(guild, channel, member, userId) & MANAGE_MESSAGES);
}

/** The colour of a member's name: that of the highest of their roles that has one, or null. */
export function nameColour(guild, member) {
  const roles = (guild?.roles ?? []).filter(({ id, color }) => color && member?.roles?.includes(id));
  const highest = roles.sort((one, other) => (other.position ?? 0) - (one.position ?? 0))[0];
  return highest ? `#${highest.color.toString(16).padStart(6, "0")}` : null;
}
