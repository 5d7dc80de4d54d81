/* The chat page: the signed-in user, one conversation at a time, and the connection to the shop. */

import {Connection} from "./connection.js";
import {View, make} from "./view.js";

const element = id => document.getElementById(id);
const [log, composer, state, signIn] = ["messages", "composer", "state", "sign-in"].map(element);
const SUGGESTIONS = {
  user: ["Find basmati rice under 500", "What's in my cart?", "Where is my order?", "How do I return something?"],
  seller: ["How did I sell this week?", "What is low on stock?", "Which orders do I have to ship?"],
};

let user = null;
let running = null; // id of the message that is being answered
let pending = null; // the message frame that the server has not confirmed yet
let requested = null; // the history frame that is not answered yet

const view = new View(log, (messageId, accept) => {
  if (!connection.send({action: "confirm", messageId, accept})) view.enableButtons();
});
const connection = new Connection({
  opened() {
    state.textContent = "";
    if (conversation() === "") resume();
    else loadHistory();
  },
  received(frame) {
    on[frame.type]?.(frame);
  },
  lost() {
    [requested, state.textContent] = [null, "Reconnecting …"];
  },
  signedOut() {
    showSignedIn(false);
  },
});

const on = {
  started({conversationId, messageId}) {
    if (!pending) return loadHistory(); // sent in another window
    pending = null;
    setConversation(conversationId);
    if (!view.has(messageId)) view.addAnswer(messageId);
    setRunning(messageId);
  },
  token({messageId, text}) {
    if (isShown(messageId)) view.appendText(messageId, text);
  },
  tool({messageId, name, status}) {
    if (isShown(messageId)) view.setActivity(messageId, status === "started" ? name.replaceAll("_", " ") : "");
  },
  message(frame) {
    if (!frame.confirms && !isShown(frame.messageId)) return;
    view.showAnswer(frame);
    if (frame.confirms) view.showDecision(frame.confirms, frame.accepted);
    showModel(frame);
  },
  done({messageId, status}) {
    if (!view.has(messageId)) return;
    view.finish(messageId, status);
    if (messageId === running) setRunning(null);
  },
  history({conversationId, messages, nextCursor}) {
    if (!requested?.cursor) view.clear();
    requested = null;
    setConversation(conversationId ?? "");
    element("earlier")?.remove();
    showModel(messages.findLast(one => one.model));
    view.prependPage(messages, nextCursor && earlier(nextCursor));
    resume(messages);
    setRunning(messages.find(one => one.status === "running")?.messageId ?? (pending && "soon"));
  },
  error({code, message, messageId}) {
    if (code === "TOO_MANY_CONNECTIONS") { // a reconnection would close the connection of another window
      connection.close();
      state.textContent = `${message}. Reload the page to continue here.`;
    } else if (messageId) {
      if (view.has(messageId)) view.showError(messageId, message);
      if (messageId === running) setRunning(null);
    } else if (requested) {
      requested = null;
      if (code === "CONVERSATION_UNKNOWN") startNew();
      else view.addNote(message, "words error");
    } else {
      view.addNote(message, "words error");
      if (pending) withdrawPending(code);
      else if (code === "DECIDED") loadHistory();
      else view.enableButtons();
    }
  },
};

const conversation = () => sessionStorage.getItem("conversation"); // null is the latest, "" a new one
const setConversation = id => sessionStorage.setItem("conversation", id);
const inConversation = () => (conversation() ? {conversationId: conversation()} : {});

function isShown(messageId) {
  if (!view.has(messageId)) loadHistory();
  return view.has(messageId);
}

function loadHistory(cursor) {
  if (requested) return;
  requested = {action: "history", ...inConversation(), ...(cursor && {cursor})};
  if (!connection.send(requested)) requested = null;
}

/* Sends the pending message after a reconnection, unless the server has it. */
function resume(messages = []) {
  if (pending && messages.some(one => one.clientMessageId === pending.clientMessageId)) pending = null;
  if (pending) {
    if (messages.length) view.addQuestion(pending.text, pending.clientMessageId);
    connection.send(pending);
  } else if (!log.children.length) welcome();
}

