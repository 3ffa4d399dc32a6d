"""A car that keeps its lane: a simulated world for learning to drive, many cars at once.

**Everything here is simulated.** A road of straights and bends, a car on it, and a coarse camera
that sees the two painted lines. There is no other traffic, no hill, no crossing and no
pedestrian, and the tyre is a single number; what a policy does here says nothing about a street.

Two forms, both registered with Gymnasium when this module is imported::

    env = gym.make("course/LaneKeeping-v0")                       # one car
    envs = gym.make_vec("course/LaneKeeping-v0", num_envs=64,     # 64 cars in one array
                        vectorization_mode="vector_entry_point", world=World(friction=0.5))

**Observation**, ``PIXELS + 1`` numbers: the picture of a coarse camera that sees the two painted
lines and nothing else, ``ROWS`` rows of ``COLUMNS`` pixels, the farthest row first, a line's
brightness being 1; then the speed in units of 20 m/s. ``info["survey"]`` tells what no camera
knows: see ``Cars.survey``.

**Action**, 2 numbers from −1 to 1: steering, where 1 is ``MAX_STEER`` to the left, and pedal,
where 1 is ``MAX_ACCELERATION`` and −1 the same in braking.

**Reward** of a step: metres along the lane, each worth 1 in its middle, nothing at its edge, and
``1 - (offset / EDGE) ** 2`` in between; on leaving the lane −``DEPARTURE``, and the episode has
terminated. It is truncated after ``STEPS`` steps.

**Physics**, in steps of ``DT``: a kinematic bicycle model (Rajamani, *Vehicle Dynamics and
Control*, 2012, chapter 2) in coordinates of the road: metres along it, offset to the left of the
lane's middle, heading against it. The front wheels follow the command with a lag of first order.
What the tyres can bear limits the turn: its sideways acceleration is at most friction × g. Gusts
of wind push sideways, each lasting about a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

DT = 0.1  # s
STEPS = 150
EDGE = 2.0  # m from the middle of the lane, where it ends
WHEELBASE = 2.8  # m
MAX_STEER = 0.1  # rad at the wheels; a circle of 28 m radius
MAX_ACCELERATION = 3.0  # m/s²
MAX_SPEED = 35.0  # m/s
GRAVITY = 9.81  # m/s²
DEPARTURE = 100.0  # m of reward lost
AHEAD = np.array([0.0, 12.0, 25.0, 45.0])  # m
MAP = 60  # m, how far ahead the survey looks for bends
ROW_DISTANCES = np.array([45.0, 34.0, 26.0, 20.0, 15.0, 11.0, 8.0, 5.0])  # m, the camera's rows
ROW_REACH = 3 + 0.15 * ROW_DISTANCES  # m to either side, what a row shows
ROWS, COLUMNS = len(ROW_DISTANCES), 24
PIXELS = ROWS * COLUMNS
LINE_WIDTH = 0.8  # pixels, standard deviation
ROAD = 640  # m: longer than one can drive in an episode, and see
BEND = (0.004, 0.014)  # 1/m: bends of 250 to 71 m radius

_OBSERVATION = spaces.Box(-np.inf, np.inf, (PIXELS + 1,), np.float32)
_ACTION = spaces.Box(-1, 1, (2,), np.float32)

Range = float | tuple[float, float]
Info = dict[str, Any]


@dataclass(frozen=True)
class World:
    """What may differ between a simulation and a road.

    A pair is a range, from which each car draws a value uniformly at the start of each episode.

    Args:
        friction: the friction of the tyres: about .9, the default, on dry asphalt, .5 on wet
            asphalt and .15 on ice.
        lag: the time constant of the steering in seconds, .2 by default.
        noise: the standard deviation of each pixel, .1 by default. A painted line has brightness 1,
            the road 0.
        wind: the standard deviation of the sideways speed that gusts give the car, .3 m/s by
            default.
        start: the standard deviation of the offset at the start, .2 m by default.
        ice: the length in metres of one patch of ice that begins somewhere between 60 and 160 m
            past the start. The default, 0, means no ice. No sensor sees it.
    """

    friction: Range = 0.9
    lag: Range = 0.2
    noise: Range = 0.1
    wind: Range = 0.3
    start: Range = 0.2
    ice: Range = 0.0

    ICE_FRICTION = 0.15


class Cars:
    """The simulation itself: many cars, each on its own road.

    Args:
        count: the number of cars.
        world: the physics. None, the default, is ``World()``.

    Attributes:
        along: metres along the road, (cars,), as all that follow up to ``curvature``.
        offset: metres to the left of the lane's middle.
        heading: radians against the road, left is positive.
        speed: metres a second.
        steer: radians at the wheels, left is positive.
        gust: sideways speed that the wind gives the car, metres a second.
        friction, lag, noise, wind, start, ice: what the car has drawn from ``world``.
        ice_at: metre of the road at which the patch of ice begins.
        curvature: of the road at each of its metres, 1/m, left is positive, (cars, ROAD + 1), as
            all that follow.
        direction: of the road, radians.
        x, y: of the road on the map, metres.
    """

    def __init__(self, count: int, world: World | None = None):
        self.count, self.world = count, world or World()
        self.along, self.offset = np.zeros(count), np.zeros(count)
        self.heading, self.speed = np.zeros(count), np.zeros(count)
        self.steer, self.gust = np.zeros(count), np.zeros(count)
        self.friction, self.lag = np.zeros(count), np.zeros(count)
        self.noise, self.wind = np.zeros(count), np.zeros(count)
        self.start = np.zeros(count)
        self.ice, self.ice_at = np.zeros(count), np.zeros(count)
        road = count, ROAD + 1
        self.curvature, self.direction = np.zeros(road), np.zeros(road)
        self.x, self.y = np.zeros(road), np.zeros(road)

    def reset(self, rng: np.random.Generator, which: np.ndarray | None = None) -> None:
        """New roads, worlds and places for the cars of a mask (cars,), or for all."""
        which = np.ones(self.count, bool) if which is None else which
        n = int(which.sum())
        world = self.world
        self.friction[which] = _drawn(world.friction, n, rng)
        self.lag[which] = _drawn(world.lag, n, rng)
        self.noise[which] = _drawn(world.noise, n, rng)
        self.wind[which] = _drawn(world.wind, n, rng)
        self.start[which] = _drawn(world.start, n, rng)
        self.ice[which] = _drawn(world.ice, n, rng)
        self.ice_at[which] = rng.uniform(60, 160, n)
        self.along[which] = 0
        self.offset[which] = self.start[which] * rng.normal(size=n).clip(-3, 3)
        self.heading[which] = rng.normal(0, 0.01, n)
        self.speed[which] = rng.uniform(12, 16, n)
        self.steer[which] = 0
        self.gust[which] = self.wind[which] * rng.normal(size=n)
        self.curvature[which] = curvature = draw_roads(n, rng)
        direction = np.cumsum(curvature, axis=1) - curvature
        self.direction[which] = direction
        middle = direction + curvature / 2
        east, north = np.cos(middle), np.sin(middle)
        self.x[which] = np.cumsum(east, axis=1) - east
        self.y[which] = np.cumsum(north, axis=1) - north

    def step(self, actions: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Move all cars by ``DT``, with actions (cars, 2).

        Returns:
            rewards (cars,) and whether each car has left its lane (cars,).
        """
        actions = np.clip(np.nan_to_num(actions), -1, 1).astype(float)
        follows = 1 - np.exp(-DT / np.maximum(self.lag, 1e-6))
        self.steer += follows * (MAX_STEER * actions[:, 0] - self.steer)
        self.speed = np.clip(self.speed + MAX_ACCELERATION * DT * actions[:, 1], 0, MAX_SPEED)
        # Gusts: a random walk that is pulled back to zero, with a memory of one second.
        keeps = np.exp(-DT)
        fresh = rng.normal(size=self.count) * np.sqrt(1 - keeps**2)
        self.gust = keeps * self.gust + self.wind * fresh

        turning = turn_rate(self.speed, self.steer, self.grip())
        heading = self.heading + turning * DT / 2  # in the middle of the step
        bend = self._at(self.curvature, self.along)
        progress = self.speed * np.cos(heading) * DT / (1 - bend * self.offset)
        self.offset = self.offset + (self.speed * np.sin(heading) + self.gust) * DT
        self.heading = self.heading + turning * DT - bend * progress
        self.along = np.minimum(self.along + progress, ROAD - MAP - 1)

        departed = np.abs(self.offset) > EDGE
        good = progress * (1 - (self.offset / EDGE) ** 2)
        return np.where(departed, -DEPARTURE, good), departed

    def grip(self) -> np.ndarray:
        """The friction under each car (cars,), ice included."""
        on_ice = (self.along >= self.ice_at) & (self.along < self.ice_at + self.ice)
        return np.where(on_ice, np.minimum(self.friction, World.ICE_FRICTION), self.friction)

    def observe(self, rng: np.random.Generator) -> np.ndarray:
        """What the cars' cameras and speedometers show, float32 (cars, PIXELS + 1)."""
        middle = self.lane_ahead(ROW_DISTANCES)
        seen = middle[:, None, :] + np.array([EDGE, -EDGE])[:, None]
        place = (1 - seen / ROW_REACH) * COLUMNS / 2 - 0.5
        gap = place[..., None] - np.arange(COLUMNS)
        picture = np.exp(-((gap / LINE_WIDTH) ** 2) / 2).sum(axis=1).reshape(self.count, -1)
        picture += self.noise[:, None] * rng.normal(size=picture.shape)
        return np.column_stack([picture, self.speed / 20]).astype("float32")

    def survey(self) -> np.ndarray:
        """What a map and a surveyor know and no camera, (cars, 6).

        Four times the exact ``lane_ahead`` at ``AHEAD`` (m), the curvature of the sharpest bend
        within ``MAP`` (1/m, left is positive), the speed (m/s).
        """
        coming = self._at(self.curvature, self.along[:, None] + np.arange(0.0, MAP + 1, 5))
        sharpest = np.abs(coming).argmax(axis=1)[:, None]
        bend = np.take_along_axis(coming, sharpest, axis=1)
        return np.column_stack([self.lane_ahead(AHEAD), bend, self.speed])

    def lane_ahead(self, distances: np.ndarray) -> np.ndarray:
        """How far left of a car's axis the lane's middle is, in metres, (cars, distances)."""
        places = self.along[:, None] + distances
        direction = self._at(self.direction, self.along)
        x, y, ahead_x, ahead_y = (
            self._at(road, where) for where in (self.along, places) for road in (self.x, self.y)
        )
        car_x, car_y = x - self.offset * np.sin(direction), y + self.offset * np.cos(direction)
        facing = (direction + self.heading)[:, None]
        dx, dy = ahead_x - car_x[:, None], ahead_y - car_y[:, None]
        return -np.sin(facing) * dx + np.cos(facing) * dy

    def position(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the cars on the map (m), each (cars,)."""
        direction = self._at(self.direction, self.along)
        x, y = self._at(self.x, self.along), self._at(self.y, self.along)
        return x - self.offset * np.sin(direction), y + self.offset * np.cos(direction)

    def _at(self, road: np.ndarray, places: np.ndarray) -> np.ndarray:
        """A quantity of the road between its metres, at places (cars,) or (cars, n)."""
        whole = np.clip(places.astype(int), 0, ROAD - 1)
        rest = np.clip(places - whole, 0, 1)
        rows = np.arange(self.count).reshape(-1, *[1] * (places.ndim - 1))
        return (1 - rest) * road[rows, whole] + rest * road[rows, whole + 1]


def _drawn(value: Range, count: int, rng: np.random.Generator) -> np.ndarray:
    """A number for each car, from a range or everywhere the same."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return rng.uniform(low, high, count)


def turn_rate(speed: np.ndarray, steer: np.ndarray, friction: np.ndarray) -> np.ndarray:
    """How fast cars turn (rad/s): as the wheels point, while the tyres bear the sideways force."""
    most = friction * GRAVITY / np.maximum(speed, 1e-3)
    return np.clip(speed * np.tan(steer) / WHEELBASE, -most, most)


def draw_roads(count: int, rng: np.random.Generator) -> np.ndarray:
    """Curvatures (count, ROAD + 1) in 1/m.

    30 m straight, then pieces of 30 to 80 m, a third of them straight.
    """
    pieces = ROAD // 30 + 1
    lengths = rng.integers(30, 81, (count, pieces))
    bends = rng.uniform(*BEND, (count, pieces)) * rng.choice([-1, 0, 1], (count, pieces))
    lengths[:, 0], bends[:, 0] = 30, 0
    ends = np.cumsum(lengths, axis=1)
    piece = (np.arange(ROAD + 1)[None, :, None] >= ends[:, None, :]).sum(axis=2)
    sharp = np.take_along_axis(bends, np.minimum(piece, pieces - 1), axis=1)
    # No steering wheel jumps: a bend begins and ends over 15 m.
    padded = np.pad(sharp, ((0, 0), (7, 7)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 15, axis=1).mean(axis=2)


def draw(cars: Cars, index: int = 0, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """One car's surroundings from above, its nose up: uint8 (height, width, 3), .5 m a pixel."""
    height, width = size
    forward = (height * 0.8 - np.arange(height)) / 2
    left = (width / 2 - 0.5 - np.arange(width)) / 2
    distances = np.arange(-12, height * 0.4 + 1, 0.5)
    here = np.maximum(cars.along[index] + distances, 0)
    x, y = (np.interp(here, np.arange(ROAD + 1), road[index]) for road in (cars.x, cars.y))
    car_x, car_y = (values[index] for values in cars.position())
    place = int(cars.along[index])
    facing = cars.direction[index, place] + cars.heading[index]
    dx, dy = x - car_x, y - car_y
    ahead, aside = (
        np.cos(facing) * dx + np.sin(facing) * dy,
        np.cos(facing) * dy - np.sin(facing) * dx,
    )
    gaps = (forward[:, None, None] - ahead) ** 2 + (left[None, :, None] - aside) ** 2
    nearest = np.sqrt(gaps.min(axis=2))
    picture = np.full((height, width, 3), (176, 200, 160), "uint8")
    picture[nearest < EDGE] = (96, 96, 96)
    picture[np.abs(nearest - EDGE) < 0.3] = (255, 255, 255)
    is_car = (np.abs(forward[:, None] - 1.2) < 2.2) & (np.abs(left[None, :]) < 0.9)
    picture[is_car] = (213, 94, 0)
    return picture


class LaneKeeping(gym.Env):
    """One car; see the module's text.

    Args:
        world: the physics. None, the default, is ``World()``.
        render_mode: ``"rgb_array"`` for pictures from above. None, the default, renders nothing.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": round(1 / DT)}  # noqa: RUF012, as Gymnasium declares it

    def __init__(self, world: World | None = None, render_mode: str | None = None):
        self.cars = Cars(1, world)
        self.render_mode = render_mode
        self.observation_space = _OBSERVATION
        self.action_space = _ACTION

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, Info]:
        super().reset(seed=seed)
        self.cars.reset(self.np_random)
        return self.cars.observe(self.np_random)[0], {"survey": self.cars.survey()[0]}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, Info]:
        rewards, departed = self.cars.step(np.asarray(action)[None], self.np_random)
        observation = self.cars.observe(self.np_random)[0]
        return (
            observation,
            float(rewards[0]),
            bool(departed[0]),
            False,
            {"survey": self.cars.survey()[0]},
        )

    def render(self) -> np.ndarray | None:
        return draw(self.cars) if self.render_mode == "rgb_array" else None


class LaneKeepingVector(VectorEnv):
    """Many cars in one array, for ``evaluate`` and for learning; see the module's text.

    A car whose episode has ended starts its next one in the next step
    (``AutoresetMode.NEXT_STEP``), whose reward is 0 and whose action has no effect.

    Args:
        num_envs: the number of cars, 1 by default.
        max_episode_steps: the number of steps after which an episode is truncated, by default
            ``STEPS``.
        world: the physics. None, the default, is ``World()``.
        render_mode: ``"rgb_array"`` for pictures from above. None, the default, renders nothing.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012, as Gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / DT),
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = STEPS,
        world: World | None = None,
        render_mode: str | None = None,
    ):
        self.num_envs, self.max_episode_steps = num_envs, max_episode_steps
        self.cars = Cars(num_envs, world)
        self.render_mode = render_mode
        self.single_observation_space = _OBSERVATION
        self.single_action_space = _ACTION
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._elapsed, self._ended = np.zeros(num_envs, int), np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, Info]:
        super().reset(seed=seed)
        self.cars.reset(self.np_random)
        self._elapsed[:], self._ended[:] = 0, False
        return self.cars.observe(self.np_random), {"survey": self.cars.survey()}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Info]:
        starting = self._ended
        rewards, terminated = self.cars.step(np.asarray(actions), self.np_random)
        self._elapsed += 1
        if starting.any():
            self.cars.reset(self.np_random, starting)
            self._elapsed[starting] = 0
            rewards, terminated = np.where(starting, 0.0, rewards), terminated & ~starting
        truncated = (self._elapsed >= self.max_episode_steps) & ~terminated
        self._ended = terminated | truncated
        info = {"survey": self.cars.survey()}
        return self.cars.observe(self.np_random), rewards, terminated, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        if self.render_mode != "rgb_array":
            return None
        return tuple(draw(self.cars, index) for index in range(self.num_envs))


gym.register(
    "course/LaneKeeping-v0",
    entry_point="course.environments:LaneKeeping",
    vector_entry_point="course.environments:LaneKeepingVector",
    max_episode_steps=STEPS,
)
