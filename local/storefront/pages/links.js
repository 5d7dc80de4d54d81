"use strict";

/* What both pages do with a link: take its token out of the address bar, and hand it to the shop. */

function takeToken() {
  const token = new URLSearchParams(location.search).get("token");
  history.replaceState(null, "", location.pathname);
  return token;
}

async function send(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: {"content-type": "application/json"},
      body: JSON.stringify(body),
    });
    const { message, errors } = await answer.json();
    return { done: answer.ok, status: answer.status, message: errors ? `${message}: ${errors[0].message}` : message };
  } catch {
    return { done: false, status: 0, message: "The shop does not answer. Try again in a moment." };
  }
}

function tell(message, kind) {
  const state = document.getElementById("state");
  state.textContent = message;
  state.className = kind;
}

function finish(message) {
  tell(message, "good");
  document.getElementById("next").hidden = false;
}

const NO_TOKEN = "This page is reached by the link in a mail. Open it once more from there.";
