// The player and its transcript: what is said is marked, a word that is clicked is played.
"use strict";

const media = document.querySelector("audio, video");
const segments = [...document.querySelectorAll(".segment")];
const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// Every word with its start in seconds, in the order in which they are spoken; channels overlap.
const words = segments.flatMap((segment) => {
  const starts = segment.dataset.t.split(" ");
  return [...segment.querySelector(".said").children].map((node, number) => (
    { at: starts[number] / 100, node, segment }));
}).sort((one, other) => one.at - other.at);
const speakerButtons = [...document.querySelectorAll(".speakers button")];
const startOf = new Map(words.map((word) => [word.node, word.at]));

function numberAt(seconds) {
  let low = 0, high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].at <= seconds + 0.005) low = middle + 1; else high = middle;
  }
  return low - 1;
}

// What is said now.
let current, isFollowed = true;

function spokenAt(seconds) {
  const word = words[numberAt(seconds)];
  return word && seconds < Number(word.segment.dataset.end) + 0.3 ? word : undefined;
}

function show() {
  const word = spokenAt(media.currentTime);
  if (word === current) return;
  current?.node.classList.remove("now");
  if (current?.segment !== word?.segment) {
    current?.segment.classList.remove("current");
    word?.segment.classList.add("current");
    showSpeaker(word?.segment.dataset.speaker);
  }
  current = word;
  word?.node.classList.add("now");
  if (word && isFollowed) reveal(word.node);
}

function showSpeaker(number) {
  for (const button of speakerButtons) {
    button.classList.toggle("speaking", button.dataset.speaker === number);
  }
}

function showWhilePlaying() {
  show();
  movePlayhead();
  if (!media.paused) requestAnimationFrame(showWhilePlaying);
}

// Bring a word, or a range in one, to the middle unless it can be seen well.
function reveal(what) {
  const player = [...document.querySelectorAll(".player, audio, video")]
    .map((node) => node.getBoundingClientRect()).find(({ width }) => width);
  const isBeside = player.right <= segments[0].getBoundingClientRect().left;
  const { top, bottom } = what.getBoundingClientRect();
  if (top > (isBeside ? 0 : player.bottom) + 24 && bottom < innerHeight - 96) return;
  const isNear = Math.abs(top) < 2 * innerHeight;
  const node = what.startContainer?.parentElement ?? what;
  node.scrollIntoView({ block: "center", behavior: isNear && !calm.matches ? "smooth" : "instant" });
}

function follow(isWanted) {
  isFollowed = isWanted;
  byId("follow").hidden = isWanted;
  if (isWanted) reveal((current ?? words[Math.max(0, numberAt(media.currentTime))]).node);
}

let wanted = 0;

function jump(seconds) {
  wanted = Math.min(seconds, media.duration || seconds);
  media.currentTime = seconds;
  show();
  follow(true);
  movePlayhead();
}

// A server that sends files as a whole leaves the player at the beginning, whatever it is told.
function sayWhetherThere() {
  byId("stuck").hidden = media.currentTime > wanted - 1.5;
}

function play() {
  media.play().catch(() => {}); // the error is shown where it happens
}

function toFragment() {
  const at = /^#t=([\d.]+)$/.exec(location.hash);
  if (at) jump(Number(at[1]));
}

// The strip of sound, speech and doubts over time; a slider for those who use keys.
const strip = document.querySelector(".strip"), seek = byId("seek");

function movePlayhead() {
  const playhead = strip.querySelector(".playhead");
  const place = media.currentTime / strip.dataset.duration * strip.viewBox.baseVal.width;
  playhead.removeAttribute("hidden");
  playhead.setAttribute("x1", place);
  playhead.setAttribute("x2", place);
  const second = Math.floor(media.currentTime);
  if (second === Number(seek.ariaValueNow)) return;
  seek.ariaValueNow = second;
  seek.ariaValueText = timeText(second);
}

const SEEKING = {
  ArrowLeft: (at) => at - 5, ArrowDown: (at) => at - 5, PageDown: (at) => at - 60, Home: () => 0,
  ArrowRight: (at) => at + 5, ArrowUp: (at) => at + 5, PageUp: (at) => at + 60, End: (at, end) => end,
};

function onSeekKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !SEEKING[event.key]) return;
  event.preventDefault();
  event.stopPropagation(); // else the page scrolls, and goes there a second time
  const end = Number(strip.dataset.duration);
  jump(Math.min(end, Math.max(0, SEEKING[event.key](media.currentTime, end))));
}

