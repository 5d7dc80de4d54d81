/* The page: a person, one conversation at a time, and the line to the shop. */

import {Line} from "./line.js";
import {View, make} from "./view.js";

const element = id => document.getElementById(id);
const [talk, say, state, signIn] = ["talk", "say", "state", "sign-in"].map(element);
const ASK_FIRST = {
  user: ["Find basmati rice under 500", "What's in my cart?", "Where is my order?", "How do I return something?"],
  seller: ["How did I sell this week?", "What is low on stock?", "Which orders do I have to ship?"],
};

let person = null;
let running = null; // id of the message that is being answered
let unsaid = null; // the frame that nobody has taken note of yet
let asked = null; // the page of history that is awaited

const view = new View(talk, (messageId, accept) => {
  if (!line.send({action: "confirm", messageId, accept})) view.askAgain();
});
const line = new Line({
  open() {
    state.textContent = "";
    if (conversation() === "") resume();
    else lookBack();
  },
  frame(frame) {
    heard[frame.type]?.(frame);
  },
  lost() {
    [asked, state.textContent] = [null, "Connecting again …"];
  },
  stranger() {
    show(false);
  },
});

const heard = {
  started({conversationId, messageId}) {
    if (!unsaid) return lookBack(); // said in another window
    unsaid = null;
    remember(conversationId);
    if (!view.has(messageId)) view.begin(messageId);
    busy(messageId);
  },
  token({messageId, text}) {
    if (isKnown(messageId)) view.more(messageId, text);
  },
  tool({messageId, name, status}) {
    if (isKnown(messageId)) view.doing(messageId, status === "started" ? name.replaceAll("_", " ") : "");
  },
  message(frame) {
    if (!frame.confirms && !isKnown(frame.messageId)) return;
    view.answer(frame);
    if (frame.confirms) view.decided(frame.confirms, frame.accepted);
    credit(frame);
  },
  done({messageId, status}) {
    if (!view.has(messageId)) return;
    view.end(messageId, status);
    if (messageId === running) busy(null);
  },
  history({conversationId, messages, nextCursor}) {
    if (!asked?.cursor) view.clear();
    asked = null;
    remember(conversationId ?? "");
    element("earlier")?.remove();
    credit(messages.findLast(one => one.model));
    view.page(messages, nextCursor && earlier(nextCursor));
    resume(messages);
    busy(messages.find(one => one.status === "running")?.messageId ?? (unsaid && "soon"));
  },
  error({code, message, messageId}) {
    if (code === "TOO_MANY_CONNECTIONS") { // to come back would end another window's in turn
      line.hangUp();
      state.textContent = `${message}. Load the page again to go on here.`;
    } else if (messageId) {
      if (view.has(messageId)) view.fail(messageId, message);
      if (messageId === running) busy(null);
    } else if (asked) {
      asked = null;
      if (code === "CONVERSATION_UNKNOWN") anew();
      else view.note(message, "words error");
    } else {
      view.note(message, "words error");
      if (unsaid) takeBack(code);
      else if (code === "DECIDED") lookBack();
      else view.askAgain();
    }
  },
};

const conversation = () => sessionStorage.getItem("conversation"); // null is the latest, "" a new one
const remember = id => sessionStorage.setItem("conversation", id);
const named = () => (conversation() ? {conversationId: conversation()} : {});

function isKnown(messageId) {
  if (!view.has(messageId)) lookBack();
  return view.has(messageId);
}

function lookBack(cursor) {
  if (asked) return;
  asked = {action: "history", ...named(), ...(cursor && {cursor})};
  if (!line.send(asked)) asked = null;
}

/* After a connection: what was on the tip of the tongue is said, unless it was heard. */
function resume(messages = []) {
  if (unsaid && messages.some(one => one.clientMessageId === unsaid.clientMessageId)) unsaid = null;
  if (unsaid) {
    if (messages.length) view.said(unsaid.text, unsaid.clientMessageId);
    line.send(unsaid);
  } else if (!talk.children.length) welcome();
}

function takeBack(code) {
  view.takeBack(unsaid.clientMessageId);
  if (!say.text.value) say.text.value = unsaid.text;
  if (code === "CONVERSATION_UNKNOWN") remember("");
  unsaid = null;
  busy(null);
}

function speak(text) {
  element("welcome")?.remove();
  unsaid = {action: "message", text, clientMessageId: crypto.randomUUID(), ...named()};
  view.said(text, unsaid.clientMessageId);
  busy("soon");
  line.send(unsaid);
}

/* A model says what it is; a simulator of one does, too. */
function credit(message) {
  if (message?.model) element("model").textContent = `Answers by ${message.model}`;
}

function busy(messageId) {
  running = messageId;
  element("send").hidden = Boolean(messageId);
  element("stop").hidden = !messageId;
  element("stop").disabled = messageId === "soon";
}

function anew() {
  remember("");
  [asked, unsaid] = [null, null];
  busy(null);
  welcome();
}

function welcome() {
  const chips = ASK_FIRST[person?.role ?? "user"].map(text => {
    const chip = Object.assign(make("button", "", text), {type: "button"});
    chip.addEventListener("click", () => speak(text));
    return chip;
  });
  const box = make("div", "", make("p", "", `Hello${person ? ` ${person.fullName.firstName}` : ""}! What can I do for you?`), ...chips);
  box.id = "welcome";
  view.clear(box);
}

function earlier(cursor) {
  const button = Object.assign(make("button", "", "Earlier messages"), {type: "button", id: "earlier"});
  button.addEventListener("click", () => lookBack(cursor));
  return button;
}

function show(isSignedIn) {
  signIn.hidden = isSignedIn;
  for (const part of [talk, say, element("menu")]) part.hidden = !isSignedIn;
  if (!isSignedIn) state.textContent = "";
  if (matchMedia("(hover: hover)").matches) (isSignedIn ? say.text : signIn.email).focus(); // no keyboard pops up
}

async function enter() {
  const answer = await fetch("/api/auth/me").catch(() => null);
  if (answer?.status === 401) return show(false);
  if (answer?.ok) person = (await answer.json()).user;
  show(true);
  state.textContent = "Connecting …";
  line.open();
}

signIn.addEventListener("submit", async event => {
  event.preventDefault();
  const body = JSON.stringify({email: signIn.email.value, password: signIn.password.value});
  const answer = await fetch("/api/auth/login", {method: "POST", headers: {"content-type": "application/json"}, body}).catch(() => null);
  element("refusal").textContent = answer?.ok ? "" : answer ? (await answer.json()).message : "The shop does not answer.";
  if (!answer?.ok) return;
  signIn.reset();
  enter();
});

say.addEventListener("submit", event => {
  event.preventDefault();
  const text = say.text.value.trim();
  if (!text || running) return;
  say.reset();
  speak(text);
});

say.text.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say.requestSubmit();
});

element("stop").addEventListener("click", () => line.send({action: "stop", ...named()}));
element("anew").addEventListener("click", anew);
element("forget").addEventListener("click", async () => {
  if (!conversation() || !confirm("Delete this conversation and all that was said in it?")) return;
  const answer = await fetch(`/api/ai/conversations/${conversation()}`, {method: "DELETE"}).catch(() => null);
  if (answer?.ok || answer?.status === 404) anew();
  else view.note("The conversation could not be deleted. Try again.", "words error");
});
element("leave").addEventListener("click", async () => {
  line.hangUp();
  await fetch("/api/auth/logout", {method: "POST"}).catch(() => null);
  sessionStorage.removeItem("conversation");
  [person, unsaid] = [null, null];
  busy(null);
  view.clear();
  show(false);
});

enter();
