// A formula that is wider than the page can be moved with the keyboard too.
async function reachWideFormulas() {
  await window.MathJax?.startup?.promise;
  for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
}

window.addEventListener("load", reachWideFormulas);
window.addEventListener("resize", reachWideFormulas);
