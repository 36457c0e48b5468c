// What the pages do more with scripts than without; without them everything works, too.
"use strict";

const notes = document.getElementById("notes");

function tell(template) {
  notes.replaceChildren(document.getElementById(template).content.cloneNode(true));
}

// A form that is on its way is not sent a second time. What htmx sends it watches over by itself.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});
addEventListener("pageshow", (event) => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  // A page out of the browser's memory may tell of a cart that has changed since.
  if (event.persisted) {
    htmx.ajax("GET", location.href, { target: "#cart-link", select: "#cart-link", swap: "outerHTML", selectOOB: "#cart" });
  }
});

// What was left empty need not stand in the address.
document.addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]") && event.target.value !== "") event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.step) {
    const input = button.parentElement.querySelector("input");
    if (button.dataset.step === "1") input.stepUp();
    else input.stepDown();
  }
  if (button?.classList.contains("note-dismiss")) button.closest(".note").remove();
});

// Every note can be put away, also one that comes later.
function makeDismissible() {
  for (const note of notes.querySelectorAll(".note:not(:has(.note-dismiss))")) {
    note.append(document.getElementById("dismiss").content.cloneNode(true));
  }
}
new MutationObserver(makeDismissible).observe(notes, { childList: true });
makeDismissible();

for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => tell("unreached"));
}
// A failure that the shop itself tells says where it goes; any other page of failure is somebody's on the way.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status < 500 || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
  event.detail.shouldSwap = false;
  tell("unreached");
});

// Who works with the keyboard goes on where they were: at the first product that is new, or at the top of the cart.
let shown = 0;
document.addEventListener("htmx:beforeSwap", () => {
  shown = document.getElementById("results")?.children.length ?? 0;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.requestConfig.elt.matches("[data-load-more]")) {
    document.getElementById("results").children[shown]?.querySelector("a").focus({ preventScroll: true });
  } else if (document.activeElement === document.body) {
    document.querySelector("#cart h1")?.focus({ preventScroll: true });
  }
});
