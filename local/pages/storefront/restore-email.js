"use strict";

(async () => {
  const token = takeToken();
  if (!token) return showState(NO_TOKEN, "bad");
  const answer = await send("/api/auth/email/change/undo", { token });
  if (answer.done) finish(answer.message);
  else showState(answer.message, "bad");
})();
