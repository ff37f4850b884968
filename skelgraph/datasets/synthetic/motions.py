"""The named actions of the synthetic data set, each a few joint-angle curves with a random style.

Actions are written for a right-handed person; half of the performances are mirrored. Angles are anatomical, in degrees:
see :mod:`skelgraph.datasets.synthetic.kinematics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from skelgraph.datasets.synthetic.kinematics import JOINTS, mirror_angles, soft_limit
from skelgraph.datasets.synthetic.motion_curves import Curve, Motion

# Of each joint's flexion, abduction and rotation: the size of the random posture and of the restless motion, degrees.
_RESTLESS = {
    "pelvis": (1.5, 1.0, 1.0),
    "lumbar": (2.5, 2.0, 2.0),
    "thoracic": (2.5, 2.0, 3.0),
    "neck": (7.0, 4.0, 12.0),
    "clavicle": (0.0, 2.0, 3.0),
    "shoulder": (6.0, 4.0, 8.0),
    "elbow": (7.0, 0.0, 15.0),
    "wrist": (6.0, 10.0, 0.0),
    "hip": (1.5, 1.0, 3.0),
    "knee": (2.0, 0.0, 0.0),
    "ankle": (0.5, 0.5, 2.0),
}


def compose(action: str, frames: int, frame_rate: float, random: Random) -> Motion:
    """Return one performance of an action of :data:`ACTIONS`, its joint angles inside the limits of the rig.

    Args:
        action: Key of :data:`ACTIONS`.
        frames: Number of frames.
        frame_rate: Frames per second.
        random: Source of the random numbers of the style; an equal state gives an equal performance.
    """
    motion = Motion(frames, frame_rate, random)
    ACTIONS[action](motion)
    _be_restless(motion)
    motion.flatten_feet()
    if motion.chance(0.5):
        motion.angles = mirror_angles(motion.angles)
        motion.turn_rate = -motion.turn_rate
    motion.angles = soft_limit(motion.angles)
    motion.heading = motion.uniform(0, 2 * math.pi)
    if not motion.speed:
        motion.spot = (motion.uniform(-0.5, 0.5), motion.uniform(-0.5, 0.5))
    return motion


def _be_restless(m: Motion) -> None:
    """Add a random posture and smooth restless motion to every joint."""
    energy = m.uniform(0.6, 1.2)
    for i, joint in enumerate(JOINTS):
        sizes = _RESTLESS[joint.name.removeprefix("left_").removeprefix("right_")]
        for axis, size in enumerate(sizes):
            if size:
                m.angles[:, i, axis] += m.uniform(-size, size) + m.sway(0.6 * energy * size)


def _stand(m: Motion) -> None:
    """Stand at ease with hanging arms."""
    stagger = m.uniform(-6, 6)
    m.crouch(thigh=m.uniform(2, 6), knee=m.uniform(4, 12))
    m.bend("left_hip", flexion=stagger)
    m.bend("right_hip", flexion=-stagger)
    m.bend("hip", abduction=m.uniform(1, 7), rotation=m.uniform(0, 12))
    m.bend("neck", flexion=m.uniform(-2, 12))
    _hang(m, "shoulder", "elbow")


def _hang(m: Motion, shoulder: str, elbow: str) -> None:
    """Let an arm hang, or both."""
    m.bend(shoulder, flexion=m.uniform(-4, 6), abduction=m.uniform(6, 12), rotation=-m.uniform(0, 20))
    m.bend(elbow, flexion=m.uniform(8, 22))


def _arm(m: Motion, side: str, flexion: Curve, abduction: Curve, rotation: Curve, elbow: Curve) -> None:
    """Bend the shoulder and the elbow of one arm."""
    m.bend(f"{side}_shoulder", flexion, abduction, rotation)
    m.bend(f"{side}_elbow", elbow)


class _Gait(NamedTuple):
    """Leg angles at ten equidistant phases of a cycle that starts when the heel strikes, degrees."""

    hip: tuple[float, ...]
    knee: tuple[float, ...]
    ankle: tuple[float, ...]

    def at(self, phase: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the angles at phases in cycles, by trigonometric interpolation."""
        samples = torch.tensor([self.hip, self.knee, self.ankle], dtype=phase.dtype)
        spectrum = torch.fft.rfft(samples)[:, :-1] / samples.shape[1]
        spectrum[:, 1:] *= 2
        turns = 2 * math.pi * phase[:, None] * torch.arange(spectrum.shape[1])
        hip, knee, ankle = (
            (spectrum.real * turns.cos()[:, None] - spectrum.imag * turns.sin()[:, None]).sum(-1).unbind(-1)
        )
        return hip, knee, ankle


