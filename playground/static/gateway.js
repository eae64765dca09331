// The live connection: Discord's gateway protocol over a websocket, resumed when it drops.

const OP = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  resume: 6,
  reconnect: 7,
  invalid: 9,
  hello: 10,
  ack: 11,
};
const WRONG_TOKEN = 4004;
const LONGEST_WAIT_MS = 8000;

// Guilds, members, presences, messages and typing, there and in direct messages, with their content.
const INTENTS = (1 << 0) | (1 << 1) | (1 << 8) | (1 << 9) | (1 << 11) | (1 << 12) | (1 << 14) | (1 << 15);

export class Gateway {
  /**
   * onEvent(name, data) is called for each dispatch; onState("connecting" | "online" | "waiting" | "refused")
   * whenever the connection changes.
   */
  constructor(url, token, { onEvent, onState }) {
    this.url = url;
    this.token = token;
    this.onEvent = onEvent;
    this.onState = onState;
    this.sessionId = null;
    this.sequence = null;
    this.attempts = 0;
    this.closed = false;
  }

  open() {
    this.onState("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket === this.socket) this.receive(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.dropped(event.code);
    });
  }

  close() {
    this.closed = true;
    clearInterval(this.beat);
    clearTimeout(this.retry);
    this.socket?.close(1000);
  }

  /** Tries again now, for instance because the person came back to the page. */
  hurry() {
    if (this.closed || this.socket?.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.retry);
    this.open();
  }

  receive({ op, d, s, t }) {
    if (s !== null && s !== undefined) this.sequence = s;
    if (op === OP.hello) this.greet(d.heartbeat_interval);
    else if (op === OP.heartbeat) this.send(OP.heartbeat, this.sequence);
    else if (op === OP.ack) this.acknowledged = true;
    else if (op === OP.reconnect) this.socket.close(4000);
    else if (op === OP.invalid) this.invalidated(d);
    else if (op === OP.dispatch) this.dispatch(t, d);
  }

  greet(interval) {
    clearInterval(this.beat);
    this.acknowledged = true;
    this.beat = setInterval(() => this.heartbeat(), interval);
    if (this.sessionId) {
      this.send(OP.resume, { token: this.token, session_id: this.sessionId, seq: this.sequence });
    } else {
      const properties = { os: "playground", browser: "Atelier playground", device: "" };
      this.send(OP.identify, { token: this.token, properties, intents: INTENTS });
    }
  }

  heartbeat() {
    // A server that never answered the last one is gone, even if the socket has not noticed.
    if (!this.acknowledged) return this.socket.close(4000);
    this.acknowledged = false;
    this.send(OP.heartbeat, this.sequence);
  }

  invalidated(resumable) {
    if (!resumable) this.sessionId = null;
    this.socket.close(4000);
  }

  dispatch(name, data) {
    if (name === "READY") this.sessionId = data.session_id;
    if (name === "READY" || name === "RESUMED") {
      this.attempts = 0;
      this.onState("online");
    }
    this.onEvent(name, data);
  }

  dropped(code) {
    clearInterval(this.beat);
    if (this.closed) return;
    if (code === WRONG_TOKEN) {
      this.onState("refused");
      return;
    }
    // 4007 and 4009: the session is too old to go on with; a new one starts over.
    if (code === 4007 || code === 4009) this.sessionId = null;
    this.attempts += 1;
    this.onState("waiting");
    this.retry = setTimeout(() => this.open(), Math.min(250 * 2 ** this.attempts, LONGEST_WAIT_MS));
  }

  send(op, d) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ op, d }));
  }
}
