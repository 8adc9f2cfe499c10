"use strict";
const at = (id) => document.getElementById(id);
let file = null;

async function ask() {
  if (file === null) return;
  at("said").textContent = "...";
  try {
    const answer = await fetch(`predict?as=${at("as").value}`, { method: "POST", body: file });
    if (!answer.ok) throw new Error(await answer.text());
    const parts = [picture(file)];
    if (answer.headers.get("content-type").startsWith("image/")) {
      parts.push(picture(await answer.blob()));
    } else {
      const text = document.createElement("pre");
      text.textContent = await answer.text();
      parts.push(text);
    }
    at("shown").replaceChildren(...parts);
    at("said").textContent = file.name;
  } catch (error) {
    at("shown").replaceChildren();
    at("said").textContent = error.message;
  }
}

function picture(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  image.onload = () => URL.revokeObjectURL(image.src);
  return image;
}

function take(files) {
  if (files.length) file = files[0];
  ask();
}

at("file").onchange = () => take(at("file").files);
at("as").onchange = ask;
at("drop").ondragover = (event) => { event.preventDefault(); at("drop").className = "over"; };
at("drop").ondragleave = () => { at("drop").className = ""; };
at("drop").ondrop = (event) => {
  event.preventDefault();
  at("drop").className = "";
  take(event.dataTransfer.files);
};

fetch("health").then((answer) => answer.json()).then((about) => {
  const steps = about.steps.filter((step) => step !== null);
  const step = steps.length ? `, step ${steps.join(" and ")}` : "";
  at("run").textContent = about.runs.join(" and ");
  at("about").textContent = `${about.checkpoint} checkpoint${step}: ${about.classes.join(", ")}`;
  // Pictures first: train ids look black.
  const order = ["colour", "picture"];
  const kinds = [...about.answers].sort((a, b) => order.includes(b) - order.includes(a));
  at("as").replaceChildren(...kinds.map((kind) => new Option(kind, kind)));
}).catch((error) => { at("said").textContent = error.message; });
