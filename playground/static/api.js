// Discord's HTTP interface, as its own client uses it: a person's token, JSON, files as multipart.

class ApiError extends Error {
  constructor(status, body) {
    super(sentence(status, body));
    this.status = status;
    this.code = body?.code ?? 0;
  }
}

/** What to tell a person: the innermost reasons Discord gives, or its message, or the plain fact. */
function sentence(status, body) {
  const reasons = [];
  collect(body?.errors, reasons);
  if (reasons.length) return reasons.join(" ");
  if (body?.message) return body.message;
  return `The server answered ${status}.`;
}

function collect(errors, reasons) {
  if (!errors || typeof errors !== "object") return;
  for (const [key, value] of Object.entries(errors)) {
    if (key === "_errors" && Array.isArray(value)) reasons.push(...value.map((error) => error.message));
    else collect(value, reasons);
  }
}

export class Api {
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  async request(method, path, body = null, files = []) {
    const headers = { Authorization: this.token };
    let payload = null;
    if (files.length) {
      payload = new FormData();
      payload.append("payload_json", JSON.stringify(body));
      files.forEach((file, index) => payload.append(`files[${index}]`, file, file.name));
    } else if (body !== null) {
      payload = JSON.stringify(body);
      headers["Content-Type"] = "application/json";
    }
    let response;
    try {
      response = await fetch(this.base + path, { method, headers, body: payload });
    } catch {
      throw new ApiError(0, { message: "The playground does not answer. Is it still running?" });
    }
    const text = await response.text();
    const answer = parsed(text);
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer;
  }

  messages(channelId, { before = null, limit = 50 } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before) query.set("before", before);
    return this.request("GET", `/channels/${channelId}/messages?${query}`);
  }

  /** Those that this person may use in a channel. */
  commands(applicationId, channelId) {
    const query = new URLSearchParams(channelId ? { channel_id: channelId } : {});
    return this.request("GET", `/applications/${applicationId}/commands?${query}`);
  }

  say(channelId, content, files, nonce) {
    const attachments = files.map((file, index) => ({ id: String(index), filename: file.name }));
    return this.request("POST", `/channels/${channelId}/messages`, { content, nonce, attachments }, files);
  }

  typing(channelId) {
    return this.request("POST", `/channels/${channelId}/typing`);
  }

  deleteMessage(message) {
    return this.request("DELETE", `/channels/${message.channel_id}/messages/${message.id}`);
  }

  interact(body, files = []) {
    return this.request("POST", "/interactions", body, files);
  }

  speak(locale) {
    return this.request("PATCH", "/users/@me/settings", { locale });
  }

  openDirectMessage(userId) {
    return this.request("POST", "/users/@me/channels", { recipient_id: userId });
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

// Discord makes ids from the time since 2015 in milliseconds; a nonce is one that the client makes itself.
const EPOCH = 1420070400000n;
let counter = 0n;

export function makeNonce() {
  counter = (counter + 1n) % 4194304n;
  return (((BigInt(Date.now()) - EPOCH) << 22n) + counter).toString();
}

export function snowflakeTime(id) {
  return Number((BigInt(id) >> 22n) + EPOCH);
}
