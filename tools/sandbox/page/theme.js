// Not a module, so that it runs before the first paint and the page does not flash in the other colours.
(() => {
  const remembered = localStorage.getItem("theme");
  if (remembered === "light" || remembered === "dark") document.documentElement.dataset.theme = remembered;
})();
