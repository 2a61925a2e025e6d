"use strict";
(() => {
  const root = document.documentElement;
  const choose = (lang) => {
    root.dataset.lang = root.lang = lang;
    for (const button of document.querySelectorAll("[data-choose]")) {
      button.setAttribute("aria-pressed", String(button.dataset.choose === lang));
    }
  };
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => choose(button.dataset.choose));
  }
  choose(root.dataset.lang);

  const rows = [...document.querySelectorAll("#rows .row")];
  const search = document.getElementById("search");
  let wanted = "";
  const filter = () => {
    const text = search.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = Boolean((wanted && row.dataset.verdict !== wanted) || (text && !row.textContent.toLowerCase().includes(text)));
    }
    for (const area of document.querySelectorAll("#rows .area")) {
      area.hidden = !area.querySelector(".row:not([hidden])");
      if (wanted || text) area.open = true;
    }
  };
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      wanted = button.dataset.filter;
      for (const other of document.querySelectorAll("[data-filter]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      filter();
    });
  }
  search.addEventListener("input", filter);

  // A page from a disk may not be allowed to use the clipboard's interface; selecting and copying always is.
  const copy = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  };
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => {
      if (copy(button.parentElement.querySelector("code"))) button.classList.add("done");
    });
  }

  const reveal = () => {
    const aimed = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = aimed; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
    if (aimed) aimed.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
