// What a person can do from several places of the page: go somewhere, become somebody, use a menu.

import { CommandType } from "./flags.js";
import { icon } from "./icons.js";
import { menuEntries } from "./options.js";
import { writePlace } from "./place.js";
import { openMenu } from "./popover.js";

/** `context` holds the parts of the page; they may come into it later, before the first action. */
export function makeActions(context, user) {
  const { world, state, api, interactions } = context;
  const actions = {
    openChannel(id) {
      state.open(id);
      writePlace({ user: user.name, channel: id });
      context.shell.closeDrawer();
    },
    async openDirect(userId) {
      try {
        const channel = await api.openDirectMessage(userId);
        state.onCHANNEL_CREATE(channel);
        actions.openChannel(channel.id);
      } catch (error) {
        context.shell.notice(error.message);
      }
    },
    openMessage(channelId, id) {
      if (channelId !== state.activeId) actions.openChannel(channelId);
      context.messages.seek(id);
    },
    become(id) {
      writePlace({ user: world.users.find((one) => one.id === id).name, channel: state.activeId });
      location.reload();
    },
    async speak(locale) {
      try {
        await api.speak(locale);
      } catch (error) {
        context.shell.notice(error.message);
      }
    },
    dismiss: (message) => state.dismiss(message),
    jumpTo: (id) => context.messages.jumpTo(id),
    copy(text) {
      navigator.clipboard?.writeText(text).then(
        () => context.shell.notice("Copied."),
        () => context.shell.notice("The browser did not allow copying."),
      );
    },
    useOnTarget(command, targetId) {
      const data = {
        version: command.version,
        id: command.id,
        name: command.name,
        type: command.type,
        target_id: targetId,
        options: [],
        attachments: [],
      };
      interactions.command(data, { title: command.name });
    },
    openMessageMenu(message, anchor, at = null) {
      const entries = [...commandEntries(message), ...textEntries(message), ...deleteEntries(message)];
      openMenu(anchor, "Message", entries, at);
    },
  };

  function commandEntries(message) {
    const act = (command) => () => actions.useOnTarget(command, message.id);
    const commands = menuEntries(state.commands, CommandType.message);
    return commands.map((command) => ({ label: command.shown ?? command.name, icon: icon("slash", 18), act: act(command) }));
  }

  function textEntries({ id, channel_id: channel, content }) {
    const entry = (label, text) => ({ label, icon: icon("copy", 18), act: () => actions.copy(text) });
    const server = state.channels.get(channel)?.guild_id ?? "@me";
    return [
      ...(content ? [entry("Copy text", content)] : []),
      entry("Copy message link", `https://discord.com/channels/${server}/${channel}/${id}`),
      entry("Copy message ID", id),
    ];
  }

  function deleteEntries(message) {
    if (!state.mayDelete(message)) return [];
    const act = () => api.deleteMessage(message).catch((error) => context.shell.notice(error.message));
    return [{ label: "Delete message", icon: icon("close", 18), danger: true, act }];
  }

  return actions;
}
