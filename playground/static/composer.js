// Where people write: plain messages with files, or a slash command with its options.

import { makeNonce } from "./api.js";
import { autosize } from "./autosize.js";
import { CommandForm } from "./command_form.js";
import { fill, h } from "./dom.js";
import { EXAMPLES, exampleCommand } from "./examples.js";
import { FileTray } from "./file_tray.js";
import { icon } from "./icons.js";
import { Listbox } from "./listbox.js";
import { entries, readLine, readOptions, search } from "./options.js";
import { avatar } from "./people.js";

const LONGEST = 2000;
const COUNTED_FROM = 1800;
const TYPING_EVERY_MS = 8000;

export class Composer {
  constructor(context) {
    this.context = context;
    this.drafts = new Map();
    this.form = null;
    this.last = null;
    this.list = new Listbox({ label: "Commands", onPick: (item) => this.start(item.entry, new Map()) });
    this.panel = h("div.composer-panel", { hidden: true, onmousedown: (event) => event.preventDefault() });
    this.tray = new FileTray((problem) => this.complain(problem));
    this.text = h("textarea.composer-text", {
      rows: 1,
      enterkeyhint: "send",
      autocomplete: "off",
      "aria-autocomplete": "list",
      "aria-haspopup": "listbox",
      oninput: () => {
        this.complain("");
        this.typed();
      },
      onkeydown: (event) => this.key(event),
      onblur: () => this.hidePanel(),
      onfocus: () => this.typed(),
    });
    autosize(this.text);
    this.slot = h("div.composer-slot", {}, this.text);
    this.note = h("p.composer-note", { role: "status" });
    this.chips = h("div.chips");
    const picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1" });
    picker.addEventListener("change", () => {
      this.takeFiles([...picker.files]);
      picker.value = "";
    });
    this.attach = h(
      "button.icon-button.attach",
      {
        type: "button",
        "aria-label": "Attach a file",
        title: "Attach a file",
        onclick: () => picker.click(),
      },
      icon("plus", 22),
    );
    this.sendButton = h(
      "button.icon-button.send",
      { type: "submit", "aria-label": "Send", title: "Send" },
      icon("send", 22),
    );
    this.element = h(
      "form.composer",
      { onsubmit: (event) => this.submitted(event), onpaste: (event) => this.pasted(event) },
      this.chips,
      this.panel,
      h(
        "div.composer-box",
        {},
        this.tray.element,
        h("div.composer-row", {}, this.attach, picker, this.slot, this.sendButton),
      ),
      this.note,
    );

    const { state } = context;
    state.on("active", () => this.opened());
    state.on("commands", () => this.refreshed());
    state.on("people", () => this.refreshed());
    this.refreshed();
  }

  /** The commands that can be used here. */
  get entries() {
    return entries(this.context.state.commands);
  }

  /** The same, but first what was used last, or else what there is to try. */
  get likely() {
    const { entries } = this;
    const name = this.last?.name ?? exampleCommand(entries)?.entry.name;
    return [...entries.filter((one) => one.name === name), ...entries.filter((one) => one.name !== name)];
  }

  /** Each channel has its own unfinished text. */
  opened() {
    const { state } = this.context;
    if (this.channelId)
      this.drafts.set(
        this.channelId,
        this.form
          ? { name: this.form.entry.name, values: this.form.typedValues() }
          : { text: this.text.value },
      );
    // What was typed while the page was still connecting belongs to the first channel that opens.
    const first = !this.channelId;
    const early = first ? this.text.value : "";
    this.channelId = state.activeId;
    const draft = this.drafts.get(this.channelId) ?? { text: early };
    const resumed = draft.name && this.startNamed(draft.name, draft.values, { focus: false });
    if (!resumed) this.leave(draft.text ?? "", { focus: false });
    if (!first) this.complain("");
    this.refreshed();
  }

  refreshed() {
    const { state, names } = this.context;
    const example = exampleCommand(this.entries);
    const place = state.active ? names.title(state.active) : "";
    const allowed = state.maySpeak;
    const invitation = example ? `Try /imagine ${shortEnough(EXAMPLES[0])}` : `Message ${place}`;
    this.text.placeholder = allowed ? invitation : `You may read ${place}, but not write here.`;
    this.text.setAttribute("aria-label", `Message ${place}`);
    for (const control of [this.text, this.attach, this.sendButton]) control.disabled = !allowed;
    this.element.classList.toggle("closed", !allowed);
    this.paintChips(example);
    this.form?.renew(this.entries);
    if (document.activeElement === this.text) this.typed();
  }

  /** Things to try, until this person has sent a first command. */
  paintChips(example) {
    const { state } = this.context;
    const hidden =
      !example || !state.maySpeak || this.form || !state.me || localStorage.getItem(`began ${state.me.id}`);
    this.chips.hidden = Boolean(hidden);
    if (hidden) return;
    const chip = (words) =>
      h(
        "button.chip",
        { type: "button", onclick: () => this.start(example.entry, new Map([[example.option.name, words]])) },
        words,
      );
    fill(this.chips, h("span.chips-label", {}, "Try one:"), EXAMPLES.map(chip));
  }

  // Plain text.

