// The search of the home page: asks the index beside the pages, which are files and no server.
"use strict";

const ROOT = document.currentScript.dataset.root;
const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const LEAD_S = 1; // who follows a hit hears so much before the word
const NUM_SHOWN = 10; // hits at a time
const NUM_AT_ONCE = 6; // files under way, as many as a browser asks one server for
const MAX_TERM_FILES = 6; // files of terms for the beginning of a word, in each volume
const MAX_NEAR = 3; // neighbours of a phrase that are asked for
const MAX_TERMS = 32; // of a query; more is a text, and no question
const MAX_LOOKED = 60; // parts without a hit, before somebody is asked whether to go on

// --- Files: scripts, since a browser loads nothing else from a disk.
const files = new Map();
const waiting = new Map();

window.opentrGot = (name, content) => waiting.get(name)?.(content);

function load(name) {
  if (!files.has(name)) {
    files.set(name, new Promise((done, failed) => {
      const script = document.createElement("script");
      waiting.set(name, (content) => { waiting.delete(name); script.remove(); done(content); });
      script.onerror = () => { files.delete(name); script.remove(); failed(new Error(name)); };
      script.src = `${ROOT}search/${name}.js`;
      document.head.append(script);
    }));
  }
  return files.get(name);
}

// --- Words: the same tokens as opentr_pipeline/search/terms.py makes.
const UNSPACED = new RegExp("[\\u0E00-\\u109F\\u1780-\\u17FF\\u2E80-\\u2FDF\\u3005-\\u3007"
  + "\\u3040-\\u30FF\\u31F0-\\u31FF\\u3400-\\u4DBF\\u4E00-\\u9FFF\\uF900-\\uFAFF\\u{20000}-\\u{3FFFF}]", "u");
const MARKS = new RegExp("[\\u0300-\\u036F\\u0591-\\u05BD\\u05BF\\u05C1\\u05C2\\u05C4\\u05C5\\u05C7\\u0640"
  + "\\u064B-\\u0655\\u0670]", "g");
const PLAIN = { ı: "i", ł: "l", ø: "o", đ: "d", æ: "ae", œ: "oe" };
const foldings = new Map();

function foldingOf(character) {
  let made = foldings.get(character);
  if (made === undefined) {
    const plain = [...character.normalize("NFKD")]
      .map((one) => one.toUpperCase().toLowerCase()).join("")
      .replace(MARKS, "").normalize("NFC").replace(/[ıłøđæœ]/g, (one) => PLAIN[one]);
    made = [...plain].map((one) => {
      if (/\p{Cf}/u.test(one)) return "";
      if (!/[\p{L}\p{M}\p{N}]/u.test(one)) return " ";
      return UNSPACED.test(one) ? ` ${one} ` : one;
    }).join("");
    foldings.set(character, made);
  }
  return made;
}

// Each token with its first character in the text, and the one after its last.
function tokensOf(text) {
  const found = [];
  let open = null, at = 0;
  for (const character of text) {
    const folded = foldingOf(character), end = at + character.length;
    if (folded.includes(" ")) {
      if (open) found.push(open);
      open = null;
      for (const token of folded.split(" ").filter(Boolean)) found.push({ token, at, end });
    } else if (folded) {
      if (open) { open.token += folded; open.end = end; } else open = { token: folded, at, end };
    }
    at = end;
  }
  if (open) found.push(open);
  return found;
}

const isCharacter = (token) => [...token].length === 1 && UNSPACED.test(token);

// Phrases in quotation marks, words, beginnings of words (light*).
function termsOf(query) {
  const terms = new Map(); // each once, however often it is typed
  const wide = query.replace(/[\uFF61-\uFF9F]+/g, (some) => some.normalize("NFKC"));
  for (const match of wide.matchAll(/["“”„]([^"“”„]*)(?:["“”„]|$)|([^\s"“”„]+)/g)) {
    const tokens = tokensOf((match[1] ?? match[2]).normalize("NFC")).map((one) => one.token);
    const term = { tokens, isOpen: (match[2] ?? "").endsWith("*") };
    if (tokens.length) terms.set(JSON.stringify(term), term);
  }
  return [...terms.values()];
}

