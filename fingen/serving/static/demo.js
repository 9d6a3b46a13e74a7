// The page of `fingen demo`. All that comes from the server is text, and is shown as text.
import { TEXTS } from "./texts.js";

const find = (selector, within = document) => within.querySelector(selector);
const wanted = new URLSearchParams(location.search).get("language") ?? navigator.language;
let language = wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
let state = { models: [], set: null };
let running = null; // the id of the question that is being answered
const chosen = { item: null, passage: null }; // the example, and the passage, as the server told them
const turns = new Map(); // model -> what was said: question and answer in turn

const t = (key) => TEXTS[language][key] ?? key;

function make(tag, { text, kind, ...more } = {}, ...inner) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  for (const [name, value] of Object.entries(more)) element.setAttribute(name, value);
  element.append(...inner);
  return element;
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const told = await answer.json();
  if (!answer.ok) throw new Error([told.error?.message ?? told.error, told.hint].filter(Boolean).join(" → "));
  return told;
}

const tell = (text) => { find("#news").textContent = text; };
const failing = (work) => async (...given) => { try { await work(...given); } catch (error) { tell(error.message || t("lost")); } };

// --- language and models

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", t(each.dataset.label));
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = t(each.dataset.placeholder);
  const other = find("#language");
  other.textContent = t("other");
  other.lang = language === "zh" ? "en" : "zh-CN";
  showModels();
  showAbout();
}

const gigabytes = (bytes) => (bytes >= 1e8 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);

function showModels() {
  const off = new Set([...document.querySelectorAll("#models input:not(:checked)")].map((box) => box.value));
  find("#models").replaceChildren(...state.models.map((model) => {
    const box = make("input", { type: "checkbox", value: model.name });
    box.checked = !off.has(model.name);
    const label = make("label", { title: model.about }, box, make("span", { text: model.shown, kind: "name" }), make("span", { text: t(model.kind), kind: "badge" }));
    if (model.bytes) label.append(make("span", { text: memory(model), kind: "faint number" }));
    return make("li", {}, label);
  }));
}

function memory(model) {
  const others = model.shared.filter((name) => name !== model.name);
  return gigabytes(model.bytes) + (others.length ? ` (${t("shared")} ${model.shared.length})` : "");
}

function update(about) {
  state.models = state.models.map((model) => (model.name === about.name ? about : model));
  for (const model of state.models) if (about.shared.includes(model.name)) model.shared = about.shared;
  showModels();
}

// --- examples and passages

function fill(id, path, entry, choose) {
  const box = find(`#${id}`), list = find(".list", box), search = find("input", box);
  let last = 0;
  const look = failing(async () => {
    const mine = ++last;
    const found = await ask(`${path}?q=${encodeURIComponent(search.value)}`);
    if (mine !== last) return;
    list.replaceChildren(...found.map((each) => {
      const button = make("button", { type: "button", "data-id": each.id, "aria-current": String(chosen[entry]?.id === each.id) });
      const where = each.given ? t("withPassage") : each.where;
      if (where) button.append(make("span", { text: where, kind: "where" }));
      button.append(make("span", { text: each.text, kind: "text" }));
      button.addEventListener("click", failing(() => choose(each.id)));
      return make("li", {}, button);
    }));
    if (!found.length) list.append(make("li", { text: t("none"), kind: "faint small" }));
  });
  search.addEventListener("input", look);
  box.addEventListener("toggle", () => { if (box.open && !list.children.length) look(); });
  if (box.open) look();
}

function markCurrent() {
  for (const [id, entry] of [["examples", "item"], ["passages", "passage"]])
    for (const button of document.querySelectorAll(`#${id} .list button`)) button.setAttribute("aria-current", String(chosen[entry]?.id === button.dataset.id));
}

async function chooseItem(id) {
  const item = await ask(`/api/items/${encodeURIComponent(id)}`);
  chosen.item = item;
  const question = find("#question");
  question.value = item.text;
  question.readOnly = true;
  if (item.passages.length) await choosePassage(item.passages[0], item.id);
  else closePassage();
  markCurrent();
  showAbout();
  question.focus();
}

function dropItem() {
  chosen.item = null;
  const question = find("#question");
  question.readOnly = false;
  question.value = "";
  markCurrent();
  showAbout();
}

async function choosePassage(id, item = "") {
  const passage = await ask(`/api/passages/${encodeURIComponent(id)}?item=${encodeURIComponent(item)}`);
  chosen.passage = passage;
  const panel = find("#passage");
  find("h2", panel).textContent = passage.where;
  find(".text", panel).textContent = passage.text;
  const missing = find(".missing", panel);
  missing.hidden = !passage.missing;
  missing.textContent = passage.missing;
  find(".pages", panel).replaceChildren(...passage.pages.map((page) => make("img", {
    src: `/api/picture?passage=${encodeURIComponent(id)}&item=${encodeURIComponent(item)}&page=${page}`, alt: `${passage.where} (${page})`, loading: "lazy",
  })));
  panel.hidden = false;
  markCurrent();
  showAbout();
}