// Search: marks, case and spaces do not matter.
let places = [], place = -1, texts;

function fold(text) {
  const letters = [], from = [];
  let wasSpace = true;
  for (let at = 0; at < text.length; at += 1) {
    for (const letter of text[at].normalize("NFD").toLowerCase()) {
      const isSpace = /\s/.test(letter);
      if (/\p{M}/u.test(letter) || (isSpace && wasSpace)) continue;
      letters.push(isSpace ? " " : letter);
      from.push(at);
      wasSpace = isSpace;
    }
  }
  return { folded: letters.join(""), from };
}

function findAll(wanted) {
  texts ??= segments.map((segment) => fold(segment.querySelector(".said").textContent));
  const { folded } = fold(wanted);
  const found = [];
  if (!folded.trim()) return found;
  texts.forEach(({ folded: text, from }, number) => {
    for (let at = text.indexOf(folded); at >= 0; at = text.indexOf(folded, at + folded.length)) {
      found.push(rangeOf(segments[number], from[at], from[at + folded.length - 1] + 1));
    }
  });
  return found;
}

function rangeOf(segment, first, end) {
  const range = new Range();
  let before = 0, isBegun = false;
  for (const node of segment.querySelector(".said").childNodes) {
    const text = node.firstChild ?? node;
    if (!isBegun && first < before + text.length) {
      range.setStart(text, first - before);
      isBegun = true;
    }
    if (end <= before + text.length) {
      range.setEnd(text, end - before);
      break;
    }
    before += text.length;
  }
  return range;
}

function search() {
  places = findAll(byId("search").value);
  place = -1;
  // Not as arguments of the constructor: there is a limit to these.
  const marked = new Highlight();
  for (const range of places) marked.add(range);
  CSS.highlights.set("found", marked);
  if (places.length) goToPlace(1); else sayPlaces();
}

function goToPlace(step) {
  if (!places.length) return;
  place = (place + step + places.length) % places.length;
  CSS.highlights.set("found-now", new Highlight(places[place]));
  follow(media.paused ? isFollowed : false);
  reveal(places[place]);
  sayPlaces();
}

function sayPlaces() {
  const isAsked = byId("search").value.trim();
  const shown = byId("transcript").dataset;
  if (!places.length) CSS.highlights.delete("found-now");
  byId("found").textContent = places.length
    ? shown.place.replace("{number}", place + 1).replace("{all}", places.length) : isAsked && shown.none;
}

// From doubt to doubt, from segment to segment.
const doubts = [...document.querySelectorAll(".flagged .said > :first-child, :not(.flagged) > .said > .doubtful")]
  .map((node) => startOf.get(node)).sort((one, other) => one - other);

function step(starts, isBack) {
  const now = media.currentTime;
  const next = isBack ? starts.findLast((at) => at < now - 0.5) : starts.find((at) => at > now + 0.05);
  if (next !== undefined) jump(next);
}

// From turn to turn of a speaker; after the last comes the first.
const turnsOf = new Map();
let speakerBefore;
for (const segment of segments) {
  const who = segment.dataset.speaker;
  if (who !== undefined && who !== speakerBefore) {
    if (!turnsOf.has(who)) turnsOf.set(who, []);
    turnsOf.get(who).push(segment.dataset.t.split(" ")[0] / 100);
  }
  speakerBefore = who ?? speakerBefore;
}

function stepToSpeaker(who, isBack) {
  const turns = turnsOf.get(who);
  if (!turns) return;
  const now = media.currentTime;
  const next = isBack
    ? turns.findLast((at) => at < now - 0.5) ?? turns.at(-1)
    : turns.find((at) => at > now + 0.05) ?? turns[0];
  jump(next);
}

const segmentStarts = segments.map((segment) => segment.dataset.t.split(" ")[0] / 100);

const KEYS = {
  " ": () => (media.paused ? play() : media.pause()),
  arrowleft: () => jump(Math.max(0, media.currentTime - 5)),
  arrowright: () => jump(media.currentTime + 5),
  p: () => step(segmentStarts, true),
  n: () => step(segmentStarts, false),
  d: (isBack) => step(doubts, isBack),
  s: (isBack) => stepToSpeaker(current?.segment.dataset.speaker, isBack),
  ",": () => { media.playbackRate = Math.max(0.5, media.playbackRate - 0.25); },
  ".": () => { media.playbackRate = Math.min(3, media.playbackRate + 0.25); },
  "/": () => byId("search").select(),
  f: () => follow(true),
};

