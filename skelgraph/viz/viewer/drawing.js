// Painting: colours, the people in space, the video beside them, the error over time.

let palette = {};
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "line", "accent", "sky", "horizon", "floor", "grid", "shadow", "ghost", "outline"]) {
    palette[name] = style.getPropertyValue(`--${name}`).trim();
  }
  redraw();
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function mix(a, b, share) {
  const [from, to] = [channels(a), channels(b)];
  return "#" + from.map((value, k) => Math.round(value + share * (to[k] - value)).toString(16).padStart(2, "0")).join("");
}

function heat(millimetres) {
  const place = Math.min(millimetres / errorScale, 1) * (HEAT.length - 1), index = Math.min(Math.floor(place), HEAT.length - 2);
  return mix(HEAT[index], HEAT[index + 1], place - index);
}

function sideColour(person, side) {
  if (state.colour === "person") return side === "centre" ? person.colour : mix(person.colour, scene.colors[side], 0.3);
  return side === "centre" && names.length > 1 ? person.colour : scene.colors[side];
}

/** The colours of the two ends of a bone. */
function boneColours(person, frame, [parent, child, side]) {
  if (state.colour !== "error") return [sideColour(person, side), sideColour(person, side)];
  return [parent, child].map((joint) => {
    const error = jointError(person, frame, joint);
    return error === null ? scene.colors.centre : heat(error);
  });
}

const stage = byId("stage"), video = byId("video"), plot = byId("plot");

/** The context of a canvas with as many pixels as the screen has, cleared, in units of CSS pixels. */
function context(canvas) {
  const ratio = window.devicePixelRatio || 1, [w, h] = [canvas.clientWidth, canvas.clientHeight];
  const [width, height] = [Math.max(1, Math.round(w * ratio)), Math.max(1, Math.round(h * ratio))];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, w, h);
  g.lineCap = g.lineJoin = "round";
  g.font = "12px system-ui, sans-serif";
  return g;
}

function line(g, a, b, width, colour) {
  g.lineWidth = width;
  g.strokeStyle = colour;
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.lineTo(b.x, b.y);
  g.stroke();
}

/** A bone: a line with a rim, and light on its upper left side. */
function tube(g, a, b, width, [from, to]) {
  let colour = from;
  if (from !== to) {
    colour = g.createLinearGradient(a.x, a.y, b.x, b.y);
    colour.addColorStop(0, from);
    colour.addColorStop(1, to);
  }
  line(g, a, b, width + 1.6, palette.outline);
  line(g, a, b, width, colour);
  const shift = 0.18 * width;
  line(g, { x: a.x - shift, y: a.y - shift }, { x: b.x - shift, y: b.y - shift }, 0.3 * width, "rgba(255, 255, 255, .3)");
}

function draw() {
  if (state.framed && (draw.width !== stage.clientWidth || draw.height !== stage.clientHeight)) {
    [draw.width, draw.height] = [stage.clientWidth, stage.clientHeight];
    fit();
  }
  const g = context(stage);
  for (const pane of panes()) drawPane(g, pane);
  if (hasPicture) drawPicture();
  if (hasTruth) drawPlot();
  showControls();
}

function drawPane(g, pane) {
  g.save();
  g.beginPath();
  g.rect(pane.x, pane.y, pane.w, pane.h);
  g.clip();
  const sky = g.createLinearGradient(0, pane.y, 0, pane.y + pane.h);
  sky.addColorStop(0, palette.sky);
  sky.addColorStop(1, palette.horizon);
  g.fillStyle = sky;
  g.fillRect(pane.x, pane.y, pane.w, pane.h);
  drawFloor(g, pane);
  const bones = [], tops = [];
  for (const kind of pane.kinds) {
    for (const person of shownPeople()) {
      const ghost = kind === "truth" && pane.kinds.length > 1;
      const joints = person.joints.map((_, joint) => at(person, person[kind], state.frame, joint));
      const ends = joints.map((point) => point && pane.project(point));
      if (!ghost) drawShadow(g, pane, person, joints);
      if (kind === "positions" && state.deviations) drawDeviations(g, person, ends);
      for (const bone of person.bones) {
        const [a, b] = [ends[bone[0]], ends[bone[1]]];
        if (a && b) bones.push({ a, b, person, bone, ghost, kind, depth: a.depth + b.depth });
      }
      const top = ends.reduce((best, end) => (end && (!best || end.y < best.y) ? end : best), null);
      if (top && !ghost) tops.push({ person, top });
    }
  }
  bones.sort((a, b) => b.depth - a.depth); // the near ones over the far ones
  for (const { a, b, person, bone, ghost, kind, depth } of bones) {
    const width = Math.min(Math.max((0.08 * SCALE * focalLength(pane.w, pane.h)) / depth, 2), 16);
    if (ghost) line(g, a, b, Math.max(0.4 * width, 1.5), palette.ghost);
    else tube(g, a, b, width, kind === "truth" && state.colour === "error" ? [palette.ghost, palette.ghost] : boneColours(person, state.frame, bone));
  }
  if (names.length > 1) for (const { person, top } of tops) drawName(g, person, top);
  if (pane.label) {
    g.textAlign = "left";
    g.fillStyle = palette.muted;
    g.fillText(pane.label, pane.x + 12, pane.y + 20);
    g.lineWidth = 1;
    g.strokeStyle = palette.line;
    g.strokeRect(pane.x - 0.5, pane.y - 0.5, pane.w + 1, pane.h + 1);
  }
  drawHint(g, pane);
  g.restore();
}

