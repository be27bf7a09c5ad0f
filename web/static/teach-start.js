// Loads the program of "Teach it" and shows it in its place. The page adds this script when the view is opened.

import init, { show } from "./teach.js";

const place = document.getElementById("teach");
if (!document.querySelector("link[data-teach]")) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("teach.css", import.meta.url).href;
  style.dataset.teach = "";
  document.head.append(style);
}
try {
  await init();
  show("teach", place.dataset.place);
} catch (error) {
  place.textContent = `This view did not start. Load the page again. (${error})`;
}
