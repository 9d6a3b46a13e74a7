// The page of a review. All text that comes from a set is added as text; nothing of it is ever taken for markup.

const words = JSON.parse(document.getElementById("words").textContent);
const FILTERS = ["split", "task", "document", "reason", "level", "score", "state", "find"];
const KEPT_ROWS = 16;
const PROOF_PAUSE_MS = 350;
const SHOWN_MS = 4000;

const at = (id) => document.getElementById(id);
const say = (name, values = {}) => (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
const count = (number) => number.toLocaleString(document.documentElement.lang);
const nonce = () => crypto.getRandomValues(new Uint32Array(4)).reduce((text, part) => text + part.toString(36), "");

/** An element with attributes (`text` is its text, `on` its listeners) and children; what is null is left out. */
function make(tag, about = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, heard] of Object.entries(value)) element.addEventListener(event, heard);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// --- what the server says ---------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, about) {
    super(about.message ?? String(status));
    this.status = status;
    this.about = about;
  }
}

async function ask(path, values = {}, body = null) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer, told;
  try {
    answer = await fetch(`${path}?${query}`, sent ?? {});
    told = await answer.json();
  } catch {
    throw new Refused(0, { message: say("lost") });
  }
  if (!answer.ok) throw new Refused(answer.status, told.error ?? {});
  return told;
}

let fading;
function announce(text) {
  const said = at("said");
  said.classList.remove("old");
  said.textContent = text;
  (document.querySelector("dialog[open]") ?? document.body).append(said); // what lies behind a dialog is neither seen nor heard
  clearTimeout(fading);
  fading = setTimeout(() => said.classList.add("old"), SHOWN_MS);
}

/** Say where we are to whoever does not see it. */
function tell(text) {
  at("here").textContent = text;
}

function announceRefusal(e) {
  if (!(e instanceof Refused)) throw e;
  announce([e.message, e.about.hint].filter(Boolean).join(" "));
}

// --- where we are: the address says it ----------------------------------------------------------------------------------

const place = { key: "", filters: {} };
let row = null; // what is shown, as the server gave it
let listed = { page: 0, pages: 0, items: [] };

function readAddress() {
  const asked = new URLSearchParams(location.search);
  place.key = asked.get("key") ?? "";
  place.filters = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) ?? ""]).filter(([, value]) => value));
  let used = 0;
  for (const name of FILTERS) {
    const field = at(name);
    if (field) field.value = place.filters[name] ?? "";
    used += name !== "find" && Boolean(place.filters[name]);
  }
  at("filtered").hidden = !used;
  at("filtered").textContent = used;
}

function writeAddress({ replace }) {
  const asked = new URLSearchParams(place.filters);
  const language = new URLSearchParams(location.search).get("language");
  if (language) asked.set("language", language);
  if (place.key) asked.set("key", place.key);
  const address = `${location.pathname}?${asked}`;
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}

// --- rows, pages and pictures, those that come next among them -----------------------------------------------------------

const rows = new Map(); // key -> promise of the row
const sheets = new Map(); // key -> promise of its pages
const pictures = new Map(); // address -> its image, loading or loaded