function closePassage() {
  chosen.passage = null;
  find("#passage").hidden = true;
  markCurrent();
  showAbout();
}

function showAbout() {
  const about = find("#about"), parts = [];
  if (chosen.item) parts.push(t("fromExample"));
  if (chosen.passage) parts.push(`${t(find("#give").checked ? "given" : "notGiven")} ${chosen.passage.where}`);
  about.replaceChildren(parts.join(" · "));
  if (chosen.item) {
    const drop = make("button", { type: "button", text: t("drop"), id: "drop" });
    drop.addEventListener("click", dropItem);
    about.append(" ", drop);
  }
  about.hidden = !parts.length;
}

// --- a question and its answers

class Answer {
  constructor(model) {
    this.model = model;
    this.state = make("p", { kind: "state small faint" });
    this.body = make("div", { kind: "text body" });
    this.more = make("div");
    this.card = make("section", { kind: "card answer", "aria-busy": "true", "aria-label": model.shown },
      make("h3", {}, make("span", { text: model.shown }), make("span", { text: t(model.kind), kind: "badge" })), this.state, this.body, this.more);
    this.card.dataset.model = model.name;
    this.say("thinking");
  }

  say(...keys) { this.state.textContent = keys.map(t).join(" "); }

  take(said) { this[`on_${said.type}`]?.(said); }

  on_loading({ step, of }) {
    this.state.textContent = step === "ready" ? `${t("ready")} ${of}` : `${t(step === "base" || step === "adapter" ? `${step}_` : step)} ${of}`;
  }

  on_note({ note }) {
    if (note === "sent") this.say("sent");
    else this.more.append(make("p", { text: t(note), kind: "small faint" }));
  }

  on_piece({ text }) {
    this.say("writing");
    this.body.append(text);
  }

  on_checked({ pieces }) {
    this.pieces = pieces;
    this.body.replaceChildren(...pieces.map((piece) => {
      if (!piece.standing) return document.createTextNode(piece.text);
      const means = piece.why || t(`${piece.standing}Means`);
      return make("span", { text: piece.text, kind: piece.standing, title: means });
    }));
  }

  on_options({ options }) {
    const most = Math.max(...options.map((option) => option.share));
    const list = make("ol", {}, ...options.map((option) => {
      const name = option.name && option.name !== option.key ? `${option.key}. ${option.name}` : option.key;
      const bar = make("progress", { value: option.share, max: 1, "aria-label": name });
      const share = make("span", { text: `${(100 * option.share).toFixed(1)} %`, kind: "number" });
      return make("li", { kind: option.share === most ? "most" : "" }, make("span", { text: name }), bar, share);
    }));
    this.more.append(make("div", { kind: "options" }, make("h3", { text: t("options") }), list));
  }

  on_done(said) {
    const parts = said.text.trim() ? [] : [t("empty")];
    if (said.ending === "interrupted") parts.push(t("stopped"));
    if (said.ending === "length") parts.push(t("cut"));
    parts.push(`${said.tokens} ${t("tokens")}`);
    if (said.first) parts.push(`${t("first")} ${said.first.toFixed(2)} s`);
    if (said.first && said.seconds > said.first && said.tokens > 1) parts.push(`${((said.tokens - 1) / (said.seconds - said.first)).toFixed(1)} ${t("each")}`);
    if (said.label) parts.push(`${t("label")} ${said.label}`);
    if (said.is_new === false) parts.push(t("again"));
    else if (typeof said.usd === "number") parts.push(`${t("paid")} ${said.usd.toFixed(4)} USD`);
    if (said.spent_usd) parts.push(`${t("soFar")} ${said.spent_usd.toFixed(4)} USD`);
    this.state.textContent = parts.join(" · ");
    this.count();
    this.end();
    turns.set(this.model.name, [...said.before, said.put, said.text]);
    update(said.about);
  }

  count() {
    const figures = (this.pieces ?? []).filter((piece) => piece.standing);
    if (!this.isChecked) return;
    if (!figures.length) {
      this.more.prepend(make("p", { text: t("noFigures"), kind: "small faint count" }));
      return;
    }
    const counts = ["bound", "there", "wrong"].map((standing) => `${figures.filter((piece) => piece.standing === standing).length} ${t(`count${standing[0].toUpperCase()}${standing.slice(1)}`)}`);
    this.more.prepend(make("p", { text: `${t("count")}: ${counts.join(" · ")}`, kind: "small faint count" }));
    const wrong = [...new Map(figures.filter((piece) => piece.standing === "wrong").map((piece) => [piece.text + piece.why, piece])).values()];
    if (wrong.length) this.more.append(make("ul", { kind: "found small" }, ...wrong.map((piece) => make("li", {}, make("span", { text: piece.text, kind: "wrong" }), ` ${piece.why}`))));
  }

  on_error({ text, hint }) {
    this.state.replaceChildren(make("span", { text, kind: "bad" }), hint ? ` → ${hint}` : "");
    this.end();
  }

