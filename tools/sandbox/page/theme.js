// Not a module: it runs before the first paint, so that a remembered choice does not flash the other colours.
(() => {
  const remembered = localStorage.getItem("theme");
  if (remembered === "light" || remembered === "dark") document.documentElement.dataset.theme = remembered;
})();
