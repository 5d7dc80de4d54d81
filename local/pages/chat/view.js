/* Shows a conversation. All texts are set as text, never as HTML. */

const BOLD_CODE_LINK = /\*\*(.+?)\*\*|`([^`\n]+)`|\[([^\]\n]+)\]\((\S+?)\)/g;
const DECISIONS = {accepted: "You accepted.", declined: "You declined."};

export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export class View {
  #answers = new Map(); // message id -> its article
  #texts = new Map(); // message id -> the text streamed so far

  /* Calls `decide` with a message's id and whether the user accepts its proposal. */
  constructor(log, decide) {
    this.log = log;
    this.decide = decide;
  }

  clear(...children) {
    this.#answers.clear();
    this.log.replaceChildren(...children);
  }

  has(messageId) {
    return this.#answers.has(messageId);
  }

  addNote(text, kind = "note") {
    this.#append(make("p", kind, text));
  }

  /* A message of the user, which `removeQuestion` finds by its client id. */
  addQuestion(text, id = "") {
    const box = make("p", "words user", text);
    box.dataset.clientId = id;
    this.#append(box);
  }

  removeQuestion(id) {
    this.log.querySelector(`[data-client-id="${CSS.escape(id)}"]`)?.remove();
  }

  addAnswer(messageId) {
    const article = make("article", "waiting", make("div", "words"));
    this.#answers.set(messageId, article);
    this.#texts.set(messageId, "");
    this.#append(article);
    return article;
  }

  appendText(messageId, text) {
    const whole = (this.#texts.get(messageId) ?? "") + text;
    this.#texts.set(messageId, whole);
    this.#keepAtEnd(() => this.#words(messageId).replaceChildren(...formatted(whole)));
  }

  setActivity(messageId, name) {
    this.#words(messageId).dataset.activity = name;
  }

  /* Shows the whole answer in place of what was streamed. */
  showAnswer(message) {
    const article = this.#answers.get(message.messageId) ?? this.addAnswer(message.messageId);
    this.#texts.set(message.messageId, message.text);
    const words = make("div", "words", ...formatted(message.text));
    this.#keepAtEnd(() => article.replaceChildren(words, ...this.#shown(message)));
    article.classList.toggle("waiting", message.status === "running");
    if (message.status === "stopped") article.append(make("small", "note", "Stopped."));
    if (message.status === "failed") article.append(make("small", "note", "This answer was interrupted."));
  }

  finish(messageId, status) {
    const article = this.#answers.get(messageId);
    article?.classList.remove("waiting");
    if (status === "stopped") article?.append(make("small", "note", "Stopped."));
  }

  showError(messageId, text) {
    this.finish(messageId);
    this.#keepAtEnd(() => this.#answers.get(messageId)?.append(make("p", "words error", text)));
  }

  /* Replaces the buttons after a decision, here or in another window. */
  showDecision(messageId, accepted) {
    const buttons = this.#answers.get(messageId)?.querySelector(".confirm div");
    buttons?.replaceWith(make("small", "", accepted ? DECISIONS.accepted : DECISIONS.declined));
  }

  /* Enables the buttons again after a decision was not sent. */
  enableButtons() {
    for (const button of this.log.querySelectorAll(".confirm button")) button.disabled = false;
  }

  /* Inserts an earlier page of the conversation, oldest message first. */
  prependPage(messages, earlier) {
    const [after, height] = [[...this.log.children], this.log.scrollHeight];
    this.log.replaceChildren();
    for (const message of messages) {
      if (message.role === "user") this.addQuestion(message.text, message.clientMessageId);
      else this.showAnswer(message);
    }
    if (earlier) this.log.prepend(earlier);
    this.log.append(...after);
    this.log.scrollTop = after.length ? this.log.scrollHeight - height : this.log.scrollHeight;
  }

  #words(messageId) {
    return this.#answers.get(messageId).querySelector(".words");
  }

  #shown({messageId, products, order, confirm}) {
    return [
      products?.length ? make("ol", "products", ...products.map(product)) : null,
      order ? orderCard(order) : null,
      confirm ? this.#proposal(messageId, confirm) : null,
    ].filter(Boolean);
  }

  #proposal(messageId, {text, answered, expiresAt}) {
    const box = make("section", "confirm", make("p", "", text));
    const left = new Date(expiresAt) - Date.now();
    if (answered || left <= 0) {
      box.append(make("small", "", DECISIONS[answered] ?? "This offer has expired."));
      return box;
    }
    const button = (label, accept) => {
      const made = Object.assign(make("button", "", label), {type: "button"});
      made.addEventListener("click", () => {
        for (const one of box.querySelectorAll("button")) one.disabled = true;
        this.decide(messageId, accept);
      });
      return made;
    };
    const buttons = make("div", "", button("Yes, do it", true), button("No", false));
    box.append(buttons);
    setTimeout(() => buttons.replaceWith(make("small", "", "This offer has expired.")), left);
    return box;
  }

  #append(child) {
    this.log.append(child);
    this.log.scrollTop = this.log.scrollHeight;
  }

  /* Scrolls to the end after a change, unless the user has scrolled up. */
  #keepAtEnd(change) {
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    change();
    if (isAtEnd) this.log.scrollTop = Math.min(this.log.scrollHeight, this.#lastQuestion() - 8);
  }

  /* Position of the last question, so that an answer is read from its beginning. */
  #lastQuestion() {
    return [...this.log.querySelectorAll(":scope > .user")].at(-1)?.offsetTop ?? Infinity;
  }
}

/* Formats the Markdown of answers; links outside of the shop become plain text. */
function formatted(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(BOLD_CODE_LINK)) {
    const [whole, bold, code, label, target] = found;
    parts.push(text.slice(end, found.index));
    parts.push(bold ? make("strong", "", bold) : code ? make("code", "", code) : link(label, target));
    end = found.index + whole.length;
  }
  return [...parts, text.slice(end)];
}

function link(label, target) {
  const isSameOrigin = URL.canParse(target, location.href) && new URL(target, location.href).origin === location.origin;
  return isSameOrigin ? anchor(target, "", label) : label;
}

function anchor(href, className, ...children) {
  return Object.assign(make("a", className, ...children), {href, target: "_blank", rel: "noopener"});
}

function money({amount, currency}) {
  return new Intl.NumberFormat(currency === "INR" ? "en-IN" : "en-US", {style: "currency", currency}).format(amount);
}

function product({id, title, price, stock, image}) {
  const isSameOrigin = image && URL.canParse(image) && new URL(image).origin === location.origin;
  const picture = isSameOrigin ? Object.assign(make("img"), {src: image, alt: "", loading: "lazy"}) : make("span", "blank");
  const left = stock === 0 ? "sold out" : stock <= 5 ? `only ${stock} left` : "in stock";
  const words = make("span", "about", make("strong", "", title), make("b", "", money(price)), make("small", "", left));
  return make("li", "", anchor(`/products/${encodeURIComponent(id)}`, "product", picture, words));
}

function orderCard({id, status, items, totalPrice, trackingNumber}) {
  const lines = items.map(one => make("li", "", make("span", "", `${one.quantity} × ${one.title}`), money(one.lineTotal)));
  const total = [totalPrice].flat().map(money).join(" + ");
  return make(
    "section", "order",
    make("header", "", anchor(`/orders/${encodeURIComponent(id)}`, "", `Order …${id.slice(-6)}`), make("span", "badge", status.toLowerCase())),
    make("ul", "", ...lines),
    make("footer", "", make("span", "", trackingNumber ? `Tracking ${trackingNumber}` : "Total"), make("strong", "", total)),
  );
}
