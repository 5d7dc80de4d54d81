/* What a conversation looks like. Whatever is said is text: nothing of it is ever read as HTML. */

const BOLD_CODE_LINK = /\*\*(.+?)\*\*|`([^`\n]+)`|\[([^\]\n]+)\]\((\S+?)\)/g;
const ANSWERED = {accepted: "You said yes.", declined: "You said no."};

export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export class View {
  #answers = new Map(); // message id -> its article
  #texts = new Map(); // message id -> what was streamed of it

  /* `decide` is called with a message's id and whether what it proposes shall happen. */
  constructor(talk, decide) {
    this.talk = talk;
    this.decide = decide;
  }

  clear(...children) {
    this.#answers.clear();
    this.talk.replaceChildren(...children);
  }

  has(messageId) {
    return this.#answers.has(messageId);
  }

  note(text, kind = "note") {
    this.#append(make("p", kind, text));
  }

  /* What the person said; it can be taken back by its own id. */
  said(text, id = "") {
    const box = make("p", "words user", text);
    box.dataset.said = id;
    this.#append(box);
  }

  takeBack(id) {
    this.talk.querySelector(`[data-said="${CSS.escape(id)}"]`)?.remove();
  }

  /* An answer begins. */
  begin(messageId) {
    const article = make("article", "waiting", make("div", "words"));
    this.#answers.set(messageId, article);
    this.#texts.set(messageId, "");
    this.#append(article);
    return article;
  }

  more(messageId, text) {
    const whole = (this.#texts.get(messageId) ?? "") + text;
    this.#texts.set(messageId, whole);
    this.#following(() => this.#words(messageId).replaceChildren(...marked(whole)));
  }

  doing(messageId, what) {
    this.#words(messageId).dataset.doing = what;
  }

  /* The whole answer, whatever was missed of it on the way. */
  answer(message) {
    const article = this.#answers.get(message.messageId) ?? this.begin(message.messageId);
    this.#texts.set(message.messageId, message.text);
    const words = make("div", "words", ...marked(message.text));
    this.#following(() => article.replaceChildren(words, ...this.#shown(message)));
    article.classList.toggle("waiting", message.status === "running");
    if (message.status === "stopped") article.append(make("small", "note", "Stopped."));
    if (message.status === "failed") article.append(make("small", "note", "This answer broke off."));
  }

  end(messageId, status) {
    const article = this.#answers.get(messageId);
    article?.classList.remove("waiting");
    if (status === "stopped") article?.append(make("small", "note", "Stopped."));
  }

  fail(messageId, why) {
    this.end(messageId);
    this.#following(() => this.#answers.get(messageId)?.append(make("p", "words error", why)));
  }

  /* What was clicked, here or in another window, got through. */
  decided(messageId, accepted) {
    const buttons = this.#answers.get(messageId)?.querySelector(".confirm div");
    buttons?.replaceWith(make("small", "", accepted ? ANSWERED.accepted : ANSWERED.declined));
  }

  /* What was clicked did not get through. */
  askAgain() {
    for (const button of this.talk.querySelectorAll(".confirm button")) button.disabled = false;
  }

  /* A page of a conversation, oldest message first, before all that is shown. */
  page(messages, earlier) {
    const [after, height] = [[...this.talk.children], this.talk.scrollHeight];
    this.talk.replaceChildren();
    for (const message of messages) {
      if (message.role === "user") this.said(message.text, message.clientMessageId);
      else this.answer(message);
    }
    if (earlier) this.talk.prepend(earlier);
    this.talk.append(...after);
    this.talk.scrollTop = after.length ? this.talk.scrollHeight - height : this.talk.scrollHeight;
  }

  #words(messageId) {
    return this.#answers.get(messageId).querySelector(".words");
  }

  #shown({messageId, products, order, confirm}) {
    return [
      products?.length ? make("ol", "products", ...products.map(product)) : null,
      order ? orderCard(order) : null,
      confirm ? this.#question(messageId, confirm) : null,
    ].filter(Boolean);
  }

  #question(messageId, {text, answered, expiresAt}) {
    const box = make("section", "confirm", make("p", "", text));
    const left = new Date(expiresAt) - Date.now();
    if (answered || left <= 0) {
      box.append(make("small", "", ANSWERED[answered] ?? "This offer has run out."));
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
    setTimeout(() => buttons.replaceWith(make("small", "", "This offer has run out.")), left);
    return box;
  }

  #append(child) {
    this.talk.append(child);
    this.talk.scrollTop = this.talk.scrollHeight;
  }

  /* Stays at the end while something grows there, unless the person reads further up. */
  #following(grow) {
    const isAtEnd = this.talk.scrollHeight - this.talk.scrollTop - this.talk.clientHeight < 80;
    grow();
    if (isAtEnd) this.talk.scrollTop = Math.min(this.talk.scrollHeight, this.#newest() - 8);
  }

  /* Where the last question stands: what answers it is read from its beginning. */
  #newest() {
    return [...this.talk.querySelectorAll(":scope > .user")].at(-1)?.offsetTop ?? Infinity;
  }
}

/* The little Markdown that an assistant uses; links lead nowhere but into the shop. */
function marked(text) {
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
  const isOurs = URL.canParse(target, location.href) && new URL(target, location.href).origin === location.origin;
  return isOurs ? to(target, "", label) : label;
}

function to(href, className, ...children) {
  return Object.assign(make("a", className, ...children), {href, target: "_blank", rel: "noopener"});
}

function money({amount, currency}) {
  return new Intl.NumberFormat(currency === "INR" ? "en-IN" : "en-US", {style: "currency", currency}).format(amount);
}

function product({id, title, price, stock, image}) {
  const isOurs = image && URL.canParse(image) && new URL(image).origin === location.origin;
  const picture = isOurs ? Object.assign(make("img"), {src: image, alt: "", loading: "lazy"}) : make("span", "blank");
  const left = stock === 0 ? "sold out" : stock <= 5 ? `only ${stock} left` : "in stock";
  const words = make("span", "about", make("strong", "", title), make("b", "", money(price)), make("small", "", left));
  return make("li", "", to(`/products/${encodeURIComponent(id)}`, "product", picture, words));
}

function orderCard({id, status, items, totalPrice, trackingNumber}) {
  const lines = items.map(one => make("li", "", make("span", "", `${one.quantity} × ${one.title}`), money(one.lineTotal)));
  const total = [totalPrice].flat().map(money).join(" + ");
  return make(
    "section", "order",
    make("header", "", to(`/orders/${encodeURIComponent(id)}`, "", `Order …${id.slice(-6)}`), make("span", "badge", status.toLowerCase())),
    make("ul", "", ...lines),
    make("footer", "", make("span", "", trackingNumber ? `Tracking ${trackingNumber}` : "Total"), make("strong", "", total)),
  );
}
