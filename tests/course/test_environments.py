"""The driving world: its physics against what can be worked out by hand, and Gymnasium's rules."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from course import environments
from course.environments import DT, GRAVITY, WHEELBASE, Cars, LaneKeepingVector, World, turn_rate

STILL = World(noise=0.0, wind=0.0, start=0.0)


def straight(count: int = 3, world: World = STILL) -> tuple[Cars, np.random.Generator]:
    """Cars on straight roads, in the middle of the lane, at 15 m/s."""
    rng, cars = np.random.default_rng(0), Cars(count, world)
    cars.reset(rng)
    for name in ("curvature", "direction", "y", "heading"):
        getattr(cars, name)[:] = 0
    cars.x[:] = np.arange(environments.ROAD + 1)
    cars.speed[:] = 15
    return cars, rng


def drive(cars: Cars, rng: np.random.Generator, action: tuple[float, float], steps: int) -> None:
    for _ in range(steps):
        cars.step(np.tile(action, (cars.count, 1)), rng)


def test_one_car_keeps_gymnasiums_rules():
    check_env(gym.make("course/LaneKeeping-v0").unwrapped, skip_render_check=True)


def test_a_drive_ends_by_time_or_by_departure():
    env = gym.make("course/LaneKeeping-v0", world=STILL)
    env.reset(seed=0)
    ends = [env.step(np.array([1, 0], "float32"))[1:4] for _ in range(40)]
    reward, terminated, truncated = next(end for end in ends if end[1] or end[2])
    assert (reward, terminated, truncated) == (-environments.DEPARTURE, True, False)
    envs = LaneKeepingVector(2, max_episode_steps=5, world=STILL)
    envs.reset(seed=0)
    flags = [envs.step(np.zeros((2, 2)))[2:4] for _ in range(5)]
    assert not any(terminated.any() for terminated, _ in flags)
    assert [truncated.all() for _, truncated in flags] == [False] * 4 + [True]


def test_an_ended_drive_starts_again_in_the_next_step():
    envs = LaneKeepingVector(2, max_episode_steps=3, world=STILL)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(np.zeros((2, 2)))
    _, rewards, terminated, truncated, _ = envs.step(np.zeros((2, 2)))
    assert (rewards == 0).all()
    assert not terminated.any()
    assert not truncated.any()
    assert (envs.cars.along == 0).all()


def test_vector_entry_point_and_determinism():
    def observations(seed):
        envs = gym.make_vec(
            "course/LaneKeeping-v0", num_envs=4, vectorization_mode="vector_entry_point"
        )
        first, _ = envs.reset(seed=seed)
        return np.stack([first] + [envs.step(np.zeros((4, 2)))[0] for _ in range(5)])

    same, again, other = observations(3), observations(3), observations(4)
    assert same.dtype == np.float32
    assert same.shape == (6, 4, environments.PIXELS + 1)
    assert np.array_equal(same, again)
    assert not np.array_equal(same, other)


def test_without_steering_a_car_goes_straight_at_its_speed():
    cars, rng = straight()
    drive(cars, rng, (0, 0), 20)
    assert cars.along == pytest.approx(20 * DT * 15)
    assert cars.offset == pytest.approx(0)


def test_wheels_follow_with_a_lag_of_first_order():
    cars, rng = straight(world=World(noise=0, wind=0, start=0, lag=0.5))
    drive(cars, rng, (0.1, 0), 5)
    assert cars.steer / environments.MAX_STEER == pytest.approx(0.1 * (1 - np.exp(-1)))


def test_turning_is_limited_by_the_tyres():
    slow, fast = turn_rate(np.array([10.0, 30.0]), np.array([0.03, 0.03]), np.array([0.5, 0.5]))
    assert slow == pytest.approx(10 * np.tan(0.03) / WHEELBASE)
    assert fast * 30 == pytest.approx(0.5 * GRAVITY)
    assert turn_rate(np.zeros(1), np.ones(1), np.ones(1)) == pytest.approx(0)


def test_reward_is_metres_in_the_middle_of_the_lane():
    cars, rng = straight()
    cars.offset[:] = [0, 1, -1.999]
    rewards, departed = cars.step(np.zeros((3, 2)), rng)
    assert rewards == pytest.approx(1.5 * np.array([1, 0.75, 0]), abs=0.01)
    assert not departed.any()


def test_roads_bend_as_documented():
    roads = environments.draw_roads(200, np.random.default_rng(0))
    assert roads.shape == (200, environments.ROAD + 1)
    assert np.abs(roads).max() <= environments.BEND[1]
    assert (roads[:, :20] == 0).all()
    assert 0.2 < (roads == 0).mean() < 0.5
    assert abs((roads > 0).mean() - (roads < 0).mean()) < 0.1


def test_the_camera_sees_two_lines_and_noise():
    cars, rng = straight(1)
    picture = cars.observe(rng)[0, :-1].reshape(environments.ROWS, environments.COLUMNS)
    assert np.allclose(picture, picture[:, ::-1], atol=1e-5)
    assert (np.sort(picture, axis=1)[:, -2:] > 0.7).all()
    cars.noise[:] = 0.2
    noisy = np.stack([cars.observe(rng)[0, :-1] for _ in range(50)]) - picture.ravel()
    assert noisy.std() == pytest.approx(0.2, rel=0.05)


def test_a_car_left_of_the_middle_sees_the_lane_to_its_right():
    cars, _ = straight(1)
    cars.offset[:] = 0.5
    assert cars.survey()[0, :4] == pytest.approx([-0.5] * 4)
    cars.curvature[:, 50:60] = -0.01
    assert cars.survey()[0, 4] == -0.01


def test_worlds_are_drawn_from_their_ranges():
    cars = Cars(500, World(friction=(0.4, 1.0), lag=0.3))
    cars.reset(np.random.default_rng(0))
    assert cars.friction.min() > 0.39
    assert cars.friction.max() < 1.01
    assert cars.friction.std() == pytest.approx(0.6 / np.sqrt(12), rel=0.1)
    assert (cars.lag == 0.3).all()


def test_ice_is_where_it_should_be():
    cars, _ = straight(1, World(ice=30))
    cars.ice_at[:] = 100
    grips = []
    for place in (99, 100, 129, 131):
        cars.along[:] = place
        grips.append(cars.grip()[0])
    assert grips == [0.9, World.ICE_FRICTION, World.ICE_FRICTION, 0.9]


def test_pictures_from_above():
    env = gym.make("course/LaneKeeping-v0", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (96, 64, 3)
    assert picture.dtype == np.uint8
    assert (picture == (213, 94, 0)).all(axis=2).sum() > 20
