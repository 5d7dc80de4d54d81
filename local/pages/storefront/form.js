"use strict";

/* Shared by the pages: reads the token of a link, sends JSON to the shop, shows the result. */

/* Returns the token and removes it from the address bar. */
function takeToken() {
  const token = new URLSearchParams(location.search).get("token");
  history.replaceState(null, "", location.pathname);
  return token;
}

async function send(path, body) {
  try {
    const headers = {"content-type": "application/json"};
    const answer = await fetch(path, {method: "POST", headers, body: JSON.stringify(body)});
    const { message, errors } = await answer.json();
    return { done: answer.ok, message: errors ? `${message}: ${errors[0].message}` : message };
  } catch {
    return { done: false, message: "The shop does not respond. Try again in a moment." };
  }
}

function showState(textContent, className) {
  Object.assign(document.getElementById("state"), {textContent, className});
}

function finish(message) {
  showState(message, "good");
  document.getElementById("next").hidden = false;
}

const NO_TOKEN = "This page needs the link in your mail. Open the link again.";
