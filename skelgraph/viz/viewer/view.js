// What is shown when: the state, the clock and the camera.

const state = {
  frame: 0, playing: false, speed: 1, loop: true,
  colour: names.length > 1 ? "person" : "side", truth: hasTruth ? "over" : "hidden", deviations: hasDeviations, follow: "", hidden: new Set(),
  yaw: 0.42, pitch: 0.2, distance: 1, focus: [0, 0, 0], // the camera turns around its focus
  framed: true, // nobody has moved the camera yet: the scene is fitted to the window again when that changes
};
let clock = 0; // the frame with its fraction, while playing
let requested = false, before = null;

function redraw() {
  if (requested) return;
  requested = true;
  requestAnimationFrame(tick);
}

function tick(now) {
  requested = false;
  if (state.playing) {
    clock += before === null ? 0 : ((now - before) / 1000) * state.speed * scene.frameRate;
    if (clock >= scene.numFrames) {
      if (state.loop) clock %= scene.numFrames;
      else [clock, state.playing] = [scene.numFrames - 1, false];
    }
    state.frame = Math.floor(clock);
  }
  before = state.playing ? now : null;
  draw();
  if (state.playing) redraw();
}

function show(frame) {
  state.frame = clock = Math.min(Math.max(Math.round(frame), 0), scene.numFrames - 1);
  redraw();
}

function play(playing = true) {
  if (playing && !state.loop && state.frame === scene.numFrames - 1) show(0);
  state.playing = playing;
  redraw();
}

const shownPeople = () => people.filter((person) => !state.hidden.has(person.name));

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Directions of the camera in the world. Without yaw it stands at the front, -y, and x goes to the right. */
function axesOfView() {
  const [s, c] = [Math.sin(state.yaw), Math.cos(state.yaw)], [sp, cp] = [Math.sin(state.pitch), Math.cos(state.pitch)];
  return { right: [c, s, 0], up: [-s * sp, c * sp, cp], forward: [-s * cp, c * cp, -sp] };
}

/** The point that the camera turns around; it goes with the root of the person who is followed. */
function focusNow() {
  const stretches = people.filter((person) => person.name === state.follow);
  for (let back = 0; stretches.length && back < scene.numFrames; back++) { // the last known place, else the next one
    for (const frame of [state.frame - back, state.frame + back]) {
      for (const person of stretches) {
        const place = at(person, person.positions, frame, person.root);
        if (place) return [state.focus[0] + place[0], state.focus[1] + place[1], state.focus[2]];
      }
    }
  }
  return state.focus;
}

/** The parts of the canvas that show the scene, each with its projection: one, or one beside the other. */
function panes() {
  const { clientWidth: width, clientHeight: height } = stage;
  const beside = state.truth === "beside", wide = width >= height;
  const [w, h] = beside ? (wide ? [width / 2, height] : [width, height / 2]) : [width, height];
  const kinds = beside ? [["positions"], ["truth"]] : state.truth === "over" ? [["truth", "positions"]] : [["positions"]];
  const { right, up, forward } = axesOfView(), focus = focusNow();
  return kinds.map((shown, index) => {
    const [x, y] = wide ? [index * w, 0] : [0, index * h], focal = focalLength(w, h);
    const project = (point) => {
      const d = [point[0] - focus[0], point[1] - focus[1], point[2] - focus[2]];
      const depth = state.distance + dot(d, forward);
      if (depth < 0.05 * SCALE) return null; // behind the camera
      return { x: x + w / 2 + (dot(d, right) * focal) / depth, y: y + h / 2 - (dot(d, up) * focal) / depth, depth, scale: focal / depth };
    };
    return { x, y, w, h, kinds: shown, label: beside ? ["Prediction", "Truth"][index] : "", project };
  });
}

const focalLength = (width, height) => 1.5 * Math.min(width, height);

/** Look at the whole scene from the front, a little from the side and from above. */
function reset() {
  Object.assign(state, { yaw: 0.42, pitch: 0.2 });
  fit();
}

/** Put the camera where every place of the people is inside the picture. */
function fit() {
  state.framed = true;
  const size = bounds.high.map((high, k) => Math.max(high - bounds.low[k], 0.5 * SCALE));
  const middle = bounds.low.map((low, k) => low + size[k] / 2);
  if (state.follow) [size[0], size[1]] = [1.2 * SCALE, 1.2 * SCALE];
  state.focus = state.follow ? [0, 0, middle[2]] : middle;
  const { right, up, forward } = axesOfView(), { w, h } = panes()[0];
  const [wide, high] = [right, up].map((_, k) => (0.42 * [w, h][k]) / focalLength(w, h));
  state.distance = 0.5 * SCALE;
  for (let corner = 0; corner < 8; corner++) {
    const d = size.map((side, k) => (corner & (1 << k) ? 0.5 : -0.5) * side);
    const needed = Math.max(Math.abs(dot(d, right)) / wide, Math.abs(dot(d, up)) / high) - dot(d, forward);
    state.distance = Math.max(state.distance, needed);
  }
  redraw();
}

function turn(right, down) {
  state.yaw -= 0.008 * right;
  state.pitch = Math.min(Math.max(state.pitch + 0.008 * down, 0), 1.55);
  state.framed = false;
  redraw();
}

function move(right, down) {
  const axes = axesOfView(), { w, h } = panes()[0], metres = state.distance / focalLength(w, h); // of one pixel
  state.focus = state.focus.map((value, k) => value + metres * (down * axes.up[k] - right * axes.right[k]));
  state.framed = false;
  redraw();
}

function zoom(factor) {
  state.distance = Math.min(Math.max(state.distance * factor, 0.3 * SCALE), 500);
  state.framed = false;
  redraw();
}
