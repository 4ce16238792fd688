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
  const player = document.querySelector(".player").getBoundingClientRect();
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

function jump(seconds) {
  media.currentTime = seconds;
  show();
  follow(true);
  movePlayhead();
}

function play() {
  media.play().catch(() => {}); // the error is shown where it happens
}

function toFragment() {
  const at = /^#t=([\d.]+)$/.exec(location.hash);
  if (at) jump(Number(at[1]));
}

// The strip of speech and doubts over time.
const strip = document.querySelector(".strip");

function movePlayhead() {
  const playhead = strip.querySelector(".playhead");
  const place = media.currentTime / strip.dataset.duration * strip.viewBox.baseVal.width;
  playhead.removeAttribute("hidden");
  playhead.setAttribute("x1", place);
  playhead.setAttribute("x2", place);
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
  if (!places.length) CSS.highlights.delete("found-now");
  byId("found").textContent = places.length ? `${place + 1} of ${places.length}` : isAsked && "not found";
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

function onKey(event) {
  if (event.target.closest("input, button, summary, audio, video")) return;
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
  play();
}

function listen() {
  media.addEventListener("play", showWhilePlaying);
  for (const name of ["seeked", "timeupdate"]) {
    media.addEventListener(name, () => { show(); movePlayhead(); });
  }
  addEventListener("hashchange", toFragment);
  addEventListener("keydown", onKey);
  listenToScrolling();
  byId("transcript").addEventListener("click", onClick);
  strip.addEventListener("click", (event) => {
    const { left, width } = strip.getBoundingClientRect();
    jump((event.clientX - left) / width * strip.dataset.duration);
  });
  byId("follow").addEventListener("click", () => follow(true));
  for (const button of speakerButtons) {
    button.addEventListener("click", (event) => stepToSpeaker(button.dataset.speaker, event.shiftKey));
  }
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
