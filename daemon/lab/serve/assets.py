"""The page's style and script: served by ourselves, so that a strict policy lets nothing else in."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;
--paper:#fff;--ink:#1a1d21;--soft:#5b6470;--rule:#d9dee4;--field:#8a94a0;--a:#1f5fbf;--b:#b4570b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{
--paper:#14171a;--ink:#e6e9ed;--soft:#9aa5b1;--rule:#343b43;--field:#6f7a86;--a:#7fb0ff;--b:#f0a35e;
--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline;
border-bottom:1px solid var(--rule);padding-bottom:.5rem}
header h1{font-size:1.2rem;margin:0}nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem}
a{color:var(--a)}a:focus-visible,button:focus-visible,input:focus-visible,select:focus-visible,
summary:focus-visible,.wide:focus-visible{outline:3px solid var(--a);outline-offset:2px}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;background:var(--paper);padding:.25rem .5rem}
h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
.soft{color:var(--soft)}.bad{color:var(--bad)}
.verdict{font-weight:600;border-left:4px solid var(--a);padding-left:.75rem}
code,pre{font:.875rem/1.5 ui-monospace,monospace}
pre{white-space:pre-wrap;border:1px solid var(--rule);border-radius:4px;padding:.5rem .75rem;margin:.5rem 0}
.value{font-size:clamp(1.1rem,5vw,1.6rem);font-weight:600;font-variant-numeric:tabular-nums;margin:.25rem 0}
form{margin:.5rem 0}
fieldset{border:1px solid var(--rule);border-radius:4px;margin:.75rem 0;padding:.5rem .75rem}
legend{padding:0 .35rem;font-weight:600}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.5rem .75rem}
@media(min-width:40rem){.fields{grid-template-columns:repeat(auto-fill,minmax(11rem,1fr))}}
.fields label{display:block;font-size:.875rem}
input,select,button{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--field);
border-radius:4px;padding:.35rem .5rem;min-height:2.5rem;max-width:100%}
input{width:100%;font-variant-numeric:tabular-nums}
button{padding:.35rem 1rem;cursor:pointer;border-color:var(--a);color:var(--a);font-weight:600}
.row{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.25rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
.wide{overflow-wrap:normal}th.word,td.word{text-align:left}td.long{white-space:normal;min-width:14rem}
svg{display:block;width:100%;max-width:30rem;height:auto}
text{fill:var(--soft);font:11px system-ui,sans-serif}.grid{stroke:var(--rule)}
.ideal{stroke:var(--soft);stroke-dasharray:4 3}.band{stroke-width:2;opacity:.55}
.curve{fill:none;stroke-width:2}
.s0{stroke:var(--a)}.s1{stroke:var(--b)}.dot.s0{fill:var(--a)}.dot.s1{fill:var(--paper)}
.key0{color:var(--a)}.key1{color:var(--b)}
""".strip()

SCRIPT: Final = """
"use strict";
const form = document.getElementById("ask");
const answer = document.getElementById("answer");
const value = document.getElementById("value");
const words = document.getElementById("words");
const meaning = form ? form.dataset.meaning : "";
const address = document.getElementById("address");
function show(number, lines, isBad) {
  answer.hidden = false;
  value.textContent = number;
  words.className = isBad ? "bad" : "soft";
  words.replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
}
function said(body) {
  const lines = [`${body.model} (${body.chosen}): ${body.label}, ${body.horizon}`];
  if (body.missing.length) lines.push(`missing: ${body.missing.join(", ")}`);
  const beyond = body.beyond_training.join(", ");
  if (beyond) lines.push(`beyond what it was trained on: ${beyond}`);
  return lines;
}
function refused(body) {
  return [body.error, ...body.problems.map((one) => `${one.name ?? ""} ${one.reason}`.trim())];
}
if (form) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = new URLSearchParams();
  for (const [name, text] of new FormData(form)) if (text.trim() !== "") asked.append(name, text.trim());
  const target = "/predict?" + asked;
  address.textContent = "GET " + target;
  try {
    const response = await fetch(target);
    const body = await response.json();
    if (response.ok) show(`${body.value} ${meaning}`, said(body), false);
    else show("no answer", refused(body), true);
  } catch (error) {
    show("no answer", [String(error)], true);
  }
});
""".strip()