/** A grid of whole metres, or of decimetres or less below what is small, with numbers at the edges behind the people and to their right. */
function drawFloor(g, pane) {
  const extent = Math.max(bounds.high[0] - bounds.low[0], bounds.high[1] - bounds.low[1]);
  const step = Math.max(roundUp(extent / 15), roundUp(SCALE));
  const [x0, y0] = [0, 1].map((k) => step * Math.floor((bounds.low[k] - 0.4 * SCALE) / step));
  const [x1, y1] = [0, 1].map((k) => step * Math.ceil((bounds.high[k] + 0.4 * SCALE) / step));
  const corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(([x, y]) => pane.project([x, y, floor]));
  if (corners.every(Boolean)) {
    g.fillStyle = palette.floor;
    g.beginPath();
    for (const { x, y } of corners) g.lineTo(x, y);
    g.fill();
  }
  const segment = (from, to, width) => {
    const [a, b] = [pane.project([...from, floor]), pane.project([...to, floor])];
    if (a && b) line(g, a, b, width, palette.grid);
  };
  const [nx, ny] = [(x1 - x0) / step, (y1 - y0) / step].map(Math.round); // counted, as sums of small steps are inexact
  const [xAt, yAt] = [x0, y0].map((start) => (i) => start + i * step);
  for (let i = 0; i <= nx; i += 0.5) for (let j = 0; j < ny; j++) segment([xAt(i), yAt(j)], [xAt(i), yAt(j + 1)], i % 1 ? 0.4 : 1);
  for (let j = 0; j <= ny; j += 0.5) for (let i = 0; i < nx; i++) segment([xAt(i), yAt(j)], [xAt(i + 1), yAt(j)], j % 1 ? 0.4 : 1);
  const { forward, right } = axesOfView();
  // x is written along one of the edges that run with x, y along one of the others
  const edgeY = forward[1] > 0 ? ny : 0, edgeX = right[0] > 0 ? nx : 0, gap = 0.16 * step;
  g.fillStyle = palette.muted;
  g.textAlign = "center";
  const write = (text, x, y) => {
    const place = pane.project([x, y, floor]);
    if (place) g.fillText(text.replace("-", "−"), place.x, place.y + 4);
  };
  const length = (metres) => (step < 1 ? `${+(100 * metres).toFixed(1)} cm` : `${metres} m`);
  for (let i = 0; i <= nx; i++) write(length(xAt(i)), xAt(i), yAt(edgeY) + (edgeY ? gap : -gap));
  for (let j = 0; j <= ny; j++) if (j !== edgeY) write(length(yAt(j)), xAt(edgeX) + (edgeX ? gap : -gap), yAt(j));
}

/** The bones from straight above, as one path, so that they do not darken each other. */
function drawShadow(g, pane, person, joints) {
  g.beginPath();
  let width = 0;
  for (const [parent, child] of person.bones) {
    if (!joints[parent] || !joints[child]) continue;
    const [a, b] = [parent, child].map((joint) => pane.project([joints[joint][0], joints[joint][1], floor]));
    if (!a || !b) continue;
    g.moveTo(a.x, a.y);
    g.lineTo(b.x, b.y);
    width = Math.min(Math.max(0.05 * SCALE * a.scale, 2), 18);
  }
  g.lineWidth = width;
  g.strokeStyle = palette.shadow;
  g.stroke();
}

/** A circle around each joint, as large as its error is to be expected. */
function drawDeviations(g, person, ends) {
  g.globalAlpha = 0.14;
  g.fillStyle = names.length > 1 ? person.colour : palette.accent;
  ends.forEach((end, joint) => {
    const radius = end ? end.scale * deviation(person, state.frame, joint) : 0;
    if (!radius) return;
    g.beginPath();
    g.arc(end.x, end.y, radius, 0, 2 * Math.PI);
    g.fill();
  });
  g.globalAlpha = 1;
}

function drawName(g, person, top) {
  g.textAlign = "center";
  g.lineWidth = 3;
  g.strokeStyle = palette.horizon;
  g.strokeText(person.name, top.x, top.y - 14);
  g.fillStyle = palette.ink;
  g.fillText(person.name, top.x, top.y - 14);
}

let pointer = null; // where the mouse is over the stage, when no button is pressed