// Neighbours as opentr_pipeline/search/neighbours.py spells them: pairs, of characters threes.
function neighboursOf(tokens) {
  const found = [];
  for (let at = 0; at + 1 < tokens.length; at += 1) {
    const [one, next, third] = tokens.slice(at, at + 3);
    if (!isCharacter(one) || !isCharacter(next)) found.push(`${one} ${next}`);
    else if (third !== undefined && isCharacter(third)) found.push(`${one} ${next} ${third}`);
  }
  return found;
}

// CRC-32, which zlib has as well.
function checksumOf(text) {
  let rest = -1;
  for (const byte of new TextEncoder().encode(text)) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0xEDB88320 : rest >>> 1;
  }
  return (rest ^ -1) >>> 0;
}

// What the index is asked for a term: neighbours, the longest words first, which are rare; where
// these are not enough its words, and of neighbouring characters without spaces the pairs.
function askedFor({ tokens, isOpen }) {
  const near = neighboursOf(isOpen ? tokens.slice(0, -1) : tokens)
    .sort((one, other) => other.length - one.length).slice(0, MAX_NEAR).map((pair) => ({ pair }));
  if (near.length < 2) return [...near, ...wordsFor({ tokens, isOpen })];
  return isOpen ? [...near, { text: tokens.at(-1), isOpen }] : near;
}

function wordsFor({ tokens, isOpen }) {
  const asked = [];
  tokens.forEach((token, place) => {
    const next = tokens[place + 1], isLast = next === undefined;
    if (isCharacter(token) && !isLast && isCharacter(next)) asked.push({ text: token + next });
    else if (!(isCharacter(token) && place && isCharacter(tokens[place - 1]))) {
      asked.push({ text: token, isOpen: isLast && isOpen && !isCharacter(token) });
    }
  });
  return asked;
}

// --- Volumes: which parts hold all words.
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const digitOf = new Map([...DIGITS].map((one, number) => [one, number]));

function* numbersOf(text) {
  let number = 0, factor = 1;
  for (const character of text) {
    const digit = digitOf.get(character);
    number += (digit & 31) * factor;
    if (digit < 32) { yield number; number = 0; factor = 1; } else factor *= 32;
  }
}

// Of neighbours, whose number others share: parts that may have them.
async function partsNear([folder, , bits], pair) {
  const number = checksumOf(pair) >>> (32 - bits), found = new Map();
  const lists = (await load(`${folder}/n${number >>> 9}`)).split(",");
  let part = -1;
  for (const step of numbersOf(lists[number & 511])) found.set(part += step + 1, 1);
  return found;
}

// Of what has no such value, such as the word "constructor", nothing.
const valueIn = (values, name) => (Object.hasOwn(values, name) ? values[name] : "");

// Parts, each with how much it is about the term.
function partsOf(postings, into = new Map()) {
  let part = -1;
  for (const number of numbersOf(postings)) {
    part += (number >> 2) + 1;
    into.set(part, Math.max(into.get(part) ?? 0, 1 + (number & 3)));
  }
  return into;
}

function termFilesFor({ text, isOpen }, firsts) {
  if (!firsts.length) return [];
  let first = firsts.findLastIndex((one) => one <= text);
  if (first < 0) first = 0;
  let last = first;
  while (isOpen && last - first < MAX_TERM_FILES - 1 && firsts[last + 1]?.startsWith(text)) last += 1;
  return Array.from({ length: last - first + 1 }, (_, step) => first + step);
}

