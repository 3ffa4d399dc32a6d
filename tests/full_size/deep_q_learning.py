"""A stand-in for the emulator of Atari games, with pictures of the same shape and type."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

MODEL, HISTORY = "breakout", "history"
SMALL = {"STEPS": 4, "EXPLORE": 2, "WAIT": 2, "EVERY": 2, "CAPACITY": 20, "BATCH": 2}


class Pictures(VectorEnv):
    """Noise to look at, a point now and then, and the end after 3 steps."""

    metadata: ClassVar = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    folder: ClassVar[Path | None] = None

    def __init__(self, num_envs: int, episodic_life: bool, reward_clipping: bool, **_: object):
        # A test in which the emulator is missing gets another folder.
        if Path(os.environ.get("COURSE_DATA_DIR", "")) != self.folder:
            raise gym.error.Error("There are no games here.")
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
        self.single_action_space = gym.spaces.Discrete(4)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.steps = 0
        return self._look(), {}

    def step(self, actions: np.ndarray):
        assert self.action_space.contains(actions)
        self.steps += 1
        # As the emulator: int32 rewards, and the next step only begins the next episode.
        reward = self.np_random.integers(2, size=self.num_envs).astype("int32")
        terminated = np.full(self.num_envs, self.steps % 4 == 3)
        return self._look(), reward, terminated, np.zeros(self.num_envs, bool), {}

    def _look(self) -> np.ndarray:
        return self.np_random.integers(256, size=self.observation_space.shape, dtype="uint8")


def prepare(folder: Path) -> None:
    """Make the emulator's package and its game known, for the test that has this folder."""
    Pictures.folder = Path(folder)
    sys.modules.setdefault("ale_py", ModuleType("ale_py"))
    if "ALE/Breakout-v5" not in gym.registry:
        gym.register("ALE/Breakout-v5", vector_entry_point=f"{__name__}:Pictures")