# Rounded from the usual curves of level walking and of jogging.
_WALK = _Gait(
    hip=(28, 24, 16, 6, -3, -9, -4, 12, 26, 31),
    knee=(5, 15, 16, 9, 4, 8, 36, 60, 42, 10),
    ankle=(-2, -4, 3, 7, 10, 6, -15, -8, 0, 1),
)
_TREAD = _Gait(
    hip=(8, 5, 3, 2, 3, 6, 20, 30, 24, 14),
    knee=(6, 8, 8, 6, 8, 16, 45, 52, 34, 12),
    ankle=(0,) * 10,
)
_JOG = _Gait(
    hip=(36, 27, 10, -5, -8, 10, 34, 50, 52, 45),
    knee=(18, 38, 34, 22, 30, 68, 95, 88, 52, 22),
    ankle=(2, 14, 14, -12, -22, -8, 0, 4, 4, 3),
)


def _step(m: Motion, gait: _Gait, cadence: float, stride: Curve, swing: Curve) -> Tensor:
    """Step along at ``cadence`` cycles per second; return the phase of the left leg in cycles.

    Args:
        m: The motion.
        gait: Leg angles.
        cadence: Cycles per second, two steps each.
        stride: Factor of the leg angles.
        swing: Amplitude of the arms at the shoulders, degrees.
    """
    phase = cadence * m.time + m.uniform(0, 1) + m.sway(0.02)
    limp = m.uniform(-0.05, 0.05)
    for side, shift, sign in (("left", 0.0, 1), ("right", 0.5, -1)):
        own = 2 * math.pi * (phase + shift)
        hip, knee, ankle = gait.at(phase + shift)
        size = stride * (1 + sign * limp)
        # The standing foot keeps its direction while the body turns over it.
        hip_turn = sign * torch.rad2deg(m.turn_rate) / (5 * cadence) * own.cos()
        m.bend(f"{side}_hip", flexion=size * hip, abduction=2 + sign * 3 * stride * (own.sin()), rotation=5 + hip_turn)
        m.bend(f"{side}_knee", flexion=4 + size**0.5 * knee)
        m.bend(f"{side}_ankle", flexion=size * ankle)
        m.bend(f"{side}_shoulder", flexion=-swing * own.cos() - 0.2 * swing, abduction=m.uniform(6, 12))
        m.bend(f"{side}_elbow", flexion=0.4 * swing * (1 - own.cos()))
    left = 2 * math.pi * phase
    m.bend("pelvis", flexion=3.0, rotation=-4 * stride * left.cos())
    m.bend("thoracic", rotation=0.3 * swing * left.cos())
    m.bend("neck", flexion=m.uniform(-2, 10), rotation=-0.2 * swing * left.cos())
    m.level_feet = 0.0
    m.momentum = 0.7
    return phase


def _wander(m: Motion, speed: float, radius: float, winding: bool) -> None:
    """Go at ``speed`` along a circle of ``radius`` metres, or along two that touch."""
    m.speed = speed
    m.turn_rate = (1 if m.chance(0.5) else -1) * speed / radius * (1 + m.sway(0.1))
    if winding:
        swap = m.uniform(0.3, 0.7) * m.seconds
        m.turn_rate = m.turn_rate * m.keyframes([(swap - 0.4, 1.0), (swap + 0.4, -1.0)])


def walking(m: Motion) -> None:
    """Walk in a circle or a winding line."""
    cadence, stride = m.uniform(0.72, 1.0), m.uniform(0.75, 1.05)
    _wander(m, 1.17 * cadence * stride, radius=m.uniform(0.6, 0.95), winding=m.chance(0.35))
    _step(m, _WALK, cadence, stride, swing=m.uniform(8, 28))
    m.lean(m.uniform(-2, 8))
    m.bend("elbow", flexion=m.uniform(8, 22))


