"use strict";
// The page of skelgraph: people in space on a 2D canvas, beside their video. World axes are metres with z up. What is
// shown depends on `state` alone: whoever changes it calls `redraw`, and `draw` paints everything anew, once per frame
// of the screen.

const byId = (id) => document.getElementById(id);
const scene = JSON.parse(byId("scene").textContent);
const pictures = JSON.parse(byId("pictures").textContent);
for (const id of ["scene", "pictures"]) byId(id).remove(); // else their text stays in memory, too

const PEOPLE = ["#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b59f00", "#8d6cc9"]; // the house takes blue and orange
const HEAT = ["#3b6fb6", "#8fbbdc", "#f3e3a6", "#ee8a4a", "#b2182b"]; // from no error to a large one

function floats(base64) {
  if (base64 === null) return null;
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

const SCALE = scene.scale; // how large is what is filmed beside a body: lengths that are made for bodies are multiplied by it
const names = [...new Set(scene.people.map((person) => person.name))];
const people = scene.people.map((person) => ({
  ...person,
  colour: PEOPLE[names.indexOf(person.name) % PEOPLE.length],
  positions: floats(person.positions),
  truth: floats(person.truth),
  keypoints: floats(person.keypoints),
  deviations: floats(person.deviations),
}));
const hasDeviations = people.some((person) => person.deviations);
const hasTruth = people.some((person) => person.truth);
const hasSides = people.some((person) => person.sides.some((side) => side !== "centre"));
const hasPicture = pictures.length > 0 || people.some((person) => person.keypoints);

/** Three numbers of a joint in a frame of the video, or null where they are not known. */
function at(person, array, frame, joint) {
  const t = frame - person.first, i = 3 * (t * person.joints.length + joint);
  if (!array || t < 0 || t >= person.count || Number.isNaN(array[i] + array[i + 1])) return null;
  return Number.isNaN(array[i + 2]) ? null : [array[i], array[i + 1], array[i + 2]];
}

/** How far a joint is to be expected from where it is, metres; 0: not known. */
function deviation(person, frame, joint) {
  const t = frame - person.first;
  return (t >= 0 && t < person.count && person.deviations?.[t * person.joints.length + joint]) || 0; // NaN, too
}

/** Millimetres between a joint and its truth, or null. */
function jointError(person, frame, joint) {
  const a = at(person, person.positions, frame, joint), b = at(person, person.truth, frame, joint);
  return a && b ? 1000 * Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) : null;
}

/** The mean of the known joint errors of a person in a frame, or null. */
function poseError(person, frame) {
  const known = person.joints.map((_, joint) => jointError(person, frame, joint)).filter((error) => error !== null);
  return mean(known);
}

/** How many joints of a person have a truth in some frame. */
function judgedJoints(person) {
  const isJudged = (_, joint) => {
    for (let frame = person.first; frame < person.first + person.count; frame++) {
      if (jointError(person, frame, joint) !== null) return true;
    }
    return false;
  };
  return person.truth ? person.joints.filter(isJudged).length : 0;
}

const mean = (numbers) => (numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : null);

/** A share of sorted numbers: 0.5 is the median. */
const quantile = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))];

/** The next of 1, 2, 5, 10, 20, 50, ... */
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1e-6)));
  return power * [1, 2, 5, 10].find((step) => step * power >= 0.999 * number);
}

/** Where the people are: of each axis the smallest and the largest number, without the farthest hundredth. */
function measure() {
  const axes = [[], [], []];
  for (const person of people) {
    for (const array of [person.positions, person.truth]) {
      const step = 3 * Math.max(1, Math.round((array?.length ?? 0) / 150000));
      for (let i = 0; array && i < array.length; i += step) {
        if (!Number.isNaN(array[i] + array[i + 1] + array[i + 2])) axes.forEach((axis, k) => axis.push(array[i + k]));
      }
    }
  }
  if (!axes[0].length) return { low: [-1, -1, 0], high: [1, 1, 2] };
  for (const axis of axes) axis.sort((a, b) => a - b);
  return { low: axes.map((axis) => quantile(axis, 0.01)), high: axes.map((axis) => quantile(axis, 0.99)) };
}

const bounds = measure();
const floor = bounds.low[2]; // the lowest joints stand on it
const errors = people.map((person) => Array.from({ length: person.truth ? person.count : 0 }, (_, t) => poseError(person, person.first + t)));
const allErrors = errors.flat().filter((error) => error !== null);
const judged = Math.max(0, ...people.map(judgedJoints));
const isPartlyJudged = people.some((person) => person.truth && judgedJoints(person) < person.joints.length);
const largestError = allErrors.reduce((most, error) => Math.max(most, error), 0);
const errorScale = roundUp(2 * (quantile([...allErrors].sort((a, b) => a - b), 0.9) ?? 50)); // mm of the darkest red
