// The numbers of Discord's protocol that this page reads, by name.

export const Flag = {
  ephemeral: 1 << 6,
  loading: 1 << 7,
  failedToMention: 1 << 8,
  suppressEmbeds: 1 << 2,
  componentsV2: 1 << 15,
};

export const ChannelType = {
  text: 0,
  direct: 1,
  group: 3,
  category: 4,
  announcement: 5,
  thread: 11,
  privateThread: 12,
  forum: 15,
};

export const CommandType = { slash: 1, user: 2, message: 3 };

export const OptionType = {
  subcommand: 1,
  group: 2,
  string: 3,
  integer: 4,
  boolean: 5,
  user: 6,
  channel: 7,
  role: 8,
  mentionable: 9,
  number: 10,
  attachment: 11,
};

export const InteractionType = { command: 2, component: 3, autocomplete: 4, modal: 5 };

export const Component = {
  actionRow: 1,
  button: 2,
  stringSelect: 3,
  textInput: 4,
  userSelect: 5,
  roleSelect: 6,
  mentionableSelect: 7,
  channelSelect: 8,
  section: 9,
  textDisplay: 10,
  thumbnail: 11,
  mediaGallery: 12,
  file: 13,
  separator: 14,
  container: 17,
  label: 18,
  fileUpload: 19,
  radioGroup: 21,
  checkboxGroup: 22,
  checkbox: 23,
};