async function partsWith(volume, asked) {
  if (asked.pair) return partsNear(volume, asked.pair);
  const [folder] = volume, { firsts } = await load(`${folder}/head`);
  const found = new Map();
  const termFiles = await Promise.all(
    termFilesFor(asked, firsts).map((number) => load(`${folder}/t${number}`)));
  for (const terms of termFiles) {
    if (!asked.isOpen) partsOf(valueIn(terms, asked.text), found);
    else for (const term in terms) if (term.startsWith(asked.text)) partsOf(terms[term], found);
  }
  return found;
}

async function partsWithin(folder, wanted) {
  const limits = [];
  for (const kind of ["language", "status", "folder", "speaker"]) {
    if (wanted[kind]) limits.push((facets) => partsOf(valueIn(facets[kind] ?? {}, wanted[kind])));
  }
  if (wanted.from || wanted.to) {
    limits.push((facets) => {
      const found = new Map();
      for (const [month, postings] of Object.entries(facets.month ?? {})) {
        if (mayBeWithin(month, wanted)) partsOf(postings, found);
      }
      return found;
    });
  }
  if (!limits.length) return [];
  const facets = await load(`${folder}/facets`);
  return limits.map((limit) => limit(facets));
}

// A day that is known by its year alone is any day of it.
function mayBeWithin(day, { from, to }) {
  return Boolean(day) && (!from || day >= from.slice(0, day.length)) && (!to || day <= to.slice(0, day.length));
}

async function candidatesIn(volume, terms, wanted) {
  const [folder, numParts] = volume;
  const [limits, ...lists] = await Promise.all([
    partsWithin(folder, wanted),
    ...terms.flatMap(askedFor).map((asked) => partsWith(volume, asked)),
  ]);
  const [rarest, ...others] = [...lists].sort((one, other) => one.size - other.size);
  const rarities = lists.map((list) => Math.log(1 + numParts / (list.size || 1)));
  const found = [];
  for (const part of rarest.keys()) {
    if (!others.every((list) => list.has(part)) || !limits.every((list) => list.has(part))) continue;
    const score = lists.reduce((sum, list, number) => sum + list.get(part) * rarities[number], 0);
    found.push({ folder, part, score });
  }
  return found;
}

async function textOf({ folder, part }) {
  const names = await load(`${folder}/p${Math.floor(part / 256)}`);
  const name = `texts/${names[part % 256]}`;
  const content = await load(name);
  files.delete(name); // looked through once; only hits are kept
  return content;
}

// --- Parts: where in one a query is met, as opentr_pipeline/search/passages.py says.
function placesOf({ tokens, isOpen }, flat) {
  const found = [];
  for (let at = 0; at + tokens.length <= flat.length; at += 1) {
    if (tokens.every((token, step) => flat[at + step].token === token
      || (isOpen && step === tokens.length - 1 && flat[at + step].token.startsWith(token)))) found.push(at);
  }
  return found;
}

function hitsIn([[title, path, page, day, , usual, names, ownDay], own, end, segments], terms, wanted) {
  if (!mayBeWithin(day || "0", wanted) && (wanted.from || wanted.to)) return [];
  const spoken = segments.map(([start, text, steps, who, language]) => (
    { start, text, steps, name: names[who] ?? "", language: language ?? usual, tokens: tokensOf(text) }));
  const flat = spoken.flatMap(({ tokens }, owner) => tokens.map((one, number) => ({ ...one, owner, number })));
  const met = terms.map((term) => placesOf(term, flat).map((at) => (
    { first: flat[at], last: flat[at + term.tokens.length - 1] })));
  if (!met.every((places) => places.length)) return [];
  const hits = [];
  for (let place = own; place < end; place += 1) {
    const segment = spoken[place];
    if ((wanted.language && segment.language !== wanted.language)
      || (wanted.speaker && segment.name !== wanted.speaker)) continue;
    const near = met.map((places) => places.filter(({ first, last }) => (
      place - 1 <= first.owner && last.owner <= place + 1)));
    const marks = near.flat().filter(({ first, last }) => first.owner <= place && place <= last.owner);
    if (!near.every((places) => places.length) || !marks.length) continue;
    hits.push({ title, path, page, day: ownDay, ...contextOf(spoken, place, near.flat()), name: segment.name, language: segment.language });
    place += 1; // the neighbour is shown with it
  }
  return hits;
}

