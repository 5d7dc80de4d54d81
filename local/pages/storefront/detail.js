"use strict";

/* Shows one resource of the API, such as an order: the page that a link in a mail leads to. */

(() => {
  const [, first, second] = location.pathname.split("/");
  const [title, address, part] = {
    orders: ["Your order", `/api/orders/${second}`, "order"],
    products: ["Product", `/api/products/${second}`, "product"],
    cart: ["Your cart", "/api/cart"],
    seller: ["Your last thirty days", "/api/seller/dashboard/metrics"],
  }[first];
  const MOMENT = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
  const signIn = document.getElementById("sign-in"), detail = document.getElementById("detail");
  document.getElementById("title").textContent = document.title = title;

  const make = (tag, ...children) => { const made = document.createElement(tag); made.append(...children); return made; };
  const words = name => name.replace(/([A-Z])/g, " $1").toLowerCase();
  const isMoney = value => typeof value === "object" && value !== null && "amount" in value && "currency" in value;

  function money({amount, currency}) {
    return new Intl.NumberFormat(currency === "INR" ? "en-IN" : "en-US", {style: "currency", currency}).format(amount);
  }

  function shown(value) {
    if (value === null || value === undefined || value === "") return "–";
    if (isMoney(value)) return money(value);
    if (Array.isArray(value)) return list(value);
    if (typeof value === "object") return details(value);
    if (typeof value === "string" && MOMENT.test(value)) return new Date(value).toLocaleString("en-GB", {dateStyle: "medium", timeStyle: "short"});
    return String(value);
  }

  function details(value) {
    return make("dl", ...Object.entries(value).flatMap(([name, one]) => [make("dt", words(name)), make("dd", shown(one))]));
  }

  function list(values) {
    if (!values.length) return "–";
    if (values.every(isMoney)) return values.map(money).join(", ");
    if (values.every(one => one?.url)) return picture(values[0]);
    if (!values.every(one => typeof one === "object")) return values.join(", ");
    const names = Object.keys(values[0]);
    const rows = values.map(one => make("tr", ...names.map(name => make("td", shown(one[name])))));
    const frame = make("div", make("table", make("tr", ...names.map(name => make("th", words(name)))), ...rows));
    frame.className = "scrolls";
    return frame;
  }

  function picture({url}) {
    return Object.assign(document.createElement("img"), {src: url, alt: ""});
  }

  async function load() {
    const answer = await fetch(address);
    const body = await answer.json();
    signIn.hidden = answer.status !== 401;
    if (answer.ok) {
      detail.replaceChildren(details(part ? body[part] : body));
      showState("", "");
    } else {
      showState(answer.status === 401 ? "Sign in to see this." : body.message, answer.status === 401 ? "" : "bad");
    }
  }

  signIn.addEventListener("submit", async event => {
    event.preventDefault();
    const answer = await send("/api/auth/login", {email: signIn.email.value, password: signIn.password.value});
    if (answer.done) load();
    else showState(answer.message, "bad");
  });
  load().catch(() => showState("The shop does not respond. Try again in a moment.", "bad"));
})();
