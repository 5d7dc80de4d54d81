// Shows the mails, and loads new ones every two seconds while the page is visible.
"use strict";

const REFRESH_MILLISECONDS = 2000;
const element = (id) => document.getElementById(id);
const chosenId = () => decodeURIComponent(location.hash.slice(1));
let mails = [];
let etag = null; // ETag of the list on the screen
let opened = null; // id of the mail on the screen

async function refresh() {
  if (document.hidden) return;
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch("api/messages", { headers, cache: "no-store" });
    if (answer.status === 304) return showState();
    if (!answer.ok) throw new Error((await answer.json()).message);
    mails = await answer.json();
    etag = answer.headers.get("ETag");
    showList();
    showMail();
  } catch (error) {
    etag = null;
    element("state").textContent = "Not reachable, trying again …";
  }
}

function showState() {
  const count = mails.length === 1 ? "1 mail" : `${mails.length} mails`;
  element("state").textContent = mails.length ? count : "No mail yet";
}

function showList() {
  const words = element("search").value.trim().toLowerCase();
  const found = mails.filter((mail) => `${mail.to} ${mail.subject}`.toLowerCase().includes(words));
  element("list").replaceChildren(...found.map(entry));
  markChosen();
  showState();
}

function entry(mail) {
  const link = Object.assign(document.createElement("a"), { href: `#${encodeURIComponent(mail.id)}` });
  const subject = text("strong", mail.subject || "(no subject)");
  link.append(subject, text("span", mail.to), text("time", shortTime(mail.sentAt)));
  return link;
}

function text(tag, textContent) {
  return Object.assign(document.createElement(tag), { textContent });
}

function shortTime(sentAt) {
  const sent = new Date(sentAt);
  const today = sent.toDateString() === new Date().toDateString();
  return today
    ? sent.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : sent.toLocaleDateString([], { day: "numeric", month: "short" });
}

function markChosen() {
  for (const link of element("list").children) {
    link.ariaCurrent = link.hash === location.hash ? "true" : null;
  }
}

function showMail() {
  const mail = mails.find((each) => each.id === chosenId());
  element("mail").hidden = !mail;
  element("hint").hidden = Boolean(mail);
  // A mail never changes: setting the frame again would only make it flicker.
  if (mail && mail.id !== opened) fillIn(mail);
  opened = mail ? mail.id : null;
}

function fillIn(mail) {
  element("subject").textContent = mail.subject || "(no subject)";
  element("to").textContent = mail.to;
  element("from").textContent = mail.from;
  element("sent").textContent = new Date(mail.sentAt).toLocaleString();
  element("html").srcdoc = `<base target="_blank">${mail.html}`;
  element("text").textContent = mail.text;
  element("feedback").textContent = "";
  element("tab-html").disabled = !mail.html;
  showTab(mail.html ? "html" : "text");
}

function showTab(chosen) {
  for (const name of ["html", "text"]) {
    element(name).hidden = name !== chosen;
    element(`tab-${name}`).setAttribute("aria-selected", String(name === chosen));
  }
}

// Sends the shop the notification that SES would send about this mail.
async function giveFeedback(path) {
  const [kind, query] = path.split("?");
  const id = encodeURIComponent(chosenId());
  try {
    const answer = await fetch(`api/messages/${id}/${kind}${query ? `?${query}` : ""}`, { method: "POST" });
    element("feedback").textContent = answer.ok ? "The shop was notified." : (await answer.json()).message;
  } catch (error) {
    element("feedback").textContent = "Not reachable.";
  }
}

addEventListener("hashchange", () => {
  markChosen();
  showMail();
});
document.addEventListener("visibilitychange", refresh);
element("search").addEventListener("input", showList);
element("tab-html").addEventListener("click", () => showTab("html"));
element("tab-text").addEventListener("click", () => showTab("text"));
for (const button of document.querySelectorAll("[data-feedback]")) {
  button.addEventListener("click", () => giveFeedback(button.dataset.feedback));
}
setInterval(refresh, REFRESH_MILLISECONDS);
refresh();
