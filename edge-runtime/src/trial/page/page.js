// Shows what the door sees. Pictures go to this machine's own program and nowhere else.
"use strict";

const at = (id) => document.getElementById(id);
const canvas = at("canvas");
const pen = canvas.getContext("2d");
// So wide a picture is sent; the detector takes 160 pixels.
const WIDTH = 640;
const QUALITY = [
  ["eye_mouth_px", "eyes to mouth, px", 0, ["too_small"]],
  ["yaw", "turned", 2, ["turned_away"]],
  ["pitch", "up or down", 2, ["turned_away"]],
  ["roll_deg", "tilted, degrees", 0, ["tilted"]],
  ["outside", "cut off", 2, ["cut_off"]],
  ["brightness", "brightness", 0, ["too_dark", "too_bright"]],
  ["glare", "glare", 2, ["too_bright"]],
  ["sharpness", "sharpness", 3, ["blurred"]],
  ["eyes", "eyes", 2, ["eyes_hidden"]],
];

async function ask(path, options) {
  const answer = await fetch(path, options);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim());
  return text === "" ? null : JSON.parse(text);
}

// Some others may have been there at once: that is no end.
async function patiently(act) {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries === 5) throw error;
      await new Promise((later) => setTimeout(later, 300));
    }
  }
}

const post = (path, body) => ask(path, { method: "POST", body });
const say = (error) => { at("said").textContent = error.message; };

function draw(picture, seen, mirrored) {
  canvas.width = picture.videoWidth || picture.width;
  canvas.height = picture.videoHeight || picture.height;
  pen.save();
  if (mirrored) { pen.translate(canvas.width, 0); pen.scale(-1, 1); }
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const color = seen.outcome === "match" ? "#39d36a" : seen.outcome === "no_match" ? "#ff6b5a" : "#ffc24a";
  pen.strokeStyle = pen.fillStyle = color;
  pen.lineWidth = Math.max(2, canvas.width / 250);
  for (const face of seen.faces) {
    if (face.crop) {
      pen.beginPath();
      face.crop.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.stroke();
    }
    for (const [x, y] of face.landmarks) {
      pen.beginPath();
      pen.arc(x, y, pen.lineWidth, 0, 7);
      pen.fill();
    }
  }
  pen.restore();
}

function tell(seen) {
  at("lock").textContent = seen.lock === "released" ? "OPEN" : "LOCKED";
  at("lock").className = seen.lock;
  at("reason").textContent = (seen.subject ? seen.subject + ": " : "") + seen.reason;
  const percent = (cosine) => `${Math.max(0, Math.min(1, cosine)) * 100}%`;
  at("score").style.width = percent(seen.score ?? 0);
  at("score").className = seen.outcome === "match" ? "match" : "";
  at("threshold").style.left = percent(seen.threshold);
  at("numbers").textContent = seen.score === null
    ? `no face compared; threshold ${seen.threshold.toFixed(3)}`
    : `${seen.score.toFixed(3)}, threshold ${seen.threshold.toFixed(3)}; ${seen.agreeing} of ${seen.needed} frames agree`;
  at("people").textContent = seen.people.join(", ") || "nobody";
  if (seen.said) at("said").textContent = seen.said;
  at("promise").textContent = `Threshold for one false match in ${Math.round(1 / seen.false_match_rate)} for ` +
    `${Math.max(1, seen.people.length)} enrolled, measured on ${seen.impostor_pairs} pairs.`;
  at("wish").hidden = at("cancel").hidden = !seen.enrolling;
  if (seen.enrolling) {
    const { taken, wanted, wish } = seen.enrolling;
    at("wish").textContent = `${wish} (${taken} of ${wanted})`;
  }
  at("quality").replaceChildren(...QUALITY.map(([key, name, digits, flaws]) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = name;
    row.insertCell().textContent = seen.quality ? seen.quality[key].toFixed(digits) : "";
    if (flaws.some((flaw) => seen.flaws.includes(flaw))) row.className = "flaw";
    return row;
  }));
  const { detect, embed, all } = seen.ms;
  at("times").textContent =
    `detection ${detect.toFixed(1)} ms, embedding ${embed.toFixed(1)} ms, all ${all.toFixed(1)} ms`;
}

async function look_through_browser() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, facingMode: "user" } });
  } catch (error) {
    at("reason").textContent =
      `No camera: ${error.message}. Allow it for this page, close other programs that use it, and load the page ` +
      "again; or start with --images DIR.";
    return;
  }
  const video = document.createElement("video");
  video.srcObject = stream;
  video.muted = true;
  await video.play();
  const still = document.createElement("canvas");
  for (;;) {
    const scale = Math.min(1, WIDTH / video.videoWidth);
    still.width = Math.round(video.videoWidth * scale);
    still.height = Math.round(video.videoHeight * scale);
    still.getContext("2d").drawImage(video, 0, 0, still.width, still.height);
    const jpeg = await new Promise((take) => still.toBlob(take, "image/jpeg", 0.9));
    const seen = await patiently(() => post("look", jpeg));
    draw(still, seen, true);
    tell(seen);
    await new Promise(requestAnimationFrame);
  }
}

async function look_through_program() {
  let number = 0;
  for (;;) {
    const next = await patiently(() => ask(`next?after=${number}`));
    if (next === null) continue;
    number = next.seen.number;
    const picture = new Image();
    picture.src = next.image;
    await picture.decode();
    draw(picture, next.seen, false);
    tell(next.seen);
  }
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  at("said").textContent = "";
  post("enroll", at("name").value).catch(say);
});
at("cancel").addEventListener("click", () => post("cancel").catch(say));
at("forget").addEventListener("click", () => {
  at("said").textContent = "";
  post("forget").catch(say);
});

(async () => {
  try {
    const state = await ask("state");
    at("kept").textContent = state.keeps_people
      ? `Whoever is enrolled here stays in the door's store. Network: ${state.recipe}.`
      : `Nothing is kept: pictures and people are gone when the program ends. Network: ${state.recipe}.`;
    at("forget").hidden = state.keeps_people;
    await (state.browser_camera ? look_through_browser() : look_through_program());
  } catch (error) {
    at("lock").textContent = "ENDED";
    at("lock").className = "locked";
    at("reason").textContent = `The program ended or cannot be reached (${error.message}). Start it again.`;
  }
})();
