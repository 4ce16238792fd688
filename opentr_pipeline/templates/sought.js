// Where people correct, the server counts the words that visitors look for, and nothing else of them:
// phrases that hold them are checked first. Stands behind search.js in one file.
{
  const address = new URL("sought", document.querySelector('script[src$="search.js"]').src);
  const field = document.querySelector('#find input[name="query"]');
  let before = "";
  field?.addEventListener("change", () => {
    const text = field.value.trim();
    if (!text || text === before) return;
    before = text;
    fetch(address, { method: "POST", body: JSON.stringify({ text }), headers: { "Content-Type": "application/json" }, keepalive: true })
      .catch(() => { /* the server is away; it costs nobody anything */ });
  });
  const link = Object.assign(document.createElement("a"), { href: new URL("queue", address), textContent: worded("What to check first") });
  const line = document.createElement("p");
  line.append(link);
  document.querySelector("main .facts")?.after(line);
}
