// The files that wait in the composer to be sent with a plain message.

import { fill, h } from "./dom.js";
import { fileSize } from "./format.js";
import { icon } from "./icons.js";
import { MOST_BYTES, tooLarge } from "./options.js";

const MOST_FILES = 10;

export class FileTray {
  constructor(complain) {
    this.complain = complain;
    this.files = [];
    this.previews = new Map();
    this.element = h("ul.file-tray", { "aria-label": "Files to send", hidden: true });
  }

  add(files) {
    for (const file of files) {
      if (file.size > MOST_BYTES) this.complain(tooLarge(file));
      else if (this.files.length >= MOST_FILES) this.complain(`A message takes at most ${MOST_FILES} files.`);
      else this.files = [...this.files, file];
    }
    this.paint();
  }

  remove(file) {
    this.files = this.files.filter((other) => other !== file);
    this.paint();
  }

  removeLast() {
    if (this.files.length) this.remove(this.files.at(-1));
  }

  clear() {
    this.files = [];
    this.paint();
  }

  paint() {
    for (const [file, url] of this.previews) {
      if (this.files.includes(file)) continue;
      URL.revokeObjectURL(url);
      this.previews.delete(file);
    }
    this.element.hidden = !this.files.length;
    fill(
      this.element,
      this.files.map((file) => this.card(file)),
    );
  }

  card(file) {
    const remove = h(
      "button.icon-button",
      { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => this.remove(file) },
      icon("close", 16),
    );
    return h(
      "li.tray-file",
      {},
      this.preview(file),
      h("span.tray-name", {}, file.name),
      h("small", {}, fileSize(file.size)),
      remove,
    );
  }

  preview(file) {
    if (!/^image\/(png|jpeg|webp|gif|avif)$/.test(file.type))
      return h("span.tray-icon", {}, icon("file", 32));
    if (!this.previews.has(file)) this.previews.set(file, URL.createObjectURL(file));
    return h("img.tray-picture", { src: this.previews.get(file), alt: "" });
  }
}