def running(m: Motion) -> None:
    """Jog in a circle, leaning into it."""
    cadence, stride = m.uniform(1.2, 1.45), m.uniform(0.6, 0.8)
    speed = 2.0 * cadence * stride
    _wander(m, speed, radius=m.uniform(0.95, 1.2), winding=False)
    phase = _step(m, _JOG, cadence, stride, swing=m.uniform(18, 34))
    m.clearance = m.uniform(0.03, 0.06) * (0.5 + 0.5 * torch.cos(4 * math.pi * (phase - 0.43))) ** 2
    m.lean(m.uniform(4, 14))
    m.bend("pelvis", abduction=torch.rad2deg(torch.atan(m.turn_rate * speed / 9.81)))
    m.bend("elbow", flexion=m.uniform(60, 85))
    m.bend("shoulder", rotation=-m.uniform(5, 25), abduction=m.uniform(0, 8))


def turning(m: Motion) -> None:
    """Turn on the spot in small steps, now left, now right."""
    keys, second, way = [(0.0, 0.0)], m.uniform(0.1, 0.5), 1 if m.chance(0.5) else -1
    while second < m.seconds:
        rate, duration = way * m.uniform(1.1, 2.0), m.uniform(0.8, 1.6)
        keys += [(second, 0.0), (second + 0.3, rate), (second + duration, rate), (second + duration + 0.3, 0.0)]
        second += duration + m.uniform(0.6, 1.0)
        way = -way if m.chance(0.6) else way
    m.turn_rate = m.keyframes(keys)
    _step(m, _TREAD, cadence=1.0, stride=m.turn_rate.abs() / 2, swing=8.0)
    m.level_feet = 1.0
    m.look(m.uniform(12, 25) * m.turn_rate)
    m.bend("hip", abduction=2.0)
    m.crouch(thigh=3.0, knee=6.0)
    m.bend("elbow", flexion=m.uniform(10, 40))
    m.bend("shoulder", rotation=-m.uniform(5, 25))


def jumping(m: Motion) -> None:
    """Jump up with swinging arms, or do jumping jacks."""
    _stand(m)
    if m.chance(0.35):
        turns = 2 * math.pi * (m.uniform(0.75, 1.05) * m.time + m.uniform(0, 1))
        opened = 0.5 - 0.5 * turns.cos()
        m.bend("shoulder", abduction=m.uniform(110, 145) * opened, rotation=30 * opened)
        m.bend("hip", abduction=m.uniform(14, 24) * opened)
        m.crouch(thigh=8 + 6 * (2 * turns).cos(), knee=16 + 12 * (2 * turns).cos())
        m.clearance = m.uniform(0.04, 0.09) * turns.sin() ** 2
        m.bend("ankle", flexion=-25 * turns.sin() ** 2)
        return
    keys, depth, reach = [], m.uniform(0.7, 1.0), m.uniform(40, 95)
    stand, low, off, landed = (0.0, 0.0, 0.0), (depth, 0.0, -35.0), (0.0, 1.0, reach), (0.6 * depth, 0.0, 0.4 * reach)
    second = -m.uniform(0, 1.5)
    while second < m.seconds:
        flight = m.uniform(0.32, 0.5)
        start = second + m.uniform(0.75, 0.95)
        end = start + flight
        keys += [(second, stand), (start - 0.33, low), (start, off), (end - 0.06, off), (end + 0.16, landed)]
        m.clearance = m.clearance + (9.81 / 2 * (m.time - start) * (end - m.time)).clamp(min=0)
        second = end + m.uniform(0.55, 0.9)
    keys.append((second, stand))
    crouch, stretched, swing = m.poses(keys)
    m.crouch(thigh=65 * crouch, knee=95 * crouch)
    m.lean(38 * crouch)
    m.bend("ankle", flexion=-38 * stretched)
    m.bend("shoulder", flexion=swing, abduction=8 * stretched)
    m.bend("elbow", flexion=m.uniform(10, 35))


def squatting(m: Motion) -> None:
    """Squat down and rise, arms forward for balance."""
    _stand(m)
    down = m.pulses(rise=1.0, hold=m.uniform(0.0, 0.6), fall=0.9, rest=0.35, strength=0.35)
    m.crouch(thigh=m.uniform(80, 100) * down, knee=m.uniform(108, 125) * down)
    m.lean(m.uniform(32, 48) * down)
    m.bend("hip", abduction=m.uniform(5, 20) * down, rotation=m.uniform(5, 15) * down)
    m.bend("shoulder", flexion=m.uniform(40, 125) * down, rotation=-10.0 * down)
    m.bend("elbow", flexion=m.uniform(-5, 60) * down)
    m.bend("neck", flexion=-18 * down)


