"use strict";

const element = id => document.getElementById(id);
const talk = element("talk"), say = element("say"), state = element("state"), signIn = element("sign-in");
const turns = new Map(); // message id -> the bubble it streams into
let socket = null, conversation = sessionStorage.getItem("conversation"), running = null, retry = 0;

function add(kind, text = "") {
  const box = Object.assign(document.createElement("div"), {className: kind, textContent: text});
  talk.append(box);
  box.scrollIntoView({block: "end"});
  return box;
}

function amount(price) {
  const locale = price.currency === "INR" ? "en-IN" : "en-US";
  return new Intl.NumberFormat(locale, {style: "currency", currency: price.currency}).format(price.amount);
}

function product(one) {
  const card = Object.assign(document.createElement("a"), {className: "product", href: "/api/products/" + encodeURIComponent(one.id), target: "_blank", rel: "noopener"});
  const image = one.image ?? one.images?.[0]?.thumbnail;
  if (image?.startsWith(location.origin)) card.append(Object.assign(document.createElement("img"), {src: image, alt: "", loading: "lazy"}));
  card.append(Object.assign(document.createElement("strong"), {textContent: one.title}));
  card.append(amount(one.price) + (one.stock === 0 ? " · sold out" : ""));
  return card;
}

function shelf(products) {
  const box = add("products");
  box.append(...products.map(product));
  box.scrollIntoView({block: "end"});
}

function question(messageId, wording) {
  const box = add("confirm");
  const answer = (label, accept) => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: label});
    button.addEventListener("click", () => {
      box.querySelectorAll("button").forEach(one => { one.disabled = true; });
      send({action: "confirm", messageId, accept});
    });
    return button;
  };
  box.append(Object.assign(document.createElement("p"), {textContent: wording}), answer("Yes, do it", true), answer("No", false));
  box.scrollIntoView({block: "end"});
}

function busy(messageId) {
  running = messageId;
  element("send").hidden = Boolean(messageId);
  element("stop").hidden = !messageId;
}

function bubble(messageId) {
  if (!turns.has(messageId)) turns.set(messageId, add("words assistant waiting"));
  return turns.get(messageId);
}

function remember(id) {
  conversation = id;
  id ? sessionStorage.setItem("conversation", id) : sessionStorage.removeItem("conversation");
}

const shown = {
  started(frame) {
    if (frame.conversationId) remember(frame.conversationId);
    bubble(frame.messageId);
    busy(frame.messageId);
  },
  token(frame) {
    bubble(frame.messageId).append(frame.text);
    talk.scrollTop = talk.scrollHeight;
  },
  tool(frame) {
    state.textContent = frame.status === "started" ? `Looking: ${frame.name.replaceAll("_", " ")} …` : "";
  },
  message(frame) {
    const words = bubble(frame.messageId);
    words.textContent = frame.text; // the whole answer, whatever was missed on the way
    words.classList.remove("waiting");
    if (frame.products?.length) shelf(frame.products);
    if (frame.confirm) question(frame.messageId, frame.confirm.text);
  },
  done(frame) {
    state.textContent = "";
    turns.get(frame.messageId)?.classList.remove("waiting");
    turns.delete(frame.messageId);
    busy(null);
  },
  error(frame) {
    add("words error", frame.message);
    state.textContent = "";
    busy(null);
  },
  history(frame) {
    talk.replaceChildren();
    for (const message of frame.messages) {
      add(`words ${message.role}`, message.text);
      if (message.products?.length) shelf(message.products);
    }
  },
  pong() {},
};

function send(frame) {
  if (socket?.readyState === WebSocket.OPEN) return socket.send(JSON.stringify(frame));
  add("note", "Not connected. Trying again …");
  open();
}

async function open() {
  const answer = await fetch("/api/ai/ticket", {method: "POST"});
  if (answer.status === 401) return ask();
  if (!answer.ok) return again();
  const {ticket} = await answer.json();
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws?ticket=${encodeURIComponent(ticket)}`);
  socket.addEventListener("open", () => {
    retry = 0;
    state.textContent = "";
    show(true);
    if (conversation) send({action: "history", conversationId: conversation});
  });
  socket.addEventListener("message", event => {
    const frame = JSON.parse(event.data);
    shown[frame.type]?.(frame);
  });
  socket.addEventListener("close", again);
}

function again() {
  busy(null);
  retry = Math.min(retry + 1, 6);
  state.textContent = "Connection lost, trying again …";
  setTimeout(open, 500 * 2 ** retry);
}

function show(signedIn) {
  signIn.hidden = signedIn;
  for (const id of ["talk", "say", "leave", "anew"]) element(id).hidden = !signedIn;
  if (signedIn) say.text.focus();
}

function ask() {
  show(false);
  state.textContent = "";
}

signIn.addEventListener("submit", async event => {
  event.preventDefault();
  const body = JSON.stringify({email: signIn.email.value, password: signIn.password.value});
  const answer = await fetch("/api/auth/login", {method: "POST", headers: {"content-type": "application/json"}, body});
  if (answer.ok) open();
  else state.textContent = (await answer.json()).message;
});

say.addEventListener("submit", event => {
  event.preventDefault();
  const text = say.text.value.trim();
  if (!text || running) return;
  add("words user", text);
  say.reset();
  send({action: "message", text, clientMessageId: crypto.randomUUID(), ...(conversation && {conversationId: conversation})});
});

say.text.addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say.requestSubmit();
  }
});

element("stop").addEventListener("click", () => send({action: "stop", conversationId: conversation}));
element("anew").addEventListener("click", () => { remember(null); talk.replaceChildren(); });
element("leave").addEventListener("click", async () => {
  remember(null);
  socket?.removeEventListener("close", again);
  await fetch("/api/auth/logout", {method: "POST"});
  socket?.close();
  talk.replaceChildren();
  ask();
});
setInterval(() => { if (socket?.readyState === WebSocket.OPEN) send({action: "ping"}); }, 5 * 60 * 1000);

open();
