"use strict";

(async () => {
  const token = takeToken();
  if (!token) return showState(NO_TOKEN, "bad");
  const answer = await send("/api/auth/email/change/confirm", { token });
  if (answer.done) finish(`${answer.message}. Thank you!`);
  else showState(answer.message, "bad");
})();