def sitting(m: Motion) -> None:
    """Sit down on a low seat, stay, and rise again; some are seated from the start."""
    arrive = m.uniform(-1.5, 0.9)
    leave = max(arrive + 2.5, m.seconds - m.uniform(-1.5, 1.6))
    seated = m.keyframes([(arrive, 0.0), (arrive + 1.3, 1.0), (leave, 1.0), (leave + 1.3, 0.0)])
    between = 4 * seated * (1 - seated)
    _stand(m)
    apart, forth = m.uniform(0, 16), m.uniform(-14, 14)
    thigh = m.uniform(78, 90)
    m.crouch(thigh=thigh * seated, knee=thigh * seated + 18 * between)
    m.bend("left_knee", flexion=forth * seated)
    m.bend("right_knee", flexion=-forth * seated)
    m.bend("hip", abduction=apart * seated, rotation=-0.5 * apart * seated)
    m.lean(m.uniform(-8, 22) * seated + 38 * between)
    m.bend("neck", flexion=-0.2 * between)
    m.bend("shoulder", flexion=m.uniform(0, 14) * seated + 20 * between, rotation=-m.uniform(0, 15) * seated)
    m.bend("elbow", flexion=m.uniform(42, 58) * seated)
    if m.chance(0.6):
        _gesture(m, "right", seated)
    m.look(m.sway(14) * seated)


def bending(m: Motion) -> None:
    """Bend down to the floor as if to pick something up, or bend sideways with an arm overhead."""
    _stand(m)
    if m.chance(0.3):
        bent = m.pulses(rise=0.9, hold=0.5, fall=0.9, rest=0.3)
        m.bend("lumbar", abduction=m.uniform(12, 20) * bent)
        m.bend("thoracic", abduction=m.uniform(12, 22) * bent)
        m.bend("neck", abduction=10 * bent)
        m.bend("right_shoulder", abduction=m.uniform(130, 155) * bent, rotation=30 * bent)
        m.bend("right_elbow", flexion=m.uniform(5, 40) * bent)
        return
    bent = m.pulses(rise=1.1, hold=0.4, fall=1.1, rest=0.5, strength=0.3)
    thigh = m.uniform(15, 75)
    forward = m.uniform(75, 105) - 0.3 * thigh
    m.lean(forward * bent)
    m.crouch(thigh=thigh * bent, knee=(1.4 * thigh - 22) * bent)
    m.look(m.uniform(-18, 18) * bent)
    m.bend("neck", flexion=-m.uniform(0, 30) * bent)
    m.bend("right_shoulder", flexion=(forward + m.uniform(-5, 15)) * bent, abduction=-8 * bent)
    m.bend("left_shoulder", flexion=m.uniform(0.3, 1.0) * forward * bent)
    m.bend("left_elbow", flexion=m.uniform(0, 50) * bent)


def lunging(m: Motion) -> None:
    """Sink into a lunge with the left leg in front, and rise."""
    _stand(m)
    down = m.pulses(rise=0.8, hold=m.uniform(0.1, 0.7), fall=0.8, rest=0.2, strength=0.4)
    m.bend("left_hip", flexion=8 + 70 * down)
    m.bend("left_knee", flexion=10 + 72 * down)
    m.bend("right_hip", flexion=-8 - 12 * down)
    m.bend("right_knee", flexion=12 + 58 * down)
    m.lean(m.uniform(0, 18) * down)
    if m.chance(0.5):  # hands on the hips
        m.bend("shoulder", abduction=32.0, rotation=-48.0)
        m.bend("elbow", flexion=88.0)
    else:
        m.bend("shoulder", flexion=m.uniform(-20, 90) * down, abduction=m.uniform(0, 40) * down)
        m.bend("elbow", flexion=m.uniform(0, 50) * down)


