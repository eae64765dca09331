// The right side on wide windows: who is here.

import { fill, h } from "./dom.js";
import { CommandType } from "./flags.js";
import { icon } from "./icons.js";
import { menuEntries } from "./options.js";
import { avatar, botTag } from "./people.js";
import { openMenu } from "./popover.js";

export class Members {
  constructor(context) {
    this.context = context;
    this.element = h("aside.members", { "aria-label": "Members" });
    for (const topic of ["people", "presence", "commands"]) context.state.on(topic, () => this.paint());
    this.paint();
  }

  paint() {
    const { state } = this.context;
    const ids = [...state.members.keys()].sort((one, other) =>
      state.name(one).localeCompare(state.name(other)),
    );
    const bots = ids.filter((id) => state.isBot(id));
    const people = ids.filter((id) => !state.isBot(id));
    fill(this.element, this.group("People", people), this.group("Bots", bots));
  }

  group(title, ids) {
    return ids.length
      ? h(
          "section",
          {},
          h("h2", {}, `${title} · ${ids.length}`),
          h(
            "ul",
            {},
            ids.map((id) => this.row(id)),
          ),
        )
      : null;
  }

  row(id) {
    const { state } = this.context;
    const bot = state.isBot(id);
    const online = state.isOnline(id);
    const button = h(
      "button.member",
      { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", class: online ? null : "away" },
      h("span.face", { class: online ? "online" : "offline" }, avatar(state, id, 32)),
      h("span.member-name", {}, state.name(id)),
      bot && botTag(),
    );
    button.addEventListener("click", () => openMenu(button, state.name(id), this.actions(id)));
    return h("li", {}, button);
  }

  actions(id) {
    const { state, actions } = this.context;
    const commands = menuEntries(state.commands, CommandType.user).map((command) => ({
      label: command.name,
      icon: icon("slash", 18),
      act: () => actions.useOnTarget(command, id),
    }));
    const own = id === state.me?.id;
    return [
      own
        ? null
        : { label: `Message ${state.name(id)}`, icon: icon("at", 18), act: () => actions.openDirect(id) },
      ...commands,
      { label: "Copy user ID", icon: icon("copy", 18), act: () => actions.copy(id) },
    ].filter(Boolean);
  }
}
