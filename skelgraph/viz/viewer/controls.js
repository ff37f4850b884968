// Buttons, keys, pointers, and the start of the page.

const PLAY = "M7 4.5v15l13-7.5z", PAUSE = "M6.5 5h4v14h-4zM13.5 5h4v14h-4z";

function showControls() {
  byId("scrub").value = state.frame;
  byId("time").value = `${state.frame} / ${scene.numFrames - 1}  ·  ${(state.frame / scene.frameRate).toFixed(2)} s`;
  byId("play-icon").setAttribute("d", state.playing ? PAUSE : PLAY);
  byId("loop").setAttribute("aria-pressed", state.loop);
  byId("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
  byId("scale").hidden = state.colour !== "error";
}

function showLegend() {
  const entries = [];
  const entry = (text, colour, name) => {
    const item = document.createElement("li"), swatch = document.createElement("i");
    swatch.style.background = colour;
    const label = document.createElement(name === undefined ? "span" : "label");
    if (name !== undefined) {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !state.hidden.has(name) });
      box.onchange = () => (state.hidden[box.checked ? "delete" : "add"](name), redraw());
      label.append(box);
    }
    label.append(text); // a text, whatever is in it
    item.append(swatch, label);
    entries.push(item);
    return item;
  };
  if (names.length > 1) for (const name of names) entry(name, people.find((person) => person.name === name).colour, name);
  if (state.colour === "side" && hasSides) for (const side of ["left", "right"]) entry(side, scene.colors[side]);
  if (state.truth === "over") entry("truth", "").classList.add("ghost");
  byId("legend").replaceChildren(...entries);
}

function options(id, entries, key) {
  const select = byId(id);
  select.append(...entries.map(([value, text]) => new Option(text, value)));
  select.value = state[key];
  select.onchange = () => {
    state[key] = select.value;
    if (key === "follow" || (key === "truth" && state.framed)) fit();
    showLegend();
    redraw();
  };
}

function showScale() {
  const g = byId("bar").getContext("2d"), colours = g.createLinearGradient(0, 0, 120, 0);
  HEAT.forEach((colour, index) => colours.addColorStop(index / (HEAT.length - 1), colour));
  g.fillStyle = colours;
  g.fillRect(0, 0, 120, 8);
  byId("scale-end").textContent = `${errorScale} mm${isPartlyJudged ? "; grey: no truth" : ""}`;
}

function listen() {
  byId("play").onclick = () => play(!state.playing);
  byId("back").onclick = () => (play(false), show(state.frame - 1));
  byId("forward").onclick = () => (play(false), show(state.frame + 1));
  byId("reset").onclick = reset;
  byId("scrub").oninput = (event) => show(+event.target.value);
  byId("loop").onclick = () => ((state.loop = !state.loop), redraw());
  byId("deviations").onchange = (event) => ((state.deviations = event.target.checked), redraw());
  byId("speed").onchange = (event) => (state.speed = +event.target.value);
  plot.onpointerdown = plot.onpointermove = (event) => {
    if (!event.buttons) return;
    plot.setPointerCapture(event.pointerId);
    show(((event.offsetX - MARGIN) / (plot.clientWidth - 2 * MARGIN)) * (scene.numFrames - 1));
  };
  window.addEventListener("keydown", onKey);
  listenToStage();
  new ResizeObserver(redraw).observe(stage);
  new ResizeObserver(redraw).observe(video);
  matchMedia("(prefers-color-scheme: dark)").onchange = readPalette;
}

function onKey(event) {
  const tag = event.target.tagName;
  if (tag === "SELECT" || event.ctrlKey || event.metaKey || event.altKey || (event.key === " " && (tag === "BUTTON" || event.target.type === "checkbox"))) return;
  const turning = { ArrowLeft: [-12, 0], ArrowRight: [12, 0], ArrowUp: [0, -12], ArrowDown: [0, 12] }[event.key];
  if (event.shiftKey && turning) turn(...turning);
  else if (event.key === " ") play(!state.playing);
  else if (event.key === "ArrowLeft") (play(false), show(state.frame - 1));
  else if (event.key === "ArrowRight") (play(false), show(state.frame + 1));
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(scene.numFrames - 1);
  else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 0.9 : 1 / 0.9);
  else if (event.key === "l") byId("loop").click();
  else if (event.key === "0") reset();
  else return;
  event.preventDefault();
}

/** One pointer turns, with the right button or shift it moves; two fingers move and zoom. */
function listenToStage() {
  const held = new Map();
  const between = () => {
    const [a, b] = [...held.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
  };
  stage.onpointerdown = (event) => {
    held.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("dragged");
    pointer = null;
  };
  stage.onpointermove = (event) => {
    const last = held.get(event.pointerId), place = { x: event.offsetX, y: event.offsetY };
    if (!last) {
      pointer = event.pointerType === "mouse" ? place : null;
      redraw();
    } else if (held.size === 1) {
      held.set(event.pointerId, place);
      (event.shiftKey || event.buttons & 6 ? move : turn)(place.x - last.x, place.y - last.y);
    } else if (held.size === 2) {
      const old = between();
      held.set(event.pointerId, place);
      const now = between();
      move(now.x - old.x, now.y - old.y);
      if (now.apart > 0) zoom(old.apart / now.apart);
    }
  };
  stage.onpointerup = stage.onpointercancel = (event) => {
    held.delete(event.pointerId);
    if (!held.size) stage.classList.remove("dragged");
  };
  stage.onpointerleave = () => ((pointer = null), redraw());
  stage.oncontextmenu = (event) => event.preventDefault();
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(0.0012 * event.deltaY * (event.deltaMode === 1 ? 16 : 1))); // lines, or pixels
  }, { passive: false });
}

byId("scrub").max = scene.numFrames - 1;
options("colour", [["side", hasSides ? "left, right" : "one colour"], ["person", "person"], ["error", "error"]].filter(([kind]) => (kind !== "person" || names.length > 1) && (kind !== "error" || hasTruth)), "colour");
options("truth", [], "truth");
options("follow", names.map((name) => [name, name]), "follow");
byId("colour-option").hidden = names.length < 2 && !hasTruth;
byId("truth-option").hidden = byId("plot").hidden = !hasTruth;
byId("follow-option").hidden = !names.length;
byId("deviations-option").hidden = !hasDeviations;
byId("deviations").checked = state.deviations;
byId("picture").hidden = !hasPicture;
if (hasPicture) byId("picture").style.aspectRatio = `${scene.imageSize[0]} / ${scene.imageSize[1]}`;
readPalette();
showScale();
showLegend();
listen();

/** For programs that drive the page. */
window.viewer = {
  get frame() { return state.frame; },
  set frame(frame) { show(frame); },
  get playing() { return state.playing; },
  get view() { return { yaw: state.yaw, pitch: state.pitch, distance: state.distance, focus: focusNow() }; },
  play: () => play(true),
  pause: () => play(false),
  /** Where a joint of `scene.people[index]` is drawn, in CSS pixels of the page, or null. */
  project(index, joint, kind = "positions") {
    const box = stage.getBoundingClientRect(), pane = panes().find(({ kinds }) => kinds.includes(kind));
    const place = at(people[index], people[index][kind], state.frame, joint), end = pane && place && pane.project(place);
    return end ? [box.x + end.x, box.y + end.y] : null;
  },
  /** The mean error of `scene.people[index]` in the frame that is shown, in mm, or null. */
  error: (index) => poseError(people[index], state.frame),
};
