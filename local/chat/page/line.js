/* The line to the shop: a socket that a ticket opens, and that opens again when it is cut. */

const HEARTBEAT = 5 * 60 * 1000; // API Gateway ends a connection that is silent for ten minutes
const LONGEST_PAUSE = 15_000;

export class Line {
  #socket = null;
  #failures = 0;
  #timer = 0;

  /* `heard` is told `open`, `frame` with each of them, `lost`, and `stranger` when nobody is signed in. */
  constructor(heard) {
    this.heard = heard;
    setInterval(() => this.send({action: "ping"}), HEARTBEAT);
    addEventListener("online", () => this.#isClosed && this.open());
  }

  get #isClosed() {
    return this.#socket?.readyState === WebSocket.CLOSED;
  }

  async open() {
    clearTimeout(this.#timer);
    const answer = await fetch("/api/ai/ticket", {method: "POST"}).catch(() => null);
    if (answer?.status === 401) return this.heard.stranger();
    if (!answer?.ok) return this.#again();
    const {ticket} = await answer.json();
    const socket = new WebSocket(`/ws?ticket=${encodeURIComponent(ticket)}`);
    socket.addEventListener("open", () => { this.#failures = 0; this.heard.open(); });
    socket.addEventListener("message", ({data}) => this.heard.frame(JSON.parse(data)));
    socket.addEventListener("close", () => { if (socket === this.#socket) this.#again(); });
    this.#socket = socket;
  }

  /* Whether it went out; what did not is for the caller to say again after `open`. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  hangUp() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #again() {
    this.heard.lost();
    this.#timer = setTimeout(() => this.open(), Math.min(500 * 2 ** this.#failures++, LONGEST_PAUSE));
  }
}