  on_consent({ usd, tokens, passage }) {
    const price = typeof usd === "number" ? `${usd.toFixed(4)} ${t("consentMost")}` : t("consentUnknown");
    const what = `${t("consentWhat")}${passage ? ` ${t("consentPassage")}` : ""}: ~${tokens} ${t("tokens")}, ${price}.`;
    const agree = make("button", { type: "button", text: t("agree"), kind: "agree" });
    agree.addEventListener("click", failing(async () => {
      this.card.setAttribute("aria-busy", "true");
      update(await ask("/api/agree", { model: this.model.name }));
      agree.remove();
      this.body.replaceChildren();
      await send([this], this.body_asked);
    }));
    this.say("notSent");
    this.body.replaceChildren(`${t("consent")} ${this.model.shown}. ${what} `, agree);
    this.end();
  }

  end() { this.card.setAttribute("aria-busy", "false"); }
}

async function submit() {
  const question = find("#question").value.trim();
  const models = [...document.querySelectorAll("#models input:checked")].map((box) => state.models.find((model) => model.name === box.value));
  if (running || (!question && !chosen.item)) return;
  if (!models.length) { tell(t("tick")); return; }
  const body = {
    question, system: find("#system").value, passage: chosen.passage?.id ?? "", give: find("#give").checked, item: chosen.item?.id ?? "",
    turns: Object.fromEntries(models.map((model) => [model.name, turns.get(model.name) ?? []])),
  };
  const answers = models.map((model) => new Answer(model));
  for (const answer of answers) { answer.body_asked = body; answer.isChecked = Boolean(chosen.passage); }
  const before = (chosen.item?.turns ?? []).map((said) => make("p", { kind: "text small faint", dir: "auto", text: `${said.role}: ${said.content}` }));
  const shown = make("div", { kind: "asked" }, make("h2", { text: t(chosen.item ? "example" : "asked") }), ...before, make("div", { text: question, kind: "text", tabindex: "0" }));
  if (chosen.passage) shown.append(make("p", { text: `${t(body.give ? "given" : "notGiven")} ${chosen.passage.where}`, kind: "small faint" }));
  const turn = make("li", {}, shown, make("div", { kind: "answers" }, ...answers.map((answer) => answer.card)));
  if (chosen.item) turn.append(make("details", { kind: "reference card" }, make("summary", { text: t("reference") }), make("div", { text: chosen.item.right, kind: "text" })));
  find("#welcome").hidden = true;
  find("#turns").append(turn);
  if (chosen.item) dropItem(); else find("#question").value = "";
  turn.scrollIntoView({ block: "start" });
  await send(answers, body);
}

async function send(answers, body) {
  const id = crypto.randomUUID(), known = new Map(answers.map((answer) => [answer.model.name, answer]));
  busy(id);
  try {
    const asked = { ...body, id, models: [...known.keys()] };
    const answer = await fetch("/api/ask", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) });
    if (!answer.ok) {
      const { error, hint } = await answer.json();
      throw new Error([error?.message ?? error, hint].filter(Boolean).join(" → "));
    }
    await readLines(answer.body, (said) => known.get(said.model)?.take(said));
    tell(t("done"));
  } catch (error) {
    for (const each of answers) if (each.card.getAttribute("aria-busy") === "true") each.on_error({ text: error.message || t("lost") });
    tell(error.message || t("lost"));
  } finally {
    for (const each of answers) each.end();
    busy(null);
  }
}

async function readLines(stream, take) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
    if (done) return;
  }
}

function busy(id) {
  running = id;
  find("#send").disabled = Boolean(id);
  find("#anew").disabled = Boolean(id);
  find("#stop").hidden = !id;
  if (id) tell("");
}

const stop = failing(async () => { if (running) await ask("/api/stop", { id: running }); });

function anew() {
  turns.clear();
  find("#turns").replaceChildren();
  find("#welcome").hidden = false;
  find("#question").focus();
}

// --- begin

find("#composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
find("#question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
find("#stop").addEventListener("click", stop);
find("#anew").addEventListener("click", anew);
find("#give").addEventListener("change", showAbout);
find("#passage .close").addEventListener("click", closePassage);
find("#language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  const address = new URL(location);
  address.searchParams.set("language", language);
  history.replaceState(null, "", address);
  translate();
});

const begin = failing(async () => {
  translate();
  state = await ask("/api/state");
  const { set } = state;
  if (set) {
    for (const [id, count, path, entry, choose] of [
      ["examples", set.items, "/api/items", "item", chooseItem],
      ["passages", set.passages, "/api/passages", "passage", (name) => { if (chosen.item) dropItem(); return choosePassage(name); }],
    ]) {
      const box = find(`#${id}`);
      find(".number", box).textContent = count.toLocaleString();
      box.hidden = !count;
      box.open = matchMedia("(min-width: 60rem)").matches && id === "examples";
      if (count) fill(id, path, entry, choose);
    }
    const notes = find("#notes");
    notes.textContent = set.notes.join(" · ");
    notes.hidden = !set.notes.length;
  }
  translate();
  find("#question").focus();
});
begin();