function remember(kept, key, fetchOne) {
  if (!kept.has(key)) {
    const coming = fetchOne();
    kept.set(key, coming);
    coming.catch?.(() => kept.delete(key));
    while (kept.size > KEPT_ROWS) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

const fetchRow = (key) => remember(rows, key, () => ask("/api/row", { key }));
const fetchPages = (key) => remember(sheets, key, () => ask("/api/pages", { key }));

function pictureAddress(key, document_, page) {
  return `/picture?${new URLSearchParams({ key, document: document_, page })}`;
}

function fetchPicture(address) {
  return remember(pictures, address, () => {
    const image = new Image();
    image.decoding = "async";
    image.src = address;
    return image;
  });
}

function forget(key) {
  rows.delete(key);
  sheets.delete(key);
  for (const address of pictures.keys()) if (new URLSearchParams(address.split("?")[1]).get("key") === key) pictures.delete(address);
}

/** Have a row at hand before it is asked for: its texts, and its first page drawn. */
async function prepare(key) {
  if (!key) return;
  try {
    await fetchRow(key);
    const { pages } = await fetchPages(key);
    if (pages.length) fetchPicture(pictureAddress(key, pages[0].name, pages[0].page));
  } catch (e) {
    if (!(e instanceof Refused)) throw e; // it will be said when the row is opened
  }
}

async function prepareNeighbours(key) {
  const queue = place.filters;
  for (const asked of [{ undecided: 1 }, { way: 1 }, { way: -1 }]) {
    if (key !== place.key) return;
    try {
      const { key: other } = await ask("/api/step", { ...queue, key, ...asked });
      if (other !== key) await prepare(other);
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
    }
  }
}

// --- the queue --------------------------------------------------------------------------------------------------------

async function loadList(page = null) {
  const asked = page === null ? { key: place.key } : { page };
  listed = await ask("/api/list", { ...place.filters, ...asked });
  showList();
  return listed;
}

function badge(kind, text) {
  return make("span", { class: `badge ${kind}`, text });
}

const STATES = { accept: "good", edit: "note", reject: "bad", disputed: "warn", undecided: "" };

function itemMarks(item) {
  const marks = [];
  if (item.state !== "undecided") marks.push(badge(STATES[item.state], say(item.state)));
  else if (item.taken) marks.push(badge("warn", say("taken")));
  if (item.reason) marks.push(badge("bad", item.reason));
  if (item.level === "failed" || item.level === "quoted") marks.push(badge("warn", say(`${item.level}_short`)));
  if (item.score !== null && item.score <= 3) marks.push(badge("warn", `${say("score")} ${item.score}`));
  return marks;
}

function showList() {
  const focused = document.activeElement?.dataset?.key;
  const items = listed.items.map((item) => {
    const marks = itemMarks(item);
    const button = make(
      "button",
      { type: "button", "data-key": item.key, "data-state": item.state, on: { click: () => open(item.key) } },
      make("span", { class: "text", dir: "auto", text: item.text || item.key }),
      marks.length ? make("span", { class: "marks" }, ...marks) : null,
    );
    return make("li", {}, button);
  });
  if (!items.length) items.push(make("li", { class: "faint small", text: say("empty") }));
  at("items").replaceChildren(...items);
  markCurrent();
  if (focused) at("items").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  at("where").textContent = listed.pages > 1 ? say("page_of", { page: count(listed.page + 1), pages: count(listed.pages) }) : say("total", { total: count(listed.total) });
  at("newer").disabled = listed.page === 0;
  at("older").disabled = listed.page + 1 >= listed.pages;
  showProgress(listed);
}

function markCurrent() {
  for (const button of at("items").querySelectorAll("button")) {
    if (button.dataset.key === place.key) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest" });
    } else button.removeAttribute("aria-current");
  }
}

function showProgress({ decided, rows: all }) {
  at("bar").max = Math.max(all, 1);
  at("bar").value = decided;
  at("progress").textContent = say("progress", { decided: count(decided), rows: count(all) });
}

// --- a row ------------------------------------------------------------------------------------------------------------

function pieces(text, { whole = true } = {}) {
  const parts = text.pieces.map((piece) => {
    if (piece.level) return figure(piece);
    if (piece.quote !== undefined) return make("mark", { "data-quote": piece.quote, text: piece.text });
    return document.createTextNode(piece.text);
  });
  if (text.left && whole) parts.push(make("br"), make("button", { type: "button", text: say("show_all", { left: count(text.left) }), on: { click: showWhole } }));
  return parts;
}

function figure(piece) {
  const name = [`${piece.text}: ${say(piece.level)}`, piece.doubt].filter(Boolean).join("; ");
  const lit = () => light(piece.quotes, true);
  return make("span", {
    class: `figure ${piece.level}`, role: "button", tabindex: 0, title: name, "aria-label": name, "data-quotes": piece.quotes.join(" "), text: piece.text,
    on: { mouseenter: lit, focus: lit, mouseleave: unlight, blur: unlight, click: () => piece.quotes.length && showQuote(piece.quotes[0]) },
  });
}

function block(title, ...content) {
  return [make("h3", { text: title }), ...content];
}

function textBlock(title, text, about = {}) {
  return block(title, make("div", { class: "text", dir: "auto", lang: row.language || null, ...about }, ...pieces(text)));
}

function showRow() {
  const parts = [head()];
  if (row.second) parts.push(make("p", { class: "badge note", text: say("second") }));
  if (row.rejected) parts.push(make("p", { class: "bad badge", text: say("rejected_for", { reason: row.rejected.reason }) }), make("p", { class: "text small", dir: "auto", text: row.rejected.detail }));
  if (row.raw) parts.push(...textBlock(say("raw"), row.raw), make("p", { class: "faint", text: say("no_rescue") }));
  else parts.push(...rowTexts());
  parts.push(...readings());
  at("row").replaceChildren(...parts.filter(Boolean));
  at("do-accept").firstElementChild.textContent = say(row.rejected ? "rescue" : "do_accept");
  at("do-accept").disabled = at("do-edit").disabled = Boolean(row.raw);
}

function head() {
  const state = row.state === "undecided" ? badge("", say("undecided")) : badge(STATES[row.state], say(row.state));
  const parts = [badge("", row.split), state];
  if (row.copies > 1) parts.push(badge("note", say("copies", { copies: row.copies })));
  return make("div", { class: "head", id: "head" }, ...parts);
}

function rowTexts() {
  const { texts } = row;
  const parts = [];
  if (texts.system) parts.push(...textBlock(say("system"), texts.system));
  if (row.turns.length) parts.push(...block(say("turns"), ...row.turns.map((turn) => make("p", { class: "text small", dir: "auto", text: `${turn.role ?? ""}: ${turn.content ?? ""}` }))));
  if (texts.question) parts.push(...textBlock(say("question"), texts.question, { class: "text question" }));
  if (texts.input) parts.push(...textBlock(say("input"), texts.input));
  if (row.options.length) parts.push(...block(say("options"), make("ul", {}, ...row.options.map((each) => make("li", { dir: "auto", text: `${each.letter}. ${each.text}` })))));
  parts.push(...textBlock(say("answer"), row.answer, { class: "text answer" }));
  const levels = [...new Set(row.answer.pieces.map((piece) => piece.level).filter(Boolean))];
  if (levels.length) parts.push(make("ul", { class: "legend short", "aria-label": say("legend") }, ...levels.map((level) => make("li", {}, make("span", { class: `figure ${level}`, text: say(`${level}_short`), title: say(level) })))));
  for (const name of ["calc", "program"]) if (texts[name]) parts.push(...textBlock(say(name), texts[name]));
  parts.push(make("div", { class: "proof", id: "proof" }, ...proofParts(row.proof)));
  if (row.quotes.length) parts.push(...block(say("evidence"), ...row.quotes.map(quoteButton)));
  const about = row.about.flatMap(([name, text]) => [make("dt", { text: say(name) }), make("dd", { dir: "auto", text })]);
  parts.push(make("details", { class: "about" }, make("summary", { text: say("about") }), make("dl", { class: "about" }, ...about)));
  return parts;
}

function proofParts(proof) {
  const parts = [];
  if (proof.faults.length) {
    const faults = proof.faults.map((fault) => make("li", { dir: "auto" }, make("strong", { text: fault.check }), ` ${[fault.said, fault.detail].filter(Boolean).join(": ")}`));
    parts.push(make("div", { class: "bad" }, say("checks_fail"), make("ul", {}, ...faults)));
  } else parts.push(make("p", { class: "small good", text: say("checks_pass") }));
  const why = [...new Set(Object.values(proof.unchecked))];
  if (why.length) parts.push(make("p", { class: "small faint", text: say("unchecked") + `${Object.keys(proof.unchecked).join(", ")} (${why.join("; ")})` }));
  return parts;
}

function quoteButton(quote, number) {
  const where = [quote.document, quote.page ? say("on_page", { page: quote.page }) : "", quote.place].filter(Boolean).join(", ");
  const lit = () => light([number], false);
  return make("button", { type: "button", class: "quote", "data-quote": number, on: { click: () => showQuote(number), mouseenter: lit, focus: lit, mouseleave: unlight, blur: unlight } },
    make("span", { class: "text", dir: "auto" }, ...pieces(quote, { whole: false })),
    make("span", { class: "place", dir: "auto", text: `${say("quote", { number: number + 1 })} · ${where}` }));
}

function readings() {
  if (!row.readings.length) return [];
  const told = row.readings.map((each) => {
    const text = say("by", { verdict: say(each.verdict), reviewer: each.reviewer, time: each.time.replace("T", " ").slice(0, 16) });
    const more = [each.second ? say("second_reading") : "", each.reason ? say(each.reason) : "", each.note].filter(Boolean).join("; ");
    return make("li", { class: "small", dir: "auto", text: more ? `${text}: ${more}` : text });
  });
  return block(say("readings"), make("ul", {}, ...told));
}

async function showWhole() {
  try {
    row = await ask("/api/row", { key: row.key, whole: 1 });
    showRow();
  } catch (e) {
    announceRefusal(e);
  }
}

// --- figures, quotes and boxes light each other up ------------------------------------------------------------------------

function light(quotes, figures) {
  unlight();
  for (const quote of quotes) {
    for (const element of document.querySelectorAll(`[data-quote="${quote}"]`)) element.classList.add("on");
    if (!figures) for (const element of document.querySelectorAll(`.figure[data-quotes~="${quote}"]`)) element.classList.add("on");
  }
}

function unlight() {
  for (const element of document.querySelectorAll(".on")) element.classList.remove("on");
}

async function showQuote(number) {
  const { pages } = await fetchPages(row.key).catch(() => ({ pages: [] }));
  const page = pages.findIndex((each) => each.quotes.some((quote) => quote.quote === number));
  source.view = page < 0 ? "passage" : "picture";
  if (page >= 0 && source.page !== page) source.page = page;
  source.moved = 0;
  await showSource();
  light([number], false);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  at("source").querySelector(`[data-quote="${number}"]`)?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}

// --- its source -------------------------------------------------------------------------------------------------------

const source = { view: "picture", page: 0, moved: 0 };

async function showSource() {
  const { key } = row;
  let told;
  try {
    told = await fetchPages(key);
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    told = { pages: [], missing: [e.message] };
  }
  if (key !== row?.key) return; // another row was opened meanwhile, or none is left
  const { pages, missing } = told;
  const parts = [tabs(pages)];
  if (source.view === "picture" && pages.length) parts.push(...sheet(pages[source.page] ?? pages[0]));
  else {
    if (!pages.length) parts.push(make("p", { class: "small faint", text: row.passages.length ? say("no_page") : say("no_source") }));
    parts.push(...missing.map((why) => make("p", { class: "small faint", dir: "auto", text: why })), ...row.passages.map(passage));
  }
  at("source").replaceChildren(...parts.filter(Boolean));
}

function tabs(pages) {
  if (!pages.length && !row.passages.length) return null;
  const pick = (view, page) => () => Object.assign(source, { view, page, moved: 0 }) && showSource();
  const shown = (view, page) => String(source.view === view && (view === "passage" || source.page === page));
  const buttons = pages.map((page, number) => make("button", { type: "button", "aria-pressed": pages.length ? shown("picture", number) : "false", text: `${say("picture")} ${page.page}`, on: { click: pick("picture", number) } }));
  if (row.passages.length) buttons.push(make("button", { type: "button", "aria-pressed": pages.length ? shown("passage", 0) : "true", text: say("passage"), on: { click: pick("passage", source.page) } }));
  return make("div", { class: "tabs" }, ...buttons);
}

function sheet(page) {
  const number = page.page + source.moved;
  const image = fetchPicture(pictureAddress(row.key, page.name, number));
  image.alt = say("picture_of", { page: number, document: page.document });
  image.width = Math.round(page.size[0]);
  image.height = Math.round(page.size[1]);
  const wait = make("p", { class: "small faint", text: say("drawing"), hidden: image.complete && image.naturalWidth > 0 });
  image.onload = () => { wait.hidden = true; };
  image.onerror = () => { wait.textContent = say("no_page"); };
  const frame = make("div", { class: "sheet" }, image);
  if (!source.moved) for (const quote of page.quotes) for (const box of quote.boxes) frame.append(boxOf(quote.quote, box));
  const move = (way) => () => { source.moved += way; showSource(); };
  const name = make("span", { class: "small faint", dir: "auto", text: `${page.document}, ${say("on_page", { page: number })}` });
  const nav = make("div", { class: "tabs" }, make("button", { type: "button", "aria-label": say("page_before"), text: "‹", disabled: number <= 1, on: { click: move(-1) } }), make("button", { type: "button", "aria-label": say("page_after"), text: "›", on: { click: move(1) } }), name);
  return [nav, wait, frame];
}

function boxOf(quote, [left, top, width, height]) {
  const box = make("div", { class: "box", "data-quote": quote, on: { mouseenter: () => light([quote], false), mouseleave: unlight, click: () => at("row").querySelector(`.quote[data-quote="${quote}"]`)?.scrollIntoView({ block: "nearest" }) } });
  Object.assign(box.style, { left: `${left * 100}%`, top: `${top * 100}%`, width: `${width * 100}%`, height: `${height * 100}%` });
  return box;
}

function passage(each) {
  const [first, last] = each.pages;
  const where = [each.document, first ? say("on_page", { page: first === last ? first : `${first}-${last}` }) : "", each.section].filter(Boolean).join(" · ");
  return make("section", { class: "passage", "aria-label": say("passage") }, make("p", { class: "small faint", dir: "auto", text: where }), make("div", { class: "text", dir: "auto", lang: row.language || null }, ...pieces(each, { whole: false })));
}

// --- going about --------------------------------------------------------------------------------------------------------

let opening = 0;
async function open(key, { replace = false } = {}) {
  const turn = ++opening;
  let found;
  try {
    found = await fetchRow(key);
  } catch (e) {
    announceRefusal(e);
    return;
  }
  if (turn !== opening) return;
  row = found;
  place.key = key;
  Object.assign(source, { page: 0, moved: 0 });
  writeAddress({ replace });
  showRow();
  at("row").scrollTop = 0;
  if (matchMedia("(max-width: 45rem)").matches) scrollTo(0, 0);
  at("queue").classList.remove("open");
  at("toggle-queue").setAttribute("aria-expanded", "false");
  markCurrent();
  const text = row.raw ? row.raw : row.texts.question ?? row.texts.input ?? row.answer;
  tell(say("now_at", { number: row.number, split: row.split, question: text.pieces.map((piece) => piece.text).join("").slice(0, 200) }));
  document.body.dataset.shown = key; // that it stands there: what waits for it may look
  await showSource();
  const isListed = listed.items.some((item) => item.key === key);
  await Promise.all([claim(key), isListed && !place.filters.state ? null : loadList(), prepareNeighbours(key)].filter(Boolean)).catch(announceRefusal);
}

async function claim(key) {
  const { is_mine: isMine } = await ask("/api/open", {}, { key });
  if (!isMine && key === place.key) at("head").append(badge("warn", say("open_elsewhere")));
}

async function step(way) {
  try {
    const { key } = await ask("/api/step", { ...place.filters, key: place.key, way });
    if (key) await open(key);
    else announce(say(way > 0 ? "at_end" : "at_start"));
  } catch (e) {
    announceRefusal(e);
  }
}

async function goTo(key, said) {
  if (key) {
    announce(said);
    await open(key);
  } else await allDone(said);
}

async function allDone(said) {
  rows.delete(place.key);
  row = await fetchRow(place.key);
  showRow();
  await loadList();
  announce(`${said} ${say("all_done")}`);
  at("row").prepend(make("div", { class: "card good", id: "done" }, make("p", { text: say("all_done") }), make("p", { text: `${say("all_done_next")} ` }, make("code", { text: document.body.dataset.set }))));
}

// --- verdicts -----------------------------------------------------------------------------------------------------------

let judging = false;
async function judge(verdict, more = {}, said = `said_${verdict}`) {
  if (!row || judging) return false;
  judging = true;
  const { key } = row;
  const body = { key, verdict, nonce: nonce(), seen: row.seen, queue: place.filters, ...more };
  try {
    const told = await ask("/api/verdict", {}, body);
    forget(key);
    changeItem(key, told.verdict);
    showProgress(told);
    judging = false;
    await goTo(told.next, say(said));
    return true;
  } catch (e) {
    judging = false;
    if (e.status === 422) openEdit(e.about);
    else if (e.status === 409) await meanwhile(key, e.about);
    else announceRefusal(e);
    return false;
  }
}

function changeItem(key, state) {
  const item = listed.items.find((each) => each.key === key);
  if (!item) return;
  item.state = state;
  showList();
}

async function meanwhile(key, about) {
  forget(key);
  row = await fetchRow(key);
  showRow();
  announce(say("taken_now", { reviewer: about.by, verdict: say(about.verdict) }));
}

async function undo() {
  try {
    const { key, ...progress } = await ask("/api/undo", {}, { nonce: nonce() });
    if (!key) {
      announce(say("nothing_to_undo"));
      return;
    }
    forget(key);
    changeItem(key, "undecided");
    showProgress(progress);
    await open(key);
    announce(say("said_undo"));
  } catch (e) {
    announceRefusal(e);
  }
}

function accept() {
  if (row && !row.raw) judge("accept", {}, row.rejected ? "said_rescue" : "said_accept");
}

function openReject() {
  if (!row) return;
  at("reject-note").value = "";
  at("reject").showModal();
}

function reject(reason) {
  const note = at("reject-note").value;
  at("reject").close();
  judge("reject", { reason, note });
}

// --- an edit, proved while it is written -----------------------------------------------------------------------------------

const edited = { timer: 0, turn: 0 };
const drafts = new Map(); // key -> what was written and not saved; as long as the page is open
const TEXTS = ["instruction", "input", "output", "calc"];
const quotesOf = (text) => text.split(/\n\s*\n/).map((quote) => quote.trim()).filter(Boolean);

function openEdit(proof = null) {
  if (!row || row.raw) return;
  if (!row.fields) {
    announce(say("too_long"));
    return;
  }
  const draft = drafts.get(row.key);
  const texts = draft ?? { ...row.fields, evidence: row.fields.evidence.join("\n\n") };
  for (const name of [...TEXTS, "evidence"]) at(`edit-${name}`).value = texts[name];
  at("edit-input-field").hidden = !row.fields.input;
  at("edit-evidence-field").hidden = !row.passages.length;
  at("edit-calc-field").hidden = !row.passages.length && !row.fields.calc;
  at("edit-note").value = at("edit").returnValue = "";
  at("edit").showModal();
  at("edit-output").focus();
  showProof(proof ?? row.proof);
  if (draft) proveNow();
}

/** Keep what was written, where the dialog was closed without saving it. */
function keepDraft() {
  if (at("edit").returnValue === "saved" || !row?.fields) return;
  const edit = editOf();
  const isChanged = edit.evidence !== row.fields.evidence || TEXTS.some((name) => edit[name] !== row.fields[name]);
  if (!isChanged) drafts.delete(row.key);
  else {
    drafts.set(row.key, Object.fromEntries([...TEXTS, "evidence"].map((name) => [name, at(`edit-${name}`).value])));
    announce(say("draft_kept"));
  }
}

function closeSaved(key) {
  drafts.delete(key);
  at("edit").close("saved");
}

function editOf() {
  const edit = Object.fromEntries(TEXTS.map((name) => [name, at(`edit-${name}`).value]));
  // A box of text has one kind of line end; what was not touched stays as it was.
  for (const name of TEXTS) if (edit[name] === row.fields[name].replace(/\r\n?/g, "\n")) edit[name] = row.fields[name];
  const quotes = at("edit-evidence").value;
  edit.evidence = quotes === row.fields.evidence.join("\n\n").replace(/\r\n?/g, "\n") ? row.fields.evidence : quotesOf(quotes);
  return edit;
}

function showProof(proof) {
  at("edit-proof").replaceChildren(...proofParts(proof));
  at("edit-note-field").hidden = at("edit-anyway").hidden = !proof.faults.length;
}

function proveSoon() {
  clearTimeout(edited.timer);
  edited.timer = setTimeout(proveNow, PROOF_PAUSE_MS);
}

async function proveNow() {
  const turn = ++edited.turn;
  try {
    const proof = await ask("/api/try", {}, { key: row.key, edit: editOf() });
    if (turn === edited.turn && at("edit").open) showProof(proof);
  } catch (e) {
    announceRefusal(e);
  }
}

async function saveEdit({ anyway = false } = {}) {
  const note = anyway ? at("edit-note").value.trim() : "";
  if (anyway && !note) {
    at("edit-note").focus();
    return;
  }
  if (judging) return;
  judging = true;
  const { key } = row;
  clearTimeout(edited.timer);
  edited.turn += 1;
  try {
    const body = { key, verdict: "edit", edit: editOf(), note, nonce: nonce(), seen: row.seen, queue: place.filters };
    const told = await ask("/api/verdict", {}, body);
    closeSaved(key);
    forget(key);
    changeItem(key, told.verdict);
    showProgress(told);
    judging = false;
    await goTo(told.next, say(row.rejected ? "said_rescue" : `said_${told.verdict}`));
  } catch (e) {
    judging = false;
    if (e.status === 422) {
      showProof(e.about);
      announce(say("fails_now", { failed: e.about.failed.join(", ") }));
    } else if (e.status === 409) {
      at("edit").close();
      await meanwhile(key, e.about);
    } else announceRefusal(e);
  }
}

// --- keys ---------------------------------------------------------------------------------------------------------------

const KEYS = {
  a: accept, r: openReject, e: () => openEdit(), n: () => step(1), j: () => step(1), ArrowRight: () => step(1),
  p: () => step(-1), k: () => step(-1), ArrowLeft: () => step(-1), u: undo, "?": () => at("keys").showModal(),
  "/": () => { showQueue(true); at("find").focus(); at("find").select(); },
  v: () => { source.view = source.view === "picture" ? "passage" : "picture"; showSource(); },
};

function onKey(event) {
  const inside = event.target.closest?.("input, textarea, select");
  const field = inside?.closest("dialog:not([open])") ? null : inside; // a dialog that has just closed may have the focus still
  if (at("edit").open) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      saveEdit({ anyway: event.shiftKey });
    }
    return;
  }
  if (at("reject").open) {
    const reason = [...at("reject").querySelectorAll(".reasons button")][Number(event.key) - 1];
    if (reason && !field && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      reject(reason.value);
    }
    return;
  }
  if (at("keys").open || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!at("single-keys").checked && event.key.length === 1) return;
  if (act && row !== undefined) {
    event.preventDefault();
    act();
  }
}

