// Opens the playground: reads who and where, connects, and puts the parts of the page together.

import { makeActions } from "./actions.js";
import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { fill, h } from "./dom.js";
import { dropzone } from "./dropzone.js";
import { Gateway } from "./gateway.js";
import { Interactions } from "./interactions.js";
import { Members } from "./members.js";
import { MessageList } from "./messages.js";
import { openModal } from "./modal.js";
import { makeNames } from "./names.js";
import { localized } from "./options.js";
import { readPlace } from "./place.js";
import { Shell } from "./shell.js";
import { Sidebar } from "./sidebar.js";
import { State } from "./state.js";

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

  const context = { world, state, api, interactions };
  context.actions = makeActions(context, user);
  context.names = makeNames(state, {
    ...context.actions,
    startCommand: (name) => context.composer.startNamed(name),
  });
  context.messages = new MessageList(context);
  context.composer = new Composer(context);
  context.shell = new Shell(context, { sidebar: new Sidebar(context), members: new Members(context) });
  fill(app, context.shell.element);
  dropzone(context.shell.chat, (files) => context.composer.takeFiles(files));

  function received(name, data) {
    if (name === "READY") state.forgetHistory();
    state.apply(name, data);
    interactions.apply(name, data);
    if (name === "READY") arrive();
    if (name === "READY" || ["GUILD_APPLICATION_COMMAND_INDEX_UPDATE", "USER_UPDATE"].includes(name)) readCommands();
    if (name === "INTERACTION_MODAL_CREATE" && interactions.isMine(data.nonce)) {
      interactions.settle(data.nonce, {});
      openModal(data, context);
    }
  }

  /** At the first READY somewhere is opened; at a later one, after a lost session, the person stays where they are. */
  function arrive() {
    if (state.active) {
      context.messages.openChannel();
      return;
    }
    const wanted = [place.channel, world.channel_id, state.channels.keys().next().value];
    const id = wanted.find((one) => state.channels.has(one));
    if (id === undefined) return;
    context.actions.openChannel(id);
    // On a phone the focus would bring up the keyboard over half of what there is to see.
    if (matchMedia("(hover: hover)").matches) context.composer.text.focus();
  }

  function connected(connection) {
    state.setConnection(connection);
    if (connection === "refused") comeBack(user);
  }

  let later = null;
  let asked = 0;

  async function readCommands() {
    clearTimeout(later);
    const number = ++asked;
    try {
      const commands = await api.commands(world.application_id, state.activeId);
      if (number !== asked) return; // a newer list has been asked for, and may be here already
      state.setCommands(commands.map((command) => localized(command, state.me?.locale)));
    } catch {
      // The connection line already says what is wrong; the next round asks again.
    }
    if (!state.commands.length) later = setTimeout(readCommands, COMMANDS_EVERY_MS);
  }

  /** Where the bot is no member, and where it is alone with somebody, there are other commands. */
  let readFor = null;
  state.on("active", () => {
    const { guild_id: guild, id } = state.active;
    if (readFor !== (guild ?? id)) readCommands();
    readFor = guild ?? id;
  });
  window.addEventListener("online", () => gateway.hurry());
  document.addEventListener("visibilitychange", () => !document.hidden && gateway.hurry());
  window.addEventListener("hashchange", () => {
    const { user: who, channel } = readPlace();
    if (who && ![user.id, user.name].includes(who)) location.reload();
    else if (channel !== state.activeId && state.channels.has(channel)) context.actions.openChannel(channel);
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