  typed() {
    const { value } = this.text;
    const line = readLine(value, this.entries);
    if (line) {
      this.start(line.entry, readOptions(line.entry, line.rest));
      return;
    }
    this.count(value);
    this.sayTyping(value);
    const wanted =
      value.startsWith("/") && !value.includes("\n") ? search(this.likely, value.slice(1)) : null;
    if (!wanted) {
      this.hidePanel();
      return;
    }
    const { state } = this.context;
    const face = () => state.bot && avatar(state, state.bot.id, 28);
    this.list.attach(this.text);
    this.list.show(
      wanted.map((entry) => ({
        entry,
        icon: face(),
        label: `/${entry.name}`,
        detail: entry.description,
        note: entry.options
          .filter(({ required }) => required)
          .map(({ name }) => name)
          .join(" "),
      })),
    );
    const nothing = state.commands.length ? "No command fits." : state.noCommands;
    fill(
      this.panel,
      wanted.length
        ? [h("div.panel-head", {}, h("strong", {}, "Commands")), this.list.element]
        : h("p.panel-empty", {}, nothing),
    );
    this.panel.hidden = false;
  }

  /** Others see "Anna is typing…" while this goes on. */
  sayTyping(value) {
    if (!this.channelId || !value || value.startsWith("/")) return;
    if (Date.now() - (this.saidTyping ?? 0) < TYPING_EVERY_MS) return;
    this.saidTyping = Date.now();
    // Whether it is heard makes no difference to the person who types.
    this.context.api.typing(this.channelId).catch(() => {});
  }

  count(value) {
    const left = LONGEST - [...value].length;
    if (left < LONGEST - COUNTED_FROM)
      this.complain(left >= 0 ? `${left} characters left` : `${-left} characters too many`);
  }

  key(event) {
    if (event.isComposing) return;
    if (!this.panel.hidden && this.list.key(event, { tabPicks: true })) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.element.requestSubmit();
    } else if (event.key === "Escape" && !this.panel.hidden) {
      event.preventDefault();
      this.hidePanel();
    } else if (event.key === "ArrowUp" && !this.text.value && this.last) {
      event.preventDefault();
      this.startNamed(this.last.name, this.last.values);
    } else if (event.key === "Backspace" && !this.text.value) this.tray.removeLast();
  }

  hidePanel() {
    this.list.show([]);
    this.panel.hidden = true;
  }

  async submitted(event) {
    event.preventDefault();
    if (this.form) {
      this.form.submit();
      return;
    }
    if (this.text.value.startsWith("/") && (await this.isCommand())) return;
    const content = this.text.value.trim();
    const { files } = this.tray;
    if ((!content && !files.length) || [...content].length > LONGEST || !this.context.state.active) return;
    this.text.value = "";
    this.saidTyping = 0;
    this.tray.clear();
    this.hidePanel();
    try {
      await this.context.api.say(this.channelId, content, files, makeNonce());
    } catch (error) {
      // What was written is not lost, unless the person has begun something new.
      if (!this.text.value && !this.form) this.text.value = content;
      if (!this.tray.files.length) this.tray.add(files);
      this.complain(`Not sent. ${error.message}`);
    }
  }

  /** A line that is sent before the commands are known, or names one without a space after it. */
  async isCommand() {
    await this.context.state.commandsRead;
    // Their arrival may have made a form of the line already.
    if (this.form) {
      this.form.submit();
      return true;
    }
    const line = readLine(`${this.text.value} `, this.entries);
    // Where the bot has no commands, a line that begins like one is a message.
    const nobody = !this.context.state.commands.length && !this.context.state.botOnline;
    if (nobody) this.complain(this.context.state.noCommands);
    if (line) {
      this.start(line.entry, readOptions(line.entry, line.rest));
      this.form.submit();
    }
    return Boolean(line) || nobody;
  }

  complain(problem) {
    this.note.textContent = problem ?? "";
  }

  // Commands.

  /** Begins a command, with values by option name. */
  start(entry, values, { focus = true } = {}) {
    this.complain("");
    const files = this.tray.files;
    const form = new CommandForm(entry, values, {
      panel: this.panel,
      directory: () => this.context.names.directory(),
      complete: (data) => this.context.interactions.autocomplete(data),
      submit: (...sent) => this.sendCommand(...sent),
      leave: (text) => this.leave(text),
    });
    this.form = form;
    this.text.value = "";
    this.hidePanel();
    fill(this.slot, form.element);
    this.element.classList.add("with-command");
    this.chips.hidden = true;
    if (files.length && form.takeFile(files[0])) this.tray.clear();
    if (focus) form.focus();
  }

  /** Begins a command by its name. Says whether there is one. */
  startNamed(name, values = new Map(), how = {}) {
    const entry = this.entries.find((one) => one.name === name);
    if (entry) this.start(entry, values, how);
    return Boolean(entry);
  }

  leave(text, { focus = true } = {}) {
    this.form = null;
    this.panel.hidden = true;
    this.text.value = text;
    this.element.classList.remove("with-command");
    fill(this.slot, this.text);
    this.paintChips(exampleCommand(this.entries));
    if (!focus) return;
    this.text.focus();
    this.typed();
  }

  sendCommand(data, files, entry, values) {
    const { state, interactions } = this.context;
    localStorage.setItem(`began ${state.me.id}`, "yes");
    this.last = { name: entry.name, values };
    this.leave("");
    interactions.command(data, { title: `/${entry.name}`, files });
  }

  // Files, from wherever they come.

  takeFiles(files) {
    if (!files.length || !this.context.state.maySpeak) return;
    if (!this.form) {
      this.tray.add(files);
      this.text.focus();
    } else if (!this.form.takeFile(files[0])) this.complain(`/${this.form.entry.name} takes no file.`);
  }

  pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.takeFiles(files);
  }
}

/** On a narrow screen an example must still be readable where it stands as a placeholder. */
function shortEnough(example) {
  return matchMedia("(max-width: 500px)").matches ? example.split(" ").slice(0, 2).join(" ") : example;
}
