"use strict";

(() => {
  const form = document.getElementById("form"), again = document.getElementById("again");
  const token = takeToken();
  if (!token) {
    showState(NO_TOKEN, "bad");
    return;
  }
  form.hidden = false;
  form.addEventListener("input", () => again.setCustomValidity(""));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (again.value !== form.password.value) {
      again.setCustomValidity("The passwords differ");
      again.reportValidity();
      return;
    }
    const button = form.querySelector("button");
    button.disabled = true;
    const answer = await send("/api/auth/password/reset", { token, password: form.password.value });
    button.disabled = false;
    if (answer.done) {
      form.hidden = true;
      form.reset();
      finish(answer.message);
    } else {
      showState(answer.message, "bad");
    }
  });
})();
