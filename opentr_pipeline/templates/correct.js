// Correcting on a served page: E takes the phrase that is said or was said last, Enter keeps it.
// Stands behind recording.js in one file, where the server lets people correct.
{
  const address = new URL("corrections", document.querySelector('script[src$="recording.js"]').src);
  const path = document.querySelector(".folder bdi").textContent;
  const WHO = "opentr-who", EVERY_MS = 4000;
  let version = "", editor = null;

  const made = (tag, facts, ...inside) => {
    const node = Object.assign(document.createElement(tag), facts);
    node.append(...inside);
    return node;
  };
  const startOfSegment = (segment) => segment.dataset.t.split(" ")[0] / 100;
  const textOf = (segment) => segment.querySelector(".said").textContent;
  const nameOf = (segment) => speakerButtons.find((one) => one.dataset.speaker === segment.dataset.speaker)
    ?.querySelector(".name").textContent ?? segment.dataset.name ?? "";

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

  function showAll(phrases) {
    if (phrases.length !== segments.length) { // segments were parted or joined: the page as it is made anew
      if (!editor) setTimeout(() => location.reload(), 1500);
      return;
    }
    let isOther = false;
    phrases.forEach((phrase, number) => {
      const segment = segments[number];
      const text = phrase.words.map(([one]) => one).join("").trim();
      if (segment === editor?.segment) editor.theirs = text;
      if (textOf(segment).trim() === text && segment.classList.contains("corrected") === phrase.is_corrected) return;
      isOther = true;
      showPhrase(segment, phrase);
    });
    if (isOther) readWords();
    editor?.compare();
  }

  async function look() {
    try {
      const answer = await fetch(`${address}?${new URLSearchParams({ path, version })}`);
      if (answer.status === 200) take(await answer.json());
    } catch { /* the server is away for a moment */ }
  }

  function take(told) {
    version = told.version;
    showAll(told.phrases);
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
      this.text = made("textarea", { value: this.was, rows: 2, ariaLabel: "Words", spellcheck: true });
      this.speaker = made("input", { value: this.speakerWas, ariaLabel: "Speaker", placeholder: "Speaker" });
      this.who = made("input", { value: localStorage.getItem(WHO) ?? "", ariaLabel: "Your name", placeholder: "Your name" });
      this.problem = made("output", { className: "problem", ariaLive: "assertive" });
      this.form = made("form", { className: "correcting" }, this.text,
        made("p", {}, this.speaker, this.who, made("button", { textContent: "Keep" }),
          made("button", { type: "button", textContent: "Leave", onclick: () => this.close() })),
        made("p", { className: "soft", textContent: "Enter: keep · Alt+Enter: keep, and on to the next doubt · Ctrl+Space: hear it · Esc: leave" }),
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
      this.problem.textContent = `Somebody has changed it to: ${this.theirs} (Enter again keeps yours)`;
      this.was = this.theirs;
      this.isNews = true;
    }

    async keep(goesOn) {
      if (!this.who.value.trim()) {
        this.problem.textContent = "Say who you are.";
        this.who.focus();
        return;
      }
      if (this.isNews) { // it came while they typed, and perhaps nobody has looked
        this.isNews = false;
        return;
      }
      localStorage.setItem(WHO, this.who.value.trim());
      const speaker = this.speaker.value.trim();
      const said = { path, start_s: startOfSegment(this.segment), was: this.was, text: this.text.value.trim(),
        who: this.who.value.trim(), speaker: speaker === this.speakerWas ? null : speaker };
      let answer;
      try {
        answer = await fetch(address, { method: "POST", body: JSON.stringify(said), headers: { "Content-Type": "application/json" } });
      } catch {
        this.problem.textContent = "The server does not answer; your text is here, try again.";
        return;
      }
      const told = await answer.json();
      if (!answer.ok) {
        this.problem.textContent = told.problem;
        await look();
        this.isNews = false;
        return;
      }
      if (said.speaker !== null) this.segment.dataset.name = said.speaker;
      this.close();
      take(told);
      if (goesOn) step(doubts, false);
    }

    close() {
      this.form.remove();
      editor = null;
    }
  }

  function edit() {
    const word = current ?? words[Math.max(0, numberAt(media.currentTime))];
    if (!word) return;
    editor?.close();
    media.pause();
    editor = new Editor(word.segment);
  }

  if (segments.length) {
    KEYS.e = edit;
    document.querySelector(".tools dl")?.append(
      made("dt", {}, made("kbd", { textContent: "E" })), made("dd", { textContent: "correct the phrase" }));
    addEventListener("focus", look);
    setInterval(look, EVERY_MS);
    look();
  }
}
