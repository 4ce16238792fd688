// Correcting on a served page: E takes the phrase that is said or was said last, Enter keeps it.
// Stands behind recording.js in one file, where the server lets people correct; `worded`, before both,
// gives what is said here in the language of the pages.
{
  const root = document.querySelector('script[src$="recording.js"]').src;
  const path = document.querySelector(".folder bdi").textContent;
  const WHO = "opentr-who", EVERY_MS = 4000;
  const RELOADED = `opentr-reloaded ${path}`, RELOADS_MS = [1500, 3000, 6000, 12000, 24000];
  let version = "", editor = null, reload = null, told = { phrases: [], corrections: [] };

  const made = (tag, facts, ...inside) => {
    const node = Object.assign(document.createElement(tag), facts);
    node.append(...inside);
    return node;
  };
  const startOfSegment = (segment) => segment.dataset.t.split(" ")[0] / 100;
  const textOf = (segment) => segment.querySelector(".said").textContent;
  const phraseOf = (segment) => told.phrases[segments.indexOf(segment)];
  const saidIn = (phrase) => phrase.words.map(([text]) => text).join("").trim();
  const nameOf = (segment) => phraseOf(segment)?.speaker ?? "";
  const whoField = () => made("input", { value: localStorage.getItem(WHO) ?? "", ariaLabel: worded("Your name"),
    placeholder: worded("Your name"), className: "who" });

  // What somebody keeps; a sentence where it is refused.
  async function post(where, said) {
    let answer;
    try {
      answer = await fetch(new URL(where, root), { method: "POST", body: JSON.stringify({ path, ...said }),
        headers: { "Content-Type": "application/json" } });
    } catch {
      return worded("The server does not answer; your text is here, try again.");
    }
    const news = await answer.json();
    if (!answer.ok) return news.problem;
    take(news);
    return "";
  }

  // Every word with its start again, after phrases have changed.
  function readWords() {
    words.length = 0;
    startOf.clear();
    for (const segment of segments) {
      const starts = segment.dataset.t.split(" ");
      [...segment.querySelector(".said").children].forEach((node, number) => {
        words.push({ at: starts[number] / 100, node, segment });
        startOf.set(node, starts[number] / 100);
      });
    }
    words.sort((one, other) => one.at - other.at);
    texts = undefined;
    current?.segment.classList.remove("current");
    current = undefined;
    show();
  }

  function showPhrase(segment, phrase) {
    const said = segment.querySelector(".said");
    said.replaceChildren(...phrase.words.flatMap(([text], number) => {
      const bare = text.trimStart();
      const space = number ? text.slice(0, text.length - bare.length) : "";
      return [space, made("span", { textContent: bare })];
    }));
    segment.dataset.t = phrase.words.map(([, at]) => Math.round(at * 100)).join(" ");
    segment.classList.toggle("corrected", phrase.is_corrected);
  }

  // Who speaks: a name where somebody else begins, and on the buttons of voices.
  function showSpeakers(phrases) {
    const names = new Set(phrases.map(({ speaker }) => speaker).filter(Boolean));
    const isTold = names.size > 1 || phrases.some(({ speaker, voice }) => speaker !== voice);
    let before = "";
    phrases.forEach(({ speaker, voice }, number) => {
      const segment = segments[number], shown = segment.querySelector(":scope > .name");
      const button = speakerButtons.find((one) => one.dataset.speaker === segment.dataset.speaker);
      if (voice && button) button.querySelector(".name").textContent = speaker;
      const isChange = isTold && speaker && speaker !== before;
      if (!isChange) shown?.remove();
      else if (shown) shown.textContent = speaker;
      else segment.querySelector(".time").after(made("bdi", { className: "name", textContent: speaker }));
      before = speaker || before;
    });
  }

  // Whether a phrase begins where one of the page's does, or at a later word of it: its first words
  // may have been taken out.
  function beginsIn(segment, { words: [[, at]] }) {
    const starts = segment.dataset.t.split(" ").map(Number);
    return Math.abs(at * 100 - starts[0]) <= 1 || (at * 100 > starts[0] && at * 100 < starts.at(-1) + 1);
  }

  // Whether phrases were parted or joined since the page was made; there may be as many as before.
  const isOld = () => version !== "" && (told.phrases.length !== segments.length
    || !told.phrases.every((phrase, number) => beginsIn(segments[number], phrase)));

  function sayOld() {
    past.old.textContent = worded("What was corrected is kept, but this page was not made anew to show it: load it again in a minute, and where that does not help, run opentr pages, which says what is in the way.");
  }

  // The page as it is made anew, which takes a moment; where it cannot be written, that is said.
  function loadAnew() {
    if (editor || reload || !isOld()) return;
    const before = JSON.parse(sessionStorage.getItem(RELOADED)) ?? {};
    const number = before.version === version ? before.number : 0;
    if (number === RELOADS_MS.length) {
      sayOld();
      return;
    }
    sessionStorage.setItem(RELOADED, JSON.stringify({ version, number: number + 1 }));
    reload = setTimeout(() => location.reload(), RELOADS_MS[number]);
  }

  function showAll(phrases) {
    if (isOld()) {
      loadAnew();
      return;
    }
    sessionStorage.removeItem(RELOADED);
    let isOther = false;
    phrases.forEach((phrase, number) => {
      const segment = segments[number];
      const text = saidIn(phrase);
      if (segment === editor?.segment) editor.theirs = text;
      if (textOf(segment).trim() === text && segment.classList.contains("corrected") === phrase.is_corrected) return;
      isOther = true;
      showPhrase(segment, phrase);
    });
    if (isOther) readWords();
    showSpeakers(phrases);
    editor?.compare();
  }

  async function look() {
    try {
      const answer = await fetch(`${new URL("corrections", root)}?${new URLSearchParams({ path, version })}`);
      if (answer.status === 200) take(await answer.json());
    } catch { /* the server is away for a moment */ }
  }

  function take(news) {
    ({ version } = told = news);
    showAll(news.phrases);
    past.show(news.corrections);
    past.showTaken(news.taken);
  }

  function playPhrase(segment) {
    jump(startOfSegment(segment));
    play();
    const until = Number(segment.dataset.end);
    const stop = () => {
      if (media.currentTime < until && !media.paused) return;
      media.pause();
      media.removeEventListener("timeupdate", stop);
    };
    media.addEventListener("timeupdate", stop);
  }

  class Editor {
    constructor(segment) {
      this.segment = segment;
      this.was = this.theirs = textOf(segment).trim();
      this.speakerWas = nameOf(segment);
      this.voice = phraseOf(segment)?.voice ?? "";
      this.text = made("textarea", { value: this.was, rows: 2, ariaLabel: worded("Words"), spellcheck: true });
      this.speaker = made("input", { value: this.speakerWas, ariaLabel: worded("Speaker"), placeholder: worded("Speaker") });
      // Who has no name yet is given one; who has, is another in this phrase alone.
      this.isVoice = made("input", { type: "checkbox", checked: this.speakerWas === this.voice });
      this.who = whoField();
      this.problem = made("output", { className: "problem", ariaLive: "assertive" });
      this.form = made("form", { className: "correcting" }, this.text,
        made("p", {}, this.speaker,
          ...(this.voice ? [made("label", {}, this.isVoice, ` ${worded("wherever this voice speaks")}`)] : [])),
        made("p", {}, this.who, made("button", { textContent: worded("Keep") }),
          made("button", { type: "button", textContent: worded("Hear it"), onclick: () => playPhrase(this.segment) }),
          made("button", { type: "button", textContent: worded("Join to the phrase before"), onclick: () => this.keep(false, true) }),
          made("button", { type: "button", textContent: worded("Leave"), onclick: () => this.close() })),
        made("p", { className: "soft", textContent: worded("Enter: keep · Alt+Enter: keep, and on to the next doubt · Shift+Enter: another phrase begins · Ctrl+Space: hear it · Esc: leave") }),
        this.problem);
      this.form.addEventListener("submit", (event) => { event.preventDefault(); this.keep(false); });
      this.form.addEventListener("keydown", (event) => this.onKey(event));
      segment.after(this.form);
      this.text.focus();
    }

    onKey(event) {
      event.stopPropagation();
      if (event.isComposing) return; // Enter takes what is being composed, and keeps nothing yet
      if (event.key === "Escape") this.close();
      else if (event.key === " " && event.ctrlKey) playPhrase(this.segment);
      else if (event.key === "Enter" && !event.shiftKey && event.target.tagName !== "BUTTON") this.keep(event.altKey);
      else return;
      event.preventDefault();
    }

    // Somebody else has changed the phrase: both texts are there, and what is kept is for who looks.
    compare() {
      if (this.theirs === this.was) return;
      this.problem.textContent = worded("Somebody has changed it to: {text} (Enter again keeps yours)", { text: this.theirs });
      this.was = this.theirs;
      this.isNews = true;
    }

    async keep(goesOn, isJoined = false) {
      if (!this.who.value.trim()) {
        this.problem.textContent = worded("Say who you are.");
        this.who.focus();
        return;
      }
      if (this.isNews) { // it came while they typed, and perhaps nobody has looked
        this.isNews = false;
        return;
      }
      localStorage.setItem(WHO, this.who.value.trim());
      const { voice, was } = this, text = this.text.value.trim(), speaker = this.speaker.value.trim();
      const isOther = speaker !== this.speakerWas, isNamed = isOther && voice && this.isVoice.checked;
      this.was = this.theirs = text; // what comes back is ours
      const refused = await post("corrections", { start_s: startOfSegment(this.segment), was, text,
        who: this.who.value.trim(), speaker: isOther && !isNamed ? speaker : null, is_joined: isJoined });
      const unnamed = !refused && isNamed ? await post("speakers", { voice, name: speaker }) : "";
      if (!refused && !unnamed) {
        this.close();
        if (goesOn) step(doubts, false);
        return;
      }
      this.problem.textContent = refused || unnamed;
      await look();
      // By its start: while the page is old, what it shows is not what there is.
      const theirs = told.phrases.find((one) => Math.abs(one.words[0][1] - startOfSegment(this.segment)) <= 0.011);
      this.theirs = theirs ? saidIn(theirs) : textOf(this.segment).trim();
      this.was = refused ? was : this.theirs;
      this.compare();
      this.isNews = false;
    }

    close() {
      this.form.remove();
      editor = null;
      history.replaceState(null, "", addressOf(startOfSegment(this.segment)));
      loadAnew();
    }
  }

  // What people have corrected in the recording, what became of it, and taking it back.
  class Past {
    constructor() {
      this.summary = made("summary", {});
      this.who = whoField();
      this.problem = made("output", { className: "problem", ariaLive: "assertive" });
      this.list = made("ol", {});
      this.node = made("details", { className: "past", hidden: true }, this.summary, made("p", {}, this.who), this.problem, this.list);
      this.taken = made("p", { className: "soft", role: "status" });
      this.old = made("p", { className: "problem", role: "alert" });
      document.querySelector(".tools").after(this.taken, this.old, this.node);
    }

    show(corrections) {
      const standing = corrections.filter(({ state }) => state !== "undone");
      const conflicts = standing.filter(({ state }) => state === "conflict");
      this.node.hidden = !corrections.length;
      this.summary.textContent = `${worded("Corrections")} (${standing.length})`
        + (conflicts.length ? ` · ${worded("in conflict")}: ${conflicts.length}` : "");
      this.list.replaceChildren(...[...corrections].reverse().map((one) => this.item(one)));
    }

    // Somebody else is at the recording; who corrects all the same loses nothing.
    showTaken(taken) {
      const isOther = taken && taken.who !== localStorage.getItem(WHO);
      this.taken.textContent = isOther ? worded("{who} is at this recording until {time}.", { who: taken.who,
        time: new Date(taken.until * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }) }) : "";
    }

    item({ edit_id: id, kind, state, start_s: start, old, new: text, speaker, who, made_at: when, why, reason }) {
      const what = {
        words: () => [made("del", { textContent: old.trim() }), " ", made("ins", { textContent: text.trim() })],
        speaker: () => [`${old.trim()} — ${speaker}`],
        break: () => [worded("a segment begins")],
        join: () => [worded("no segment begins")],
        checked: () => [worded("checked")],
      }[kind]();
      const about = [who, when.slice(0, 10), why, state === "conflict" ? worded("in conflict") : "", reason].filter(Boolean).join(", ");
      const undo = made("button", { type: "button", textContent: worded("Undo"), onclick: () => this.undo(id) });
      return made("li", { className: state }, made("a", { href: `#t=${start}`, textContent: timeText(start) }),
        " ", ...what, " ", made("span", { className: "soft", textContent: about }), " ", state === "undone" ? "" : undo);
    }

    async undo(id) {
      const who = this.who.value.trim() || localStorage.getItem(WHO) || "";
      if (!who) {
        this.problem.textContent = worded("Say who you are.");
        this.who.focus();
        return;
      }
      localStorage.setItem(WHO, who);
      this.problem.textContent = await post("corrections/undo", { ids: [id], who });
    }
  }

  function edit() {
    const word = current ?? words[Math.max(0, numberAt(media.currentTime))];
    if (isOld()) sayOld();
    if (!word || isOld()) return;
    editor?.close();
    media.pause();
    editor = new Editor(word.segment);
  }

  const past = segments.length ? new Past() : null;
  if (segments.length) {
    KEYS.e = edit;
    document.querySelector(".tools dl")?.append(
      made("dt", {}, made("kbd", { textContent: "E" })), made("dd", { textContent: worded("correct the phrase") }));
    document.querySelector(".tools").append(
      made("button", { type: "button", id: "correct", textContent: worded("Correct"), onclick: edit }));
    addEventListener("focus", look);
    setInterval(look, EVERY_MS);
    look();
  }
}
