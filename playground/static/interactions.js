// What a person does with the bot: commands, presses, autocomplete, modals. Each one waits for the
// gateway to say that it succeeded, failed, or for a deadline, and views show which.

import { makeNonce } from "./api.js";
import { InteractionType } from "./flags.js";

// Discord gives the bot three seconds. The playground says so itself; this is for when even that gets lost.
const DEADLINE_MS = 8000;

export class Interactions extends EventTarget {
  constructor(state, api, gateway) {
    super();
    this.state = state;
    this.api = api;
    this.gateway = gateway;
    this.waiting = new Map();
    this.mine = new Set();
    this.echoes = [];
    this.failures = new Map();
  }

  on(topic, listener) {
    this.addEventListener(topic, (event) => listener(event.detail));
  }

  tell(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }

  /** A slash command or an entry of a context menu. Resolves when the bot has answered; never rejects. */
  async command(data, { title, files = [], channel = this.state.active }) {
    const nonce = makeNonce();
    const echo = { nonce, channelId: channel.id, title, failure: null };
    this.echoes.push(echo);
    this.tell("echoes", channel.id);
    try {
      await this.send(InteractionType.command, { channel, data, nonce, files });
      this.dismissEcho(echo);
    } catch (error) {
      echo.failure = error.message;
      this.tell("echoes", channel.id);
    }
  }

  dismissEcho(echo) {
    this.echoes = this.echoes.filter((other) => other !== echo);
    this.tell("echoes", echo.channelId);
  }

  /** A button or a select of a message. `values` is for selects. */
  async press(message, component, values = null) {
    const key = pressKey(message.id, component.custom_id);
    if (this.isPressed(message.id, component.custom_id)) return;
    this.failures.delete(message.id);
    const channel = this.state.channels.get(message.channel_id);
    const data = { component_type: component.type, custom_id: component.custom_id };
    if (values) Object.assign(data, { values, type: component.type });
    const about = { message_id: message.id, message_flags: message.flags ?? 0 };
    const sent = this.send(InteractionType.component, { channel, data, about, key });
    this.tell("pressed", message);
    try {
      await sent;
    } catch (error) {
      this.failures.set(message.id, error.message);
    }
    this.tell("pressed", message);
  }

  isPressed(messageId, customId) {
    const key = pressKey(messageId, customId);
    return [...this.waiting.values()].some((wait) => wait.key === key);
  }

  isBusy(messageId) {
    return [...this.waiting.values()].some((wait) => wait.key?.startsWith(`${messageId} `));
  }

  /** The choices for what is being typed; an empty list when the bot does not answer in time. */
  async autocomplete(data, channel = this.state.active) {
    const nonce = makeNonce();
    try {
      return await this.send(InteractionType.autocomplete, { channel, data, nonce });
    } catch {
      return [];
    }
  }

  /** Rejects with a sentence when the bot does not accept the form. */
  submitModal(modal, components, files) {
    const channel = this.state.channels.get(modal.channel_id) ?? this.state.active;
    const attachments = files.map((file, index) => ({ id: String(index), filename: file.name }));
    const data = { id: modal.id, custom_id: modal.custom_id, components, attachments };
    return this.send(InteractionType.modal, { channel, data, files });
  }

  /** Whether this window asked for what the event answers: the same person may have several windows open. */
  isMine(nonce) {
    return this.mine.has(nonce);
  }

  send(type, { channel, data, about = {}, nonce = makeNonce(), files = [], key = null }) {
    this.mine.add(nonce);
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(nonce, { failure: true }), DEADLINE_MS);
      this.waiting.set(nonce, { type, key, timer, resolve, reject });
    });
    const body = {
      type,
      application_id: this.state.world.application_id,
      guild_id: channel.guild_id,
      channel_id: channel.id,
      session_id: this.gateway.sessionId,
      nonce,
      ...about,
      data,
    };
    this.api.interact(body, files).catch((error) => this.settle(nonce, { error }));
    return answer;
  }

  /** Gateway events that end a wait. */
  apply(name, data) {
    // Suggestions come with an event of their own; that they succeeded says nothing yet.
    if (name === "INTERACTION_SUCCESS" && this.waiting.get(data.nonce)?.type !== InteractionType.autocomplete)
      this.settle(data.nonce, {});
    else if (name === "INTERACTION_FAILURE") this.settle(data.nonce, { failure: true });
    else if (name === "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE")
      this.settle(data.nonce, { answer: data.choices ?? [] });
  }

  settle(nonce, { answer = null, failure = false, error = null }) {
    const wait = this.waiting.get(nonce);
    if (!wait) return;
    clearTimeout(wait.timer);
    this.waiting.delete(nonce);
    if (error) wait.reject(error);
    else if (failure) wait.reject(new Error(FAILURES[wait.type]));
    else wait.resolve(answer);
  }
}

const FAILURES = {
  [InteractionType.command]: "The bot did not respond in time.",
  [InteractionType.component]: "This interaction failed.",
  [InteractionType.autocomplete]: "No suggestions came.",
  [InteractionType.modal]: "Something went wrong. Try again.",
};

function pressKey(messageId, customId) {
  return `${messageId} ${customId}`;
}