function showQueue(open_) {
  at("queue").classList.toggle("open", open_);
  at("toggle-queue").setAttribute("aria-expanded", String(at("queue").classList.contains("open")));
}

async function filter() {
  place.filters = Object.fromEntries(FILTERS.map((name) => [name, at(name)?.value.trim() ?? ""]).filter(([, value]) => value));
  place.key = "";
  writeAddress({ replace: false });
  readAddress();
  await begin();
}

// --- the start ------------------------------------------------------------------------------------------------------------

async function begin() {
  try {
    const list = await loadList();
    const known = place.key || (await ask("/api/step", { ...place.filters, key: "", undecided: 1 })).key || list.items[0]?.key;
    if (known) await open(known, { replace: true });
    else {
      row = null;
      at("row").replaceChildren(make("p", { class: "faint", text: say("empty") }));
      at("source").replaceChildren();
    }
  } catch (e) {
    announceRefusal(e);
  }
}

for (const [id, act] of Object.entries({ "do-accept": accept, "do-reject": openReject, "do-edit": () => openEdit(), "do-next": () => step(1), "do-previous": () => step(-1), "do-undo": undo, help: () => at("keys").showModal() })) at(id).addEventListener("click", act);
at("toggle-queue").addEventListener("click", () => showQueue(!at("queue").classList.contains("open")));
at("newer").addEventListener("click", () => loadList(listed.page - 1).catch(announceRefusal));
at("older").addEventListener("click", () => loadList(listed.page + 1).catch(announceRefusal));
at("filters").addEventListener("submit", (event) => { event.preventDefault(); at("find").blur(); filter(); });
for (const name of FILTERS) if (name !== "find") at(name)?.addEventListener("change", filter);
at("clear").addEventListener("click", () => { for (const name of FILTERS) if (at(name)) at(name).value = ""; filter(); });
at("language").addEventListener("change", () => { const asked = new URLSearchParams(location.search); asked.set("language", at("language").value); location.search = asked; });
for (const button of at("reject").querySelectorAll(".reasons button")) button.addEventListener("click", () => reject(button.value));
at("reject-note").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); reject("other"); } });
for (const name of [...TEXTS, "evidence"]) at(`edit-${name}`).addEventListener("input", proveSoon);
at("edit").addEventListener("close", keepDraft);
at("edit-save").addEventListener("click", () => saveEdit());
at("edit-anyway").addEventListener("click", () => saveEdit({ anyway: true }));
at("single-keys").checked = localStorage.getItem("single-keys") !== "off";
at("single-keys").addEventListener("change", () => localStorage.setItem("single-keys", at("single-keys").checked ? "on" : "off"));
document.addEventListener("keydown", onKey);
addEventListener("popstate", () => { readAddress(); begin(); });
readAddress();
begin();
