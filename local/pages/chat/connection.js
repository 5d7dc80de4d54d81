/* A WebSocket that a ticket opens, and that opens again when it is lost. */

const HEARTBEAT = 5 * 60 * 1000; // API Gateway closes a connection after ten minutes of silence
const MAX_DELAY = 15_000;

export class Connection {
  #socket = null;
  #failures = 0;
  #timer = 0;

  /* Calls `opened`, `received` with each frame, `lost`, and `signedOut` when the session has ended. */
  constructor(handlers) {
    this.handlers = handlers;
    setInterval(() => this.send({action: "ping"}), HEARTBEAT);
    addEventListener("online", () => this.#isClosed && this.open());
  }

  get #isClosed() {
    return this.#socket?.readyState === WebSocket.CLOSED;
  }

  async open() {
    clearTimeout(this.#timer);
    const response = await fetch("/api/ai/ticket", {method: "POST"}).catch(() => null);
    if (response?.status === 401) return this.handlers.signedOut();
    if (!response?.ok) return this.#retry();
    const {ticket} = await response.json();
    const socket = new WebSocket(`/ws?ticket=${encodeURIComponent(ticket)}`);
    socket.addEventListener("open", () => { this.#failures = 0; this.handlers.opened(); });
    socket.addEventListener("message", ({data}) => this.handlers.received(JSON.parse(data)));
    socket.addEventListener("close", () => { if (socket === this.#socket) this.#retry(); });
    this.#socket = socket;
  }

  /* Returns whether the frame was sent. The caller sends other frames again after `opened`. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #retry() {
    this.handlers.lost();
    this.#timer = setTimeout(() => this.open(), Math.min(500 * 2 ** this.#failures++, MAX_DELAY));
  }
}
