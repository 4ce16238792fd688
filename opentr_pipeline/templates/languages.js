// Languages by their names, in the language of the page; browsers know them.
"use strict";

const nameOfLanguage = (code) => {
  try {
    return new Intl.DisplayNames(document.documentElement.lang, { type: "language" }).of(code);
  } catch {
    return code; // no code of a language
  }
};

for (const node of document.querySelectorAll("[data-language]")) {
  node.textContent = nameOfLanguage(node.dataset.language);
}