function withdrawPending(code) {
  view.removeQuestion(pending.clientMessageId);
  if (!composer.text.value) composer.text.value = pending.text;
  if (code === "CONVERSATION_UNKNOWN") setConversation("");
  pending = null;
  setRunning(null);
}

function sendMessage(text) {
  element("welcome")?.remove();
  pending = {action: "message", text, clientMessageId: crypto.randomUUID(), ...inConversation()};
  view.addQuestion(text, pending.clientMessageId);
  setRunning("soon");
  connection.send(pending);
}

function showModel(message) {
  if (message?.model) element("model").textContent = `Answers by ${message.model}`;
}

function setRunning(messageId) {
  running = messageId;
  element("send").hidden = Boolean(messageId);
  element("stop").hidden = !messageId;
  element("stop").disabled = messageId === "soon";
}

function startNew() {
  setConversation("");
  [requested, pending] = [null, null];
  setRunning(null);
  welcome();
}

function welcome() {
  const chips = SUGGESTIONS[user?.role ?? "user"].map(text => {
    const chip = Object.assign(make("button", "", text), {type: "button"});
    chip.addEventListener("click", () => sendMessage(text));
    return chip;
  });
  const box = make("div", "", make("p", "", `Hello${user ? ` ${user.fullName.firstName}` : ""}! What can I do for you?`), ...chips);
  box.id = "welcome";
  view.clear(box);
}

function earlier(cursor) {
  const button = Object.assign(make("button", "", "Earlier messages"), {type: "button", id: "earlier"});
  button.addEventListener("click", () => loadHistory(cursor));
  return button;
}

function showSignedIn(isSignedIn) {
  signIn.hidden = isSignedIn;
  for (const part of [log, composer, element("menu")]) part.hidden = !isSignedIn;
  if (!isSignedIn) state.textContent = "";
  if (matchMedia("(hover: hover)").matches) (isSignedIn ? composer.text : signIn.email).focus(); // not on touch screens, where the keyboard would open
}

async function start() {
  const answer = await fetch("/api/auth/me").catch(() => null);
  if (answer?.status === 401) return showSignedIn(false);
  if (answer?.ok) user = (await answer.json()).user;
  showSignedIn(true);
  state.textContent = "Connecting …";
  connection.open();
}

signIn.addEventListener("submit", async event => {
  event.preventDefault();
  const body = JSON.stringify({email: signIn.email.value, password: signIn.password.value});
  const answer = await fetch("/api/auth/login", {method: "POST", headers: {"content-type": "application/json"}, body}).catch(() => null);
  element("sign-in-error").textContent = answer?.ok ? "" : answer ? (await answer.json()).message : "The shop does not respond.";
  if (!answer?.ok) return;
  signIn.reset();
  start();
});

composer.addEventListener("submit", event => {
  event.preventDefault();
  const text = composer.text.value.trim();
  if (!text || running) return;
  composer.reset();
  sendMessage(text);
});

composer.text.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

element("stop").addEventListener("click", () => connection.send({action: "stop", ...inConversation()}));
element("new").addEventListener("click", startNew);
element("delete").addEventListener("click", async () => {
  if (!conversation() || !confirm("Delete this conversation and all of its messages?")) return;
  const answer = await fetch(`/api/ai/conversations/${conversation()}`, {method: "DELETE"}).catch(() => null);
  if (answer?.ok || answer?.status === 404) startNew();
  else view.addNote("The conversation could not be deleted. Try again.", "words error");
});
element("sign-out").addEventListener("click", async () => {
  connection.close();
  await fetch("/api/auth/logout", {method: "POST"}).catch(() => null);
  sessionStorage.removeItem("conversation");
  [user, pending] = [null, null];
  setRunning(null);
  view.clear();
  showSignedIn(false);
});

start();
