"use strict";
// What the daemon tells is shown as text, never as markup. Units as it tells them: prices in 1e-4 $,
// quantities in 0.01 contract, money in 1e-6 $, instants in ms; unknown is null and shown as a dash.
const POINTS_MAX = 720, MARKET_EVERY_MS = 1000, ACCOUNT_EVERY_MS = 5000, SILENT_MS = 3000;
const at = (id) => document.getElementById(id);
const cents = (price, digits = 1) => (price === null ? "–" : (price / 100).toFixed(digits));
const contracts = (qty) => (qty < 0 ? "−" : "") + (Math.abs(qty) / 100).toLocaleString("en-US", { maximumFractionDigits: 2 });
const dollars = (money, sign) => money === null ? "–"
  : (money < 0 ? "−" : sign && money > 0 ? "+" : "") + (Math.abs(money) / 1e6).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const utc = (ms) => new Date(ms).toISOString().slice(11, 19);
const tone = (number) => (!number ? "" : number > 0 ? "good" : "bad");
const TONES = { place: "good", amend: "", cancel: "warn", refused: "bad", idle: "soft" };

function clock(seconds) {
  const sign = seconds < 0 ? "−" : "", whole = Math.abs(seconds), two = (n) => String(n).padStart(2, "0");
  if (whole >= 86400) return `${sign}${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  const hours = Math.floor(whole / 3600), rest = whole % 3600;
  return sign + (hours ? `${hours}:${two(Math.floor(rest / 60))}:${two(rest % 60)}` : `${Math.floor(rest / 60)}:${two(rest % 60)}`);
}

// A cell is text, or {text, kind}, or a node. Rows are changed in place: what has the focus keeps it.
function fill(cell, wanted) {
  if (wanted instanceof Node) { if (cell.firstChild !== wanted) cell.replaceChildren(wanted); return; }
  const { text, kind = "" } = typeof wanted === "object" ? wanted : { text: wanted };
  if (cell.textContent !== text) cell.textContent = text;
  if (cell.className !== kind) cell.className = kind;
}

function rows(id, lines, none, columns) {
  const body = at(id);
  const wanted = lines.length ? lines : [[{ text: none, kind: "none" }]];
  while (body.rows.length > wanted.length) body.deleteRow(-1);
  wanted.forEach((line, number) => {
    const row = body.rows[number] ?? body.insertRow();
    while (row.cells.length > line.length) row.deleteCell(-1);
    line.forEach((wantedCell, column) => fill(row.cells[column] ?? row.insertCell(), wantedCell));
    if (!lines.length) row.cells[0].colSpan = columns; else row.cells[0].removeAttribute("colspan");
  });
  return body;
}

const word = (text, kind = "") => ({ text, kind: `word ${kind}`.trim() });

// --- the account ---------------------------------------------------------------------------------

const priceChart = Charts.price(), profitChart = Charts.profit(), latencyChart = Charts.latency();
let prices = [], profits = [], chosen = null, told = null, source = null, heardAt = 0, latencyOf = 0;

function showAccount(account) {
  told = account;
  const phase = at("phase"), isWell = account.phase === "trading" && account.unready === null;
  const words = account.halt !== null ? `halted: ${account.halt}`
    : account.unready !== null && account.phase === "trading" ? `trading, not ready: ${account.unready}` : account.phase;
  if (phase.textContent !== words) phase.textContent = words;
  phase.className = isWell ? "good" : "bad";
  at("line").textContent = `${utc(account.at)} UTC · breaker ${account.breaker.replace("_", " ")} · ${account.frames.toLocaleString("en-US")} messages`;
  at("halt").hidden = account.halt !== null;
  at("resume").hidden = account.halt === null;
  at("notes").hidden = !account.notes.length;
  const notes = account.notes.map((text) => { const item = document.createElement("li"); item.textContent = text; return item; });
  if (at("notes").textContent !== account.notes.join("")) at("notes").replaceChildren(...notes);
  showFigures(account);
  showMarkets(account);
  rows("positions", account.positions.map((one) => {
    const open = one.value === null ? null : one.value - one.cost;
    return [word(one.ticker), contracts(one.qty), dollars(one.cost), { text: one.qty ? dollars(open, true) : "", kind: tone(one.qty && open) },
      { text: dollars(one.realized, true), kind: tone(one.realized) }, dollars(one.fees)];
  }), "Nothing is held, and nothing was.", 6);
  rows("decisions", account.decisions.map((one) => [word(utc(one.at), "soft"), word(one.outcome, TONES[one.outcome]),
    word(one.ticker), word(one.strategy), word(one.reason, "long")]), "None yet.", 5);
  rows("refusals", account.refusals.map(([name, count]) => [word(name), count.toLocaleString("en-US")]), "None.", 2);
  showLatency(account.latencies);
  const last = profits.at(-1);
  if (account.pnl !== null && (last === undefined || account.at - last[0] >= ACCOUNT_EVERY_MS)) {
    profits = [...profits, [account.at, account.pnl]].slice(-POINTS_MAX);
    drawProfits();
  }
}

function showFigures(account) {
  const figures = [["cash $", dollars(account.cash)], ["equity $", dollars(account.equity)], ["P&L $", dollars(account.pnl, true), tone(account.pnl)],
    ["fees $", dollars(account.fees)], ["fills", account.fills.toLocaleString("en-US")],
    ["orders sent", account.orders.toLocaleString("en-US")], ["orders open", String(account.orders_open)]];
  const list = at("figures");
  figures.forEach(([name, text, kind = ""], number) => {
    if (!list.children[number]) {
      const pair = document.createElement("div");
      pair.append(document.createElement("dt"), document.createElement("dd"));
      list.append(pair);
    }
    const [title, value] = list.children[number].children;
    title.textContent = name; value.textContent = text; value.className = kind;
  });
}

const buttons = new Map();
function button(ticker) {
  if (!buttons.has(ticker)) {
    const one = document.createElement("button");
    one.type = "button"; one.textContent = ticker;
    one.addEventListener("click", () => listen(ticker));
    buttons.set(ticker, one);
  }
  return buttons.get(ticker);
}

function showMarkets(account) {
  const lines = account.markets.map((one) => {
    const mid = one.bid === null || one.ask === null ? null : (one.bid + one.ask) / 2;
    const edge = one.score === null || mid === null ? null : one.score * 100 - mid / 100;
    const book = one.status !== "active" ? word(one.status === "initialized" ? "not open" : one.status, "soft")
      : one.is_synced ? word("synced", "good") : word("unsynced", "bad");
    return [{ text: one.ticker, kind: "word ticker" }, cents(one.bid), cents(one.ask),
      one.score === null ? "–" : (one.score * 100).toFixed(1),
      edge === null ? "–" : { text: (edge > 0 ? "+" : edge < 0 ? "−" : "") + Math.abs(edge).toFixed(1), kind: tone(edge) },
      one.position ? contracts(one.position) : "", one.orders ? String(one.orders) : "", clock(one.closes_in_s), book];
  });
  const focused = document.activeElement;
  const body = rows("markets", lines, "No market is watched.", 9);
  account.markets.forEach((one, number) => {
    const cell = body.rows[number].cells[0], wanted = button(one.ticker);
    if (cell.firstChild !== wanted) cell.replaceChildren(wanted);
    wanted.setAttribute("aria-pressed", String(one.ticker === chosen));
    body.rows[number].className = one.ticker === chosen ? "chosen" : "";
  });
  // What moves with its row would lose the focus.
  if (focused && focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  const left = account.markets_total - account.markets.length;
  at("markets-left").textContent = left > 0 ? `${left.toLocaleString("en-US")} more are watched; those with a position or an order, and those that close soonest, are shown.` : "";
}

function showLatency(latencies) {
  const select = at("latency-of");
  if (select.options.length !== latencies.length)
    select.replaceChildren(...latencies.map((one, number) => new Option(one.name, String(number))));
  const counts = latencies[latencyOf].counts, total = counts.reduce((sum, one) => sum + one, 0);
  const first = counts.findIndex((one) => one > 0), last = counts.findLastIndex((one) => one > 0);
  const shown = first < 0 ? [] : counts.slice(first, last + 1);
  latencyChart.setData([shown.map((_, number) => first + number), shown]);
  const under = (share) => {
    let seen = 0;
    const bucket = counts.findIndex((one) => (seen += one) >= share * total);
    return bucket === counts.length - 1 ? `> ${Charts.duration(bucket - 1)}` : `≤ ${Charts.duration(bucket)}`;
  };
  at("latency-words").textContent = total ? `${total.toLocaleString("en-US")} in all, p50 ${under(0.5)}, p99 ${under(0.99)}` : "none measured yet";
}

// --- the chosen market ---------------------------------------------------------------------------

function showMarket(market) {
  chosen = market.ticker;
  at("h-chosen").textContent = market.ticker ?? "No market";
  at("chosen-title").textContent = market.ticker === null ? "It is not watched, or none is." : market.title + (market.is_synced ? "" : " · the book is not in sync");
  const own = (side, price) => market.orders.filter((one) => one.side === side && one.price === price).reduce((sum, one) => sum + one.remaining, 0);
  const size = (qty) => (qty ? contracts(qty) : "");
  const asks = new Map(market.asks), bids = new Map(market.bids);
  for (const one of market.orders) { const side = one.side === "bid" ? bids : asks; if (!side.has(one.price)) side.set(one.price, 0); }
  const sorted = (levels) => [...levels].sort(([one], [other]) => other - one);
  const best = [market.bids[0], market.asks[0]];
  const gap = best[0] && best[1] ? `spread ${cents(best[1][0] - best[0][0])} ¢` : "one side is empty";
  const lines = !asks.size && !bids.size ? [] : [
    ...sorted(asks).map(([price, qty]) => ["", "", { text: cents(price), kind: "at" }, size(qty), { text: size(own("ask", price)), kind: "own" }]),
    ["", "", { text: gap, kind: "at soft" }, "", ""],
    ...sorted(bids).map(([price, qty]) => [{ text: size(own("bid", price)), kind: "own" }, size(qty), { text: cents(price), kind: "at" }, "", ""]),
  ];
  rows("ladder", lines, market.is_synced ? "The book is empty." : "No book.", 5);
  rows("orders", market.orders.map((one) => [word(one.side), cents(one.price), contracts(one.remaining),
    one.ahead === null ? { text: "unknown", kind: "soft" } : contracts(one.ahead), word(one.state), word(one.strategy), word(one.client_order_id)]),
  "None rests.", 7);
  const standing = market.standing.map((one) => `${utc(one.at)} ${one.strategy}: ${one.outcome}, ${one.reason}`);
  const list = at("standing");
  while (list.children.length > standing.length) list.lastChild.remove();
  standing.forEach((text, number) => { (list.children[number] ?? list.appendChild(document.createElement("li"))).textContent = text; });
  const last = prices.at(-1);
  if (last === undefined || market.at - last[0] >= MARKET_EVERY_MS) {
    prices = [...prices, [market.at, market.mid, market.score]].slice(-POINTS_MAX);
    drawPrices();
  }
}

function drawPrices() {
  priceChart.setData([prices.map(([ms]) => ms / 1000), prices.map(([, mid]) => (mid === null ? null : mid / 100)),
    prices.map(([, , score]) => (score === null ? null : score * 100))]);
}

function drawProfits() {
  profitChart.setData([profits.map(([ms]) => ms / 1000), profits.map(([, pnl]) => (pnl === null ? null : pnl / 1e6))]);
}

// --- the stream ----------------------------------------------------------------------------------

function listen(ticker) {
  source?.close();
  source = new EventSource(ticker === null ? "/events" : "/events?market=" + encodeURIComponent(ticker));
  const on = (kind, show) => source.addEventListener(kind, (event) => { heardAt = Date.now(); show(JSON.parse(event.data)); });
  on("opening", (opening) => {
    const mode = at("mode");
    mode.textContent = opening.mode; mode.className = opening.is_live ? "mode live" : "mode";
    document.title = `${opening.mode} · kalshid`;
    prices = opening.market; profits = opening.account.filter(([, pnl]) => pnl !== null);
    drawPrices(); drawProfits();
  });
  on("account", showAccount);
  on("market", showMarket);
}

setInterval(() => {
  if (Date.now() - heardAt < SILENT_MS) return;
  at("phase").textContent = "no word from the daemon: what is below is old";
  at("phase").className = "bad";
  // A stream that was refused, not lost, is not asked for again by the browser itself.
  if (source.readyState === EventSource.CLOSED) listen(chosen);
}, 1000);

// --- orders --------------------------------------------------------------------------------------

const ORDERS = {
  halt: { title: "Halt", what: "Nothing new is sent, and what rests is cancelled, until a person resumes. Positions stay.", needsReason: false },
  resume: { title: "Resume", what: "The halt is lifted, and it trades again.", needsReason: true },
};
let asked = "halt";

function confirmOrder(name) {
  asked = name;
  const { title, what, needsReason } = ORDERS[name];
  at("order-title").textContent = `${title}: ${at("mode").textContent}`;
  at("order-what").textContent = what;
  at("order-go").textContent = title;
  at("order-reason").required = needsReason;
  at("order-words").textContent = "";
  at("order").showModal();
}

at("halt").addEventListener("click", () => confirmOrder("halt"));
at("resume").addEventListener("click", () => confirmOrder("resume"));
at("order-leave").addEventListener("click", () => at("order").close());
at("order-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("order-go").disabled = true;
  try {
    const answer = await fetch("/" + asked, {
      method: "POST", body: JSON.stringify({ reason: at("order-reason").value }),
      headers: { "Authorization": "Bearer " + at("order-token").value.trim(), "Content-Type": "application/json" },
    });
    const text = await answer.text();
    if (!answer.ok) { at("order-words").textContent = text; return; }
    const { is_halted: isHalted, is_latched: isLatched } = JSON.parse(text);
    if (isHalted !== (asked === "halt")) at("order-words").textContent = "The core has not taken it in yet: look at the state above.";
    else if (isHalted && !isLatched) at("order-words").textContent = "Halted, but not on disk: a restart would trade again.";
    else { at("order-reason").value = ""; at("order").close(); }
  } catch (error) {
    at("order-words").textContent = `The daemon does not answer: ${error.message}. kalshid halt works without it.`;
  } finally {
    at("order-go").disabled = false;
  }
});

// --- questions -----------------------------------------------------------------------------------

at("latency-of").addEventListener("change", (event) => { latencyOf = Number(event.target.value); if (told) showLatency(told.latencies); });

at("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch("/search?q=" + encodeURIComponent(at("wanted").value));
    if (!answer.ok) throw new Error(await answer.text());
    const found = await answer.json();
    at("search-words").textContent = found.length ? `${found.length} found, newest first.` : "Nothing of the last 2,000 holds it.";
    if (!found.length) at("found").replaceChildren();
    else rows("found", found.map((one) => [word(one.at === null ? "–" : utc(one.at / 1e6), "soft"), word(one.kind), word(one.words, "long")]), "", 3);
    at("searched").hidden = false;
  } catch (error) {
    at("search-words").textContent = `No answer: ${error.message}`;
  }
});
at("searched").addEventListener("click", () => { at("found").replaceChildren(); at("searched").hidden = true; at("wanted").value = ""; at("wanted").focus(); });

async function askReliability() {
  try {
    const answer = await fetch("/reliability");
    if (!answer.ok) return;
    const { bins, why_none: whyNone } = await answer.json();
    const count = bins.reduce((sum, bin) => sum + bin.count, 0);
    at("reliability-words").textContent = whyNone !== null ? `None: ${whyNone}.` : `${count} ended market${count === 1 ? "" : "s"} in which we asked for orders, by the mean score at which we did.`;
    if (bins.length) Charts.reliability(at("reliability-chart"), bins);
  } catch (error) {
    at("reliability-words").textContent = `No answer: ${error.message}`;
  }
}

listen(null);
askReliability();
setInterval(askReliability, 60000);