function contextOf(spoken, place, marks) {
  const low = Math.min(place, ...marks.map(({ first }) => first.owner));
  const high = Math.max(place, ...marks.map(({ last }) => last.owner));
  const starts = [];
  let text = "";
  for (let at = low; at <= high; at += 1) {
    starts[at] = text.length;
    text += spoken[at].text + (at < high ? " " : "");
  }
  const own = marks.filter(({ first }) => first.owner === place)
    .sort((one, other) => one.first.number - other.first.number)[0];
  const ranges = marks.map(({ first, last }) => [starts[first.owner] + first.at, starts[last.owner] + last.end])
    .sort((one, other) => one[0] - other[0]);
  return { text, ranges, at: (spoken[place].start + (own ? timeOf(spoken[place], own.first.number) : 0)) / 100 };
}

function timeOf({ steps, tokens }, number) {
  const times = [...numbersOf(steps)];
  return times.length === tokens.length ? times.slice(0, number + 1).reduce((sum, one) => sum + one, 0) : 0;
}

// --- The search itself.
async function* search(terms, wanted) {
  const { volumes } = await load("manifest");
  const foundFor = async (asked) => (
    await Promise.all(volumes.map((volume) => candidatesIn(volume, asked, wanted)))).flat();
  let found = await foundFor(terms), hasHits = false;
  if (found.length) {
    for await (const looked of lookThrough(found, terms, wanted)) {
      hasHits ||= looked.hits.length > 0;
      yield looked;
    }
  }
  // No such word, or none behind the one before it: it may be the beginning of one.
  const isBegun = terms.some((term) => !term.isOpen);
  if (hasHits || found.length > MAX_LOOKED || !isBegun) return;
  terms = terms.map((term) => ({ ...term, isOpen: true }));
  found = await foundFor(terms);
  yield* lookThrough(found, terms, wanted);
}

async function* lookThrough(found, terms, wanted) {
  found.sort((one, other) => other.score - one.score);
  const coming = [];
  for (let next = 0; coming.length || next < found.length;) {
    while (coming.length < NUM_AT_ONCE && next < found.length) coming.push(textOf(found[next++]));
    const hits = hitsIn(await coming.shift(), terms, wanted);
    yield { hits, numLooked: next - coming.length, numParts: found.length };
  }
}

// --- The page.
const byId = (id) => document.getElementById(id);
const form = byId("find");
let asked = 0;

