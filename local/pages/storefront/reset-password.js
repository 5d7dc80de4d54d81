"use strict";

(() => {
  const form = document.getElementById("form"), again = document.getElementById("again");
  const token = takeToken();
  if (!token) return showState(NO_TOKEN, "bad");
  form.hidden = false;
  form.addEventListener("input", () => again.setCustomValidity(""));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (again.value !== form.password.value) {
      again.setCustomValidity("The passwords differ");
      return again.reportValidity();
    }
    const button = form.querySelector("button");
    button.disabled = true;
    const answer = await send("/api/auth/password/reset", { token, password: form.password.value });
    button.disabled = false;
    if (!answer.done) return showState(answer.message, "bad");
    form.hidden = true;
    form.reset();
    finish(answer.message);
  });
})();
