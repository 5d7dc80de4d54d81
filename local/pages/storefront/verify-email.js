"use strict";

(async () => {
  const token = takeToken();
  if (!token) {
    showState(NO_TOKEN, "bad");
    return;
  }
  const answer = await send("/api/auth/email/verify", { token });
  if (answer.done) {
    finish(`${answer.message}. Thank you!`);
  } else {
    showState(answer.message, "bad");
  }
})();