/** The name of the joint under the mouse, and its error. */
function drawHint(g, pane) {
  if (!pointer) return;
  let best = null;
  for (const person of shownPeople()) {
    person.joints.forEach((name, joint) => {
      const kind = pane.kinds.at(-1), place = at(person, person[kind], state.frame, joint), end = place && pane.project(place);
      const distance = end ? Math.hypot(end.x - pointer.x, end.y - pointer.y) : Infinity;
      const expected = kind === "positions" ? 1000 * deviation(person, state.frame, joint) : 0;
      if (distance < (best?.distance ?? 12)) best = { distance, end, name, expected, error: jointError(person, state.frame, joint) };
    });
  }
  if (!best) return;
  const expected = best.expected ? `   ± ${best.expected.toFixed(0)} mm` : "";
  const text = best.name + expected + (best.error === null ? "" : `   ${best.error.toFixed(0)} mm`), width = g.measureText(text).width + 16;
  const [x, y] = [Math.min(best.end.x + 10, pane.x + pane.w - width - 4), Math.max(best.end.y - 32, pane.y + 4)];
  g.fillStyle = "rgba(15, 20, 28, .88)";
  g.beginPath();
  g.roundRect(x, y, width, 24, 6);
  g.fill();
  g.fillStyle = "#fff";
  g.textAlign = "left";
  g.fillText(text, x + 8, y + 16);
}

const images = new Map(); // the pictures that were shown last, by their number
let lastImage = null;

function image(index) {
  let picture = images.get(index);
  if (!picture) {
    picture = new Image();
    picture.onload = redraw;
    picture.src = `data:image/jpeg;base64,${pictures[index]}`;
    images.set(index, picture);
    if (images.size > 16) images.delete(images.keys().next().value);
  }
  return picture;
}

function drawPicture() {
  const g = context(video), [width, height] = scene.imageSize;
  const scale = Math.min(video.clientWidth / width, video.clientHeight / height);
  const [x, y] = [(video.clientWidth - scale * width) / 2, (video.clientHeight - scale * height) / 2];
  if (pictures.length) {
    const index = Math.min(Math.round(state.frame / scene.pictureStep), pictures.length - 1), picture = image(index);
    if (state.playing) image((index + 1) % pictures.length); // decoded when its time comes
    if (picture.complete && picture.naturalWidth) lastImage = picture;
    if (lastImage) g.drawImage(lastImage, x, y, scale * width, scale * height);
  }
  const boneWidth = Math.max(1.4, (scale * Math.min(width, height)) / 110);
  for (const person of shownPeople()) {
    for (const bone of person.bones) {
      const [a, b] = bone.slice(0, 2).map((joint) => at(person, person.keypoints, state.frame, joint));
      if (!a || !b) continue;
      const ends = [a, b].map((point) => ({ x: x + scale * point[0], y: y + scale * point[1] }));
      g.globalAlpha = 0.25 + 0.75 * Math.min(a[2], b[2], 1);
      line(g, ...ends, boneWidth + 1.2, "rgba(0, 0, 0, .55)");
      line(g, ...ends, boneWidth, boneColours(person, state.frame, bone)[1]);
    }
  }
  g.globalAlpha = 1;
}

const MARGIN = 8; // half of the thumb of the scrub bar

function drawPlot() {
  const g = context(plot), [width, height] = [plot.clientWidth, plot.clientHeight], top = 14, bottom = height - 2;
  const most = roundUp(largestError || 1);
  const x = (frame) => MARGIN + ((width - 2 * MARGIN) * frame) / Math.max(scene.numFrames - 1, 1);
  const y = (error) => bottom - ((bottom - top) * error) / most;
  for (const level of [0, most / 2, most]) line(g, { x: MARGIN, y: y(level) }, { x: width - MARGIN, y: y(level) }, 0.5, palette.line);
  people.forEach((person, index) => {
    if (state.hidden.has(person.name)) return;
    g.beginPath();
    let pen = false;
    errors[index].forEach((error, t) => {
      if (error !== null) g[pen ? "lineTo" : "moveTo"](x(person.first + t), y(error));
      pen = error !== null;
    });
    g.lineWidth = 1.6;
    g.strokeStyle = names.length > 1 ? person.colour : palette.accent;
    g.stroke();
  });
  g.fillStyle = palette.muted;
  g.textAlign = "left";
  const now = mean(shownPeople().map((person) => poseError(person, state.frame)).filter((error) => error !== null));
  g.fillText(`error of ${judged} joints ${now?.toFixed(0) ?? "–"} mm, mean ${mean(allErrors)?.toFixed(0) ?? "–"} mm`, MARGIN, 10);
  g.textAlign = "right";
  g.fillText(`${most} mm`, width - MARGIN, 10);
  line(g, { x: x(state.frame), y: top - 4 }, { x: x(state.frame), y: bottom }, 1.2, palette.ink);
}