def kicking(m: Motion) -> None:
    """Kick with the right leg, the arms in balance."""
    _stand(m)
    high, straight = m.uniform(45, 76), m.uniform(2, 20)
    second = -m.uniform(0, 1.0)
    hips, knees = [(second, (0.0, 0.0))], [(second, 0.0)]
    while second < m.seconds:
        start = second + m.uniform(0.3, 0.7)
        end = start + m.uniform(1.5, 1.8)
        hips += [(start, (0.0, 0.0)), (start + 0.45, (-24.0, -0.5)), (start + 0.86, (high, 1.0)), (end, (0.0, 0.0))]
        # The knee opens late and bends again on the way back, so that the foot clears the floor.
        knees += [(start, 0.0), (start + 0.45, 72.0), (start + 0.58, 72.0), (start + 0.94, straight)]
        knees += [(end - 0.35, 42.0), (end, 0.0)]
        second = end
    hip, reach = m.poses(hips)
    knee = m.keyframes(knees)
    m.bend("right_hip", flexion=hip)
    m.bend("right_knee", flexion=knee)
    m.bend("right_ankle", flexion=0.75 * hip - 0.5 * knee)  # in the air the foot stays in line with the leg
    m.crouch(thigh=4.0, knee=8.0)
    m.lean(-9 * reach)
    m.bend("lumbar", rotation=-8 * reach)
    m.bend("thoracic", rotation=-12 * reach)
    m.bend("left_shoulder", flexion=m.uniform(20, 70) * reach, abduction=m.uniform(10, 45) * reach.square())
    m.bend("right_shoulder", flexion=-m.uniform(10, 45) * reach, abduction=m.uniform(10, 45) * reach.square())
    m.bend("elbow", flexion=m.uniform(0, 30))
    m.bend("neck", flexion=8.0)


def boxing(m: Motion) -> None:
    """Box at the air from a guard, the left foot in front."""
    guard = m.uniform(110, 130)
    m.bend("left_hip", flexion=m.uniform(18, 28), abduction=6.0)
    m.bend("right_hip", flexion=-m.uniform(2, 10), abduction=8.0, rotation=25.0)
    bounce = m.uniform(2, 6) * torch.sin(2 * math.pi * m.uniform(1.2, 2.0) * m.time)
    m.crouch(thigh=6 + bounce, knee=20 + 2 * bounce)
    m.lean(m.uniform(4, 14))
    m.bend("thoracic", rotation=-10.0)
    m.bend("neck", flexion=6.0, rotation=8.0)
    for side, turn, rest in (("left", -22.0, 0.35), ("right", 38.0, 0.9)):
        punch = m.pulses(rise=0.2, hold=0.03, fall=0.26, rest=rest, strength=0.3)
        _arm(
            m,
            side,
            flexion=38 + m.uniform(42, 56) * punch,
            abduction=12 - 8 * punch,
            rotation=-18 + 10 * punch,
            elbow=guard - (guard - 12) * punch,
        )
        m.bend(f"{side}_clavicle", rotation=-18 * punch)
        m.bend("lumbar", rotation=0.4 * turn * punch)
        m.bend("thoracic", rotation=0.6 * turn * punch)
        m.bend("neck", rotation=-0.5 * turn * punch)


def throwing(m: Motion) -> None:
    """Throw overarm with the right hand, the left foot stepping forward."""
    _stand(m)
    # Right shoulder (3) and elbow; left shoulder (2) and elbow; turn to the left, lean; left thigh and knee.
    ready = (20.0, 0.0, 0.0, 45.0, 20.0, 0.0, 45.0, -5.0, 0.0, 4.0, 6.0)
    back, bent, step = m.uniform(75, 92), m.uniform(85, 110), m.uniform(15, 55)
    cocked = (100.0, back, 5.0, bent, 80.0, 15.0, 15.0, -48.0, -10.0, step, 50.0)
    release = (m.uniform(112, 135), 25.0, 0.0, 18.0, 45.0, 25.0, 60.0, 18.0, 14.0, 26.0, 22.0)
    follow = (48.0, -18.0, -20.0, 25.0, 5.0, 25.0, 60.0, 46.0, 34.0, 26.0, 30.0)
    keys, second = [], -m.uniform(0, 1.5)
    while second < m.seconds:
        wind = second + m.uniform(0.9, 1.2)
        keys += [(second, ready), (wind, cocked), (wind + 0.3, release), (wind + 0.6, follow)]
        second = wind + m.uniform(1.4, 1.8)
        keys.append((second, ready))
        second += m.uniform(0.1, 0.4)
    flexion, abduction, rotation, elbow, left, left_out, left_elbow, turn, lean, thigh, knee = m.poses(
        [*keys, (second, ready)]
    )
    _arm(m, "right", flexion, abduction, rotation, elbow)
    _arm(m, "left", left, left_out, 0.0, left_elbow)
    m.look(turn)
    m.bend("neck", rotation=-0.5 * turn)
    m.lean(lean)
    m.bend("left_hip", flexion=thigh)
    m.bend("left_knee", flexion=knee)
    m.bend("right_hip", flexion=-0.4 * lean)
    m.bend("right_knee", flexion=0.9 * lean.clamp(min=0))


