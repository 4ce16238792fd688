// The queue of what to check first: who takes a recording has it for an hour.
"use strict";

const WHO = "opentr-who";
const who = document.getElementById("who");
const problem = document.getElementById("problem");
who.value = localStorage.getItem(WHO) ?? "";
who.addEventListener("change", () => { localStorage.setItem(WHO, who.value.trim()); mine(); });

// What one has taken oneself can be given back.
function mine() {
  for (const node of document.querySelectorAll(".waiting")) {
    const isTaken = Boolean(node.dataset.who), isMine = node.dataset.who === who.value.trim();
    node.querySelector(".take").hidden = isTaken;
    node.querySelector(".leave").hidden = !(isTaken && isMine);
  }
}

for (const node of document.querySelectorAll("[data-until]")) {
  node.textContent = new Date(node.dataset.until * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
}

document.getElementById("main").addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (!who.value.trim()) {
    problem.textContent = worded("Say who you are.");
    who.focus();
    return;
  }
  localStorage.setItem(WHO, who.value.trim());
  const said = { path: button.closest(".waiting").dataset.path, who: who.value.trim() };
  await fetch(`queue/${button.className}`, { method: "POST", body: JSON.stringify(said), headers: { "Content-Type": "application/json" } });
  location.reload();
});
mine();