function said(name, values = {}) {
  return TEXTS[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

function timeText(seconds) {
  const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function made(tag, text, facts = {}) {
  const node = Object.assign(document.createElement(tag), facts);
  node.append(text);
  return node;
}

function shownText({ text, ranges, language }) {
  const node = made("p", "", { className: "said", dir: "auto", lang: language });
  let at = Math.max(0, ranges[0][0] - 160);
  if (at) { at = text.indexOf(" ", at) + 1 || at; node.append("… "); }
  for (const [first, end] of ranges) {
    if (first < at) continue;
    node.append(text.slice(at, first), made("mark", text.slice(first, end)));
    at = end;
  }
  const rest = text.slice(at);
  node.append(rest.length > 200 ? `${rest.slice(0, rest.lastIndexOf(" ", 180) + 1 || 180)}…` : rest);
  return node;
}

function shownHit(hit) {
  const address = `${ROOT}${hit.page.split("/").map(encodeURIComponent).join("/")}#t=${Math.max(0, hit.at - LEAD_S).toFixed(2)}`;
  const link = made("a", made("bdi", hit.title), { href: address });
  link.append(" ", made("time", timeText(hit.at)));
  const facts = made("span", "", { className: "soft" });
  for (const fact of [hit.name, hit.day].filter(Boolean)) facts.append(" · ", made("bdi", fact));
  const head = made("h2", link);
  head.append(facts);
  const item = made("li", head, { title: hit.path });
  item.append(shownText(hit));
  return item;
}

function wantedNow() {
  const wanted = Object.fromEntries(new FormData(form));
  return { ...wanted, query: wanted.query.trim() };
}

function say(text) { byId("said").textContent = text; }

async function run(isMore) {
  const number = ++asked, wanted = wantedNow(), terms = termsOf(wanted.query);
  remember(wanted);
  document.body.classList.toggle("searching", terms.length > 0);
  byId("hits").replaceChildren();
  byId("more").hidden = true;
  if (!terms.length) return say(wanted.query ? said("nothing") : "");
  if (terms.length > MAX_TERMS) return say(said("tooMany", { most: MAX_TERMS }));
  say(said("searching"));
  try {
    await show(search(terms, wanted), number);
  } catch {
    if (number === asked) say(said("broken"));
  }
}

async function show(results, number) {
  let numShown = 0, limit = NUM_SHOWN, numIdle = 0, last = { numLooked: 0, numParts: 0 };
  const summary = (name) => say(said(name, { places: numShown, ...last }));
  for await (const { hits, ...progress } of results) {
    if (number !== asked) return;
    last = progress;
    numIdle = hits.length ? 0 : numIdle + 1;
    for (const hit of hits) {
      byId("hits").append(shownHit(hit));
      numShown += 1;
    }
    summary(numShown ? "soFar" : "looking");
    if ((numShown >= limit || numIdle >= MAX_LOOKED) && last.numLooked < last.numParts) {
      if (!(await wantsMore(number))) return;
      limit = numShown + NUM_SHOWN;
      numIdle = 0;
    }
  }
  if (number === asked) summary(numShown > 1 ? "places" : numShown ? "place" : "nothing");
}

function wantsMore(number) {
  const button = byId("more");
  button.hidden = false;
  return new Promise((done) => {
    button.onclick = () => { button.hidden = true; done(number === asked); };
  });
}

// The address holds the question, so that it can be handed on.
function remember(wanted) {
  const chosen = Object.entries(wanted).filter(([, value]) => value);
  history.replaceState(null, "", chosen.length ? `#${new URLSearchParams(chosen)}` : location.pathname);
}

function shownValue(kind, value) {
  if (kind === "language") return nameOfLanguage(value);
  return kind === "status" ? TEXTS.statuses[value] ?? value : value;
}

function fill(choices) {
  for (const kind of ["language", "folder", "speaker", "status"]) {
    const select = form.elements[kind], values = choices[kind] ?? [];
    for (const value of values) {
      select.append(made("option", shownValue(kind, value), { value }));
    }
    select.closest("label").hidden = values.length < 2;
  }
  const months = (choices.month ?? []).filter(Boolean);
  for (const name of ["from", "to"]) form.elements[name].closest("label").hidden = months.length < 1;
}

async function begin() {
  let manifest;
  try {
    manifest = await load("manifest");
  } catch {
    return; // pages of an earlier release, or none of what is said
  }
  if (!manifest.volumes.length) return;
  fill(manifest.choices);
  form.hidden = false;
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (form.elements[name]) form.elements[name].value = value;
    if (name !== "query") byId("narrow").open = true;
  }
  let pause;
  form.addEventListener("input", (event) => {
    clearTimeout(pause);
    pause = setTimeout(run, event.target.type === "search" ? 250 : 0);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(pause); run(); });
  form.elements.query.addEventListener("focus", () => {
    for (const [folder] of manifest.volumes) load(`${folder}/head`).catch(() => {});
  }, { once: true });
  if (form.elements.query.value) run();
}

begin();
