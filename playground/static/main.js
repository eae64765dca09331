// Opens the playground: reads who and where, connects, and puts the parts of the page together.

import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { fill, h } from "./dom.js";
import { dropzone } from "./dropzone.js";
import { CommandType } from "./flags.js";
import { Gateway } from "./gateway.js";
import { icon } from "./icons.js";
import { Interactions } from "./interactions.js";
import { Members } from "./members.js";
import { MessageList } from "./messages.js";
import { openModal } from "./modal.js";
import { menuEntries } from "./options.js";
import { Shell } from "./shell.js";
import { Sidebar } from "./sidebar.js";
import { State } from "./state.js";
import { openMenu } from "./popover.js";
import { makeNames } from "./names.js";
import { readPlace, writePlace } from "./place.js";

const COMMANDS_EVERY_MS = 3000;

async function boot() {
  const app = document.getElementById("app");
  try {
    const response = await fetch("/playground/world.json");
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    start(app, await response.json());
  } catch (error) {
    fill(
      app,
      h(
        "p.boot",
        { role: "alert" },
        `The playground could not be opened: ${error.message}. `,
        h("button.button.primary", { type: "button", onclick: () => location.reload() }, "Try again"),
      ),
    );
  }
}

function start(app, world) {
  const place = readPlace();
  const user = world.users.find(({ id, name }) => id === place.user || name === place.user) ?? world.users[0];
  const state = new State(world);
  // The page is served by the same process as the API, under whichever name the browser used.
  const api = new Api(new URL(world.api).pathname.replace(/\/$/, ""), user.token);
  const socket = new URL(world.gateway);
  socket.host = location.host;
  socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const gateway = new Gateway(socket.href, user.token, { onEvent: received, onState: connected });
  const interactions = new Interactions(state, api, gateway);

  const actions = {
    openChannel(id) {
      state.open(id);
      writePlace({ user: user.name, channel: id });
      shell.closeDrawer();
    },
    async openDirect(userId) {
      try {
        const channel = await api.openDirectMessage(userId);
        state.onCHANNEL_CREATE(channel);
        actions.openChannel(channel.id);
      } catch (error) {
        shell.notice(error.message);
      }
    },
    openMessage(channelId, id) {
      if (channelId !== state.activeId) actions.openChannel(channelId);
      messages.seek(id);
    },
    become(id) {
      writePlace({ user: world.users.find((one) => one.id === id).name, channel: state.activeId });
      location.reload();
    },
    dismiss: (message) => state.dismiss(message),
    jumpTo: (id) => messages.jumpTo(id),
    copy(text) {
      navigator.clipboard?.writeText(text).then(
        () => shell.notice("Copied."),
        () => shell.notice("The browser did not allow copying."),
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
    openMessageMenu(message, anchor) {
      const direct = !state.active.guild_id;
      const commands = menuEntries(state.commands, CommandType.message, { direct }).map((command) => ({
        label: command.name,
        icon: icon("slash", 18),
        act: () => actions.useOnTarget(command, message.id),
      }));
      const text = message.content
        ? [{ label: "Copy text", icon: icon("copy", 18), act: () => actions.copy(message.content) }]
        : [];
      const remove = state.mayDelete(message)
        ? [
            {
              label: "Delete message",
              icon: icon("close", 18),
              danger: true,
              act: () => api.deleteMessage(message).catch((error) => shell.notice(error.message)),
            },
          ]
        : [];
      openMenu(anchor, "Message", [
        ...commands,
        ...text,
        { label: "Copy message ID", icon: icon("copy", 18), act: () => actions.copy(message.id) },
        ...remove,
      ]);
    },
  };

  const names = makeNames(state, {
    openChannel: actions.openChannel,
    openMessage: actions.openMessage,
    copy: actions.copy,
    startCommand: (name) => composer.startNamed(name),
  });
  const context = { world, state, api, interactions, names, actions, directory: () => names.directory() };
  const sidebar = new Sidebar(context);
  const messages = new MessageList(context);
  const composer = new Composer(context);
  const shell = new Shell(context, { sidebar, messages, composer, members: new Members(context) });
  fill(app, shell.element);
  dropzone(shell.chat, (files) => composer.takeFiles(files));

  function received(name, data) {
    if (name === "READY") state.forgetHistory();
    state.apply(name, data);
    interactions.apply(name, data);
    if (name === "READY") arrive();
    if (name === "READY" || name === "GUILD_APPLICATION_COMMAND_INDEX_UPDATE") readCommands();
    if (name === "INTERACTION_MODAL_CREATE" && interactions.isMine(data.nonce)) {
      interactions.settle(data.nonce, {});
      openModal(data, context);
    }
  }

  function arrive() {
    const wanted = [state.activeId, place.channel, world.channel_id, state.channels.keys().next().value];
    const id = wanted.find((one) => state.channels.has(one));
    if (id === undefined) return;
    const first = state.activeId === null;
    actions.openChannel(id);
    if (first && matchMedia("(hover: hover)").matches) composer.text.focus();
  }

  function connected(connection) {
    state.setConnection(connection);
    if (connection === "refused") comeBack(user);
  }

  let first = true;

  async function readCommands() {
    clearTimeout(readCommands.timer);
    try {
      const commands = await api.commands(world.application_id);
      if (first || JSON.stringify(commands) !== JSON.stringify(state.commands)) state.setCommands(commands);
      first = false;
    } catch {
      // The connection line already says what is wrong; the next round asks again.
    }
    if (!state.commands.length) readCommands.timer = setTimeout(readCommands, COMMANDS_EVERY_MS);
  }

  window.addEventListener("online", () => gateway.hurry());
  document.addEventListener("visibilitychange", () => !document.hidden && gateway.hurry());
  window.addEventListener("hashchange", () => {
    const next = readPlace();
    if (next.user && next.user !== user.id && next.user !== user.name) location.reload();
    else if (next.channel && next.channel !== state.activeId && state.channels.has(next.channel))
      actions.openChannel(next.channel);
  });
  gateway.open();
}

/** A playground that was started again has other people with other tokens: begin again, unless that is not why. */
async function comeBack(user) {
  const response = await fetch("/playground/world.json").catch(() => null);
  const world = response?.ok ? await response.json() : null;
  if (world && !world.users.some(({ token }) => token === user.token)) location.reload();
}

/** Phones that lay their keyboard over the page say so only through the visual viewport. */
function followKeyboard() {
  const { visualViewport: view } = window;
  const app = document.getElementById("app");
  view?.addEventListener("resize", () => {
    const covered = view.scale === 1 && window.innerHeight - view.height > 1;
    app.style.height = covered ? `${view.height}px` : "";
    if (covered) window.scrollTo(0, 0);
  });
}

followKeyboard();
boot();