// To hand on: a link to this moment, a quote that says where it is from and who wrote it down.
function addressOf(seconds) {
  return `${location.href.split("#")[0]}#t=${Math.round(seconds * 100) / 100}`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // by http from another machine
    const field = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  byId("copied").textContent = byId("transcript").dataset.copied;
  setTimeout(() => { byId("copied").textContent = ""; }, 3000);
}

function timeText(seconds) {
  const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// The words that are selected, else the segment that is said or was said last.
function quotedWords() {
  const selection = getSelection();
  if (!selection.isCollapsed) {
    const chosen = words.filter(({ node }) => selection.containsNode(node, true));
    if (chosen.length) return chosen;
  }
  const { segment } = current ?? words[Math.max(0, numberAt(media.currentTime))];
  return words.filter((word) => word.segment === segment);
}

function quote() {
  const chosen = quotedWords(), { segment, at } = chosen[0];
  const { title, archive, day, machine } = byId("transcript").dataset;
  const segmentsOf = [...new Set(chosen.map((word) => word.segment))];
  const said = segmentsOf.map((one) => {
    const nodes = new Set(chosen.filter((word) => word.segment === one).map(({ node }) => node));
    return [...one.querySelector(".said").childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE || nodes.has(node))
      .map((node) => node.textContent).join("").replace(/\s+/g, " ").trim();
  }).join(" ");
  const name = speakerButtons.find((one) => one.dataset.speaker === segment.dataset.speaker)
    ?.querySelector(".name").textContent;
  const source = [name, title, archive, day, timeText(at)].filter(Boolean).join(", ");
  return `“${said}”\n${source}. ${machine}.\n${addressOf(at)}`;
}

function onKey(event) {
  if (event.target.closest("input, select, button, summary, audio, video")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || !byId("keys").checked) return;
  const act = KEYS[event.key.toLowerCase()];
  if (act) {
    event.preventDefault();
    act(event.shiftKey);
  }
}

// Whoever scrolls while it plays looks for something else.
const SCROLLING = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

function listenToScrolling() {
  const leave = () => { if (!media.paused) follow(false); };
  addEventListener("wheel", leave, { passive: true });
  addEventListener("touchmove", leave, { passive: true });
  addEventListener("keydown", (event) => { if (SCROLLING.has(event.key)) leave(); });
  addEventListener("pointerdown", (event) => {
    if (event.target === document.documentElement) leave(); // the scrollbar
  });
}

function onClick(event) {
  const link = event.target.closest(".time");
  const at = link ? Number(link.hash.slice(3)) : startOf.get(event.target);
  if (at === undefined || !getSelection().isCollapsed) return;
  jump(at);
  history.replaceState(null, "", addressOf(at));
  play();
}

function listen() {
  media.addEventListener("play", showWhilePlaying);
  for (const name of ["seeked", "timeupdate"]) {
    media.addEventListener(name, () => { show(); movePlayhead(); });
  }
  media.addEventListener("seeked", sayWhetherThere);
  addEventListener("hashchange", toFragment);
  addEventListener("keydown", onKey);
  listenToScrolling();
  byId("transcript").addEventListener("click", onClick);
  seek.addEventListener("keydown", onSeekKey);
  strip.addEventListener("click", (event) => {
    const { left, width } = strip.getBoundingClientRect();
    jump((event.clientX - left) / width * strip.dataset.duration);
  });
  byId("follow").addEventListener("click", () => follow(true));
  for (const button of speakerButtons) {
    button.addEventListener("click", (event) => stepToSpeaker(button.dataset.speaker, event.shiftKey));
  }
  byId("speed").addEventListener("change", (event) => { media.playbackRate = Number(event.target.value); });
  media.addEventListener("ratechange", () => { byId("speed").value = media.playbackRate; });
  byId("copy-link").addEventListener("click", () => copy(addressOf(media.currentTime)));
  byId("copy-quote").addEventListener("click", () => copy(quote()));
  byId("doubt")?.addEventListener("click", () => step(doubts, false));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") goToPlace(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") event.target.blur();
  });
  toFragment();
}

media.addEventListener("error", () => { document.querySelector(".unplayable").hidden = false; });
if (media.error) media.dispatchEvent(new Event("error"));
if (segments.length) listen();