def waving(m: Motion) -> None:
    """Wave a hand, at shoulder height or high above the head."""
    _stand(m)
    up = m.pulses(rise=0.6, hold=2.4, fall=0.7, rest=0.4, strength=0.15)
    wave = up * torch.sin(2 * math.pi * (m.uniform(1.1, 2.2) * m.time + m.uniform(0, 1)))
    if m.chance(0.5):
        _arm(m, "right", m.uniform(80, 105) * up, m.uniform(45, 80) * up, 8 * wave, m.uniform(60, 90) * up + 26 * wave)
    else:
        _arm(m, "right", m.uniform(0, 30) * up, m.uniform(105, 145) * up, 70 * up, m.uniform(20, 50) * up + 22 * wave)
    m.bend("right_clavicle", abduction=12 * up)
    m.bend("lumbar", abduction=m.uniform(0, 8) * up)
    m.look(m.sway(15))


def reaching(m: Motion) -> None:
    """Reach out with the right hand: forward, aside, up or down."""
    _stand(m)
    rest = (0.0,) * 6
    keys, second = [(-0.5, rest)], m.uniform(-0.5, 0.3)
    while second < m.seconds:
        high = m.uniform(0, 1)
        aside = m.uniform(-20, 70)
        target = (45 + 115 * high, aside, m.uniform(-20, 10), 8 - 25 * high, -0.5 * aside, 40 * (1 - high) ** 2)
        keys += [(second, rest), (second + 0.7, target), (second + m.uniform(0.8, 1.2), target)]
        second += m.uniform(1.8, 2.1)
        if m.chance(0.5):
            keys.append((second, rest))
        second += 0.02
    flexion, abduction, rotation, elbow, turn, lean = m.poses(keys)
    _arm(m, "right", flexion, abduction, rotation, elbow)
    m.bend("right_clavicle", abduction=0.12 * flexion, rotation=-0.1 * flexion)
    m.look(turn)
    m.lean(1.5 * lean)
    m.crouch(thigh=0.8 * lean, knee=0.9 * lean)


def _gesture(m: Motion, side: str, amount: Curve = 1.0) -> None:
    """Underline speech with an arm."""
    keys, second = [], -m.uniform(0, 1)
    while second < m.seconds + 1.5:
        pose = (m.uniform(0, 48), m.uniform(0, 28), m.uniform(-40, 25), m.uniform(35, 105))
        keys += [(second, pose)]
        second += m.uniform(0.45, 1.3)
    flexion, abduction, rotation, elbow = m.poses(keys)
    _arm(m, side, amount * flexion, amount * abduction, amount * rotation, amount * elbow)


def talking(m: Motion) -> None:
    """Stand and talk with the hands."""
    _stand(m)
    _gesture(m, "right")
    if m.chance(0.7):
        _gesture(m, "left")
    m.look(m.sway(28))
    m.bend("neck", flexion=m.sway(7, 0.5, 1.4))


def phoning(m: Motion) -> None:
    """Hold a telephone to the right ear, standing or pacing slowly."""
    if m.chance(0.5):
        cadence, stride = m.uniform(0.5, 0.65), m.uniform(0.4, 0.6)
        _wander(m, 1.17 * cadence * stride, radius=m.uniform(0.4, 0.9), winding=m.chance(0.35))
        _step(m, _WALK, cadence, stride, swing=4.0)
        _hang(m, "left_shoulder", "left_elbow")
    else:
        _stand(m)
    _arm(m, "right", flexion=m.uniform(45, 60), abduction=m.uniform(22, 34), rotation=-30.0, elbow=m.uniform(128, 138))
    m.bend("neck", abduction=-8.0, flexion=6.0)
    if m.chance(0.5):  # the other arm across the belly
        _arm(m, "left", flexion=12.0, abduction=0.0, rotation=-50.0, elbow=80.0)
    m.look(m.sway(20))


ACTIONS: dict[str, Callable[[Motion], None]] = {
    function.__name__.capitalize(): function
    for function in (
        bending,
        boxing,
        jumping,
        kicking,
        lunging,
        phoning,
        reaching,
        running,
        sitting,
        squatting,
        talking,
        throwing,
        turning,
        walking,
        waving,
    )
}
