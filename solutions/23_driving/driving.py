# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Driving
#     summary: You clone a driver who leaves the lane, mend it by asking again, let it learn from the consequences, and carry it from a simulation to a world that differs.
#     part: V Reinforcement learning
#     minutes: 70
#     minutes_reading: 13
#     objectives:
#     - train a network to drive by imitation, and measure how its small errors lead where nobody has driven
#     - repair that with labels for the places that it really visits
#     - compute rewards-to-go and the loss of a policy gradient with a baseline
#     - measure what is lost between a simulation and a world that differs, with and without randomised training
#     - write a rule that overrules a network, and say what it saves and what it costs
#     datasets: []
#     full_size: []
#     needs: [01_neurons_and_layers, 22_deep_q_learning]
#     mirrors:
#       "1 Reinforcement Learning: From simulation to the real world": "From the simulation to the road"
#       "2 Deep learning applications: Deep Learning in Transportation": "What a car has to learn"
#       "3 Real-World Use Cases: Autonomous Systems": "What a car has to learn"
#       "4 Specific Applications/Examples of Deep Learning: Self-driving cars": "What a car has to learn"
#     built: a driver that is cloned and asked again where it goes astray, the loss of a policy gradient that makes it faster, and a rule that overrules it before a bend
#     terms:
#       "bicycle model": A car simplified to one front and one rear wheel.
#       "behavioural cloning": Supervised learning of what a driver did from what the driver saw.
#       "distribution shift": A difference between the data that a model learned from and those that it meets.
#       "DAgger, dataset aggregation": Letting the clone act, asking the teacher what to do where it went, and training on all of it.
#       "policy gradient": Changing a policy directly, so that what went better than expected becomes more probable.
#       "reward-to-go": The discounted sum of the rewards from a step on.
#       "baseline (of a policy gradient)": The reward-to-go that was to be expected anyway, which is subtracted.
#       "advantage (of an action)": How much better it went than expected.
#       "REINFORCE": The policy gradient that weighs the logarithm of each action's probability with its advantage.
#       "domain randomisation": Practice in simulations whose numbers are drawn at random.
#       "critic (of a policy)": A network that learns the baseline.
#     explains: [fine-tuning, mean squared error, sample_weight, supervised]
# ---

# %% [markdown]
# # Driving
#
# A pole may fall a thousand times while an agent learns to balance it. A car may not leave its lane once. So cars learn in
# two other places first: from people who can drive, and in simulations, where a crash costs nothing.
#
# You will record a driver and clone them with a network, find that the clone leaves the lane although its test
# error is small, and repair that. Then the network learns by trial and error to drive faster than its teacher, and you take
# it to a road whose grip and steering differ from the simulation's. Reading and running takes about 13 minutes, of which less
# than one is waiting; the four exercises take about an hour.

# %%
import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from course import environments, plots
from course.environments import COLUMNS, PIXELS, ROWS, LaneKeepingVector, World

# %% [markdown]
# This is the car, at four moments of a drive. Above, the road from above; the network never sees that. Below, all that it
# gets: 8 rows of 24 pixels, the road's two painted lines. The uppermost row looks 45 m ahead, the lowest 5 m.

# %% tags=["demo"]
cars, rng = environments.Cars(1), np.random.default_rng(4)
cars.reset(rng)
fig, axes = plt.subplots(2, 4, figsize=(6.4, 4.2), height_ratios=[2.2, 1])
for column in axes.T:
    for _ in range(22):
        sides, ahead = cars.survey()[0, :2]
        cars.step(np.array([[0.31 * sides + 0.39 * (ahead - sides), 0.2]]), rng)
    column[0].imshow(environments.draw(cars))
    picture = cars.observe(rng)[0, :PIXELS].reshape(ROWS, COLUMNS)
    column[1].imshow(picture, cmap="gray", aspect="auto")
    column[0].set_title(f"{cars.along[0]:.0f} m", loc="center")
    for axis in column:
        axis.set_axis_off()
fig.suptitle("The road from above, and what the camera sees of it", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four pictures from above of an orange car on a grey road with white lines that bends to and fro. Below each one a
    coarse grey picture in which two bright lines come nearer to each other upwards and lean with the bend.""",
)

# %% [markdown]
# ## What a car has to learn
#
# To drive is to answer two questions many times a second: what is around me, and what do I do now? For the first a real
# car carries cameras, radar and lidar, which measures distances with light. Networks make a picture of the surroundings from
# them: convolutional ones find lanes, signs, cars and people, and recurrent ones or transformers guess where each of them will be
# in a few seconds. The second question, how to steer and how fast to go, is this lesson's.
#
# It is hard for reasons that do not show in a film of a good drive. The time to answer is a tenth of a second. What matters
# most happens least: the child behind the parked van, the ice in the shade. And every decision changes what the car sees next, so the car makes its
# own test data.

# %% [markdown]
# ## A road, a car, a camera
#
# **Everything here is simulated.** The world is one of our own, `course/LaneKeeping-v0`, an environment for Gymnasium like the pole in
# lesson 22. The road is a row of straights and bends with radii of 71 to 250 m. The car is a *bicycle model*: it turns as its
# front wheel points, at the rate $v \tan(\delta) / L$ with speed $v$, wheel angle $\delta$ and wheelbase $L$, as long as the tyres bear the force. They
# bear a sideways acceleration of friction × 9.81 m/s². The steering follows its command with a lag; gusts of wind push sideways. There is no other
# traffic, nobody on foot, no rain on the lens.
#
# An **action** is two numbers from −1 to 1: steering and pedal, ten times a second. The **reward** is in metres: each metre along the lane counts 1
# in its middle, nothing at its edge, 2 m away. Leaving the lane ends the drive and costs 100 m. A drive takes 15 s, and the sum of its rewards is its **return**. Many cars drive at the same time,
# each on a road of its own.


# %%
def drive(policy, world=None, count=128, seed=0):
    """Drive ``count`` cars for 15 s; a dict of arrays (150, cars, ...), see below.

    ``policy`` maps observations (cars, PIXELS + 1) and surveys (cars, 6) to actions (cars, 2).
    """
    envs = LaneKeepingVector(count, world=world)
    observations, info = envs.reset(seed=seed)
    driving, log = np.ones(count, bool), []
    for _ in range(environments.STEPS):
        row = {"observation": observations, "survey": info["survey"], "driving": driving}
        row["action"] = np.asarray(policy(observations, info["survey"]))
        observations, rewards, terminated, _, info = envs.step(row["action"])
        row["reward"] = rewards * driving
        driving = driving & ~terminated
        log.append(row)
    return {name: np.stack([row[name] for row in log]) for name in log[0]}


def score(log):
    """Mean return (m), and the share of the drives that left the lane."""
    left = (log["reward"] <= -environments.DEPARTURE).any(axis=0)
    return log["reward"].sum(axis=0).mean(), left.mean()


# %% [markdown]
# In what `drive` returns, `driving` tells whether a car was still on its first drive when the step began, `reward` is zero
# afterwards, and `survey` holds what a map and a survey would say and no camera can: the exact position in the lane and the
# bends to come.
#
# ### Two lines of arithmetic drive well
#
# First a driver that learns nothing. From the survey it takes the distance to the lane's middle, and how that
# changes towards a point 12 m ahead; it steers in proportion to both (engineers call this a PD controller, for
# *proportional* and *derivative*). The pedal holds a speed. *How fast can it go before it leaves the lane?*


# %%
def by_rule(survey, speed=15.0):
    """Steer towards the middle of the lane and hold a speed (m/s). Actions (cars, 2)."""
    aside, ahead = survey[:, 0], survey[:, 1]
    steering = 0.31 * aside + 0.39 * (ahead - aside)
    pedal = 0.5 * (speed - survey[:, -1])
    return np.column_stack([steering, pedal]).clip(-1, 1).astype("float32")


def rule_at(speed):
    """The rule as a policy for ``drive``."""
    return lambda observations, survey: by_rule(survey, speed)


# %% tags=["demo", "nbval-check-output"]
rules = {speed: score(drive(rule_at(speed), seed=1)) for speed in (15, 20, 24, 26, 28)}
# 20 draws of roads: 221, 290, 339 and 350 to 360 m; at 26 m/s .008 to .047 leave the lane, at 28 .27 to .40.
for speed, least in ((15, 210), (20, 280), (24, 330), (26, 340)):
    metres, left = rules[speed]
    print(f"{speed} m/s, more than {least} m: {metres > least}, ", end="")
    print(f"leaves the lane in less than 8 of 100: {left < 0.08}")
print("28 m/s, less far than at 26:", rules[28][0] < rules[26][0], end=", ")
print("leaves the lane in more than 15 of 100:", rules[28][1] > 0.15)
fastest = np.sqrt(World().friction * environments.GRAVITY / environments.BEND[1])
print(f"the tyres hold the sharpest bend up to {fastest:.0f} m/s")

# %% [markdown]
# With one number tuned, the rule does very well. It fails where the tyres do: a little above 25 m/s the sharpest bends need more sideways force than
# they have. At 26 m/s the width of the lane still hides most of that, at 28 no longer.
# Keep these lines in mind: whatever the networks learn, they see a coarse picture and no survey, but the rule is the score to beat.
# One takes a network where no survey exists, and where there is more than two lines to look at.

# %% [markdown]
# ## Imitation: learn from someone who can
#
# We record a careful driver, here the rule at 15 m/s: 12 drives of 15 s on a calm day. What the camera saw is the input, what the driver
# did is the target. That is plain supervised learning, called **behavioural cloning**. In 1989 ALVINN, a network with a single hidden layer of 29 units, steered a van that way.


# %%
def network(seed=0):
    """A policy: from camera picture and speed to steering and pedal."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((PIXELS + 1,))
    x = layers.Dense(64, activation="relu")(inputs)
    x = layers.Dense(64, activation="relu")(x)
    outputs = layers.Dense(2, dtype="float32", name="action")(x)
    return keras.Model(inputs, outputs)


def camera_driver(model):
    """A Keras model as a policy for ``drive``; it does not look at the survey."""
    forward = tf.function(model, autograph=False)
    return lambda observations, survey: forward(observations).numpy()


CALM = World(wind=0.1, start=0.05)


# %% tags=["demo"]
def labelled(log):
    """What the cars saw while they drove, and what the careful driver would have done there."""
    kept = log["driving"]
    return log["observation"][kept], by_rule(log["survey"][kept])


def clone_driver(seed=0):
    """A network trained on 12 recorded drives, and the recording."""
    seen, answers = labelled(drive(rule_at(15), CALM, 12, seed=100 + seed))
    model = network(seed)
    model.compile(keras.optimizers.Adam(1e-3), loss="mse")
    model.fit(seen, answers, batch_size=64, epochs=20, verbose=0)
    return model, seen, answers


clone, seen, answers = clone_driver()

# %% [markdown]
# Two tests. First the usual one: new drives of the same driver, and how far the clone's answers are from theirs, as a mean squared error. Then
# the clone drives itself, on a normal day with more wind. *Will the second go as well as the first?*


# %% tags=["demo"]
def error(model, log):
    """Mean squared difference from the careful driver, in the places of a log."""
    places, right = labelled(log)
    return np.mean((np.asarray(camera_driver(model)(places, None)) - right) ** 2)


test_error = error(clone, drive(rule_at(15), CALM, seed=2))
clone_calm, clone_log = (drive(camera_driver(clone), world, seed=3) for world in (CALM, World()))
own_error = error(clone, clone_calm)
clone_metres, clone_left = score(clone_log)
print(f"mean squared error: in the teacher's places {test_error:.3f}, in its own {own_error:.3f}")
print(f"on a normal day the clone leaves the lane in {clone_left:.0%} of its drives")

# %% tags=["demo", "nbval-check-output"]
# 27 seeds: test error .008 to .013, its own 18 to 29 times as large; leaves the lane in .06 to .46 (mean .27).
print("test error below .02:", test_error < 0.02)
print(
    "error where it drives itself, on the same calm day, more than 8 times as large:",
    own_error > 8 * test_error,
)
print("leaves the lane, in more than 3 of 100 drives:", clone_left > 0.03)
print("the careful driver, in none of them:", score(drive(rule_at(15), seed=3))[1] == 0)

# %% [markdown]
# ### One small error leads to the next
#
# The clone's answers are nearly right *in the places where its teacher drives*. But it is never exactly there. A small error moves the
# car a little aside; there the lines fall on pixels that were dark in the whole recording, or the speed is one that never occurred; the next answer is a little
# worse; and so on. The data of a test like the first one come from the teacher's drives, the data of the street from its own. This is a
# **distribution shift**, and one that the clone makes itself. With a chance $\epsilon$ of an error at each of $T$ steps, the cost of
# drifting off can grow like $\epsilon T^2$, and not like $\epsilon T$: each of the $\epsilon T$ errors may spoil all the steps that remain.
#
# More recordings of good driving help less than one would think, as we shall measure: a good driver seldom shows how to get back. What helps more is to ask the driver about the places where the *clone* goes. That is
# **DAgger**, for *dataset aggregation*: let the clone drive, have the driver say what they would have done in each place that it visited, add those to the
# data, train on all of it, and do it again.
#
# ### Exercise 1: ask about the places where it goes
#
# Complete `aggregate(seen, answers, log)`, which makes the data for the next round: a pair (observations, actions).
#
# - `seen` (n, PIXELS + 1) and `answers` (n, 2) are the data so far. They stay, at the beginning.
# - `log` is what `drive` returned when the clone drove: `log["observation"]` (steps, cars, PIXELS + 1), `log["survey"]` (steps, cars, 6), `log["action"]` (steps, cars, 2),
#   `log["driving"]` (steps, cars), bool. Steps that are not `driving` belong to no drive and must not be used; all others count, also those where the clone did the right thing.
# - the driver is `by_rule(survey)`, which takes (n, 6) and returns (n, 2).
# - leave `log` as it is: whoever reads a recording should not change it.


# %% grade_id="aggregate" solution=true
def aggregate(seen, answers, log):
    """The data so far, and all places of a log with the driver's answers."""
    ### BEGIN SOLUTION
    kept = log["driving"]
    new_seen, new_answers = log["observation"][kept], by_rule(log["survey"][kept])
    return np.concatenate([seen, new_seen]), np.concatenate([answers, new_answers])
    ### END SOLUTION


# %% grade_id="aggregate_form" points=1
rng = np.random.default_rng(0)
small = {
    "observation": rng.normal(size=(3, 2, PIXELS + 1)).astype("float32"),
    "survey": rng.normal(size=(3, 2, 6)),
    "action": rng.normal(size=(3, 2, 2)).astype("float32"),
    "driving": np.array([[True, True], [True, False], [True, False]]),
}
before = np.ones((5, PIXELS + 1), "float32"), np.zeros((5, 2), "float32")
result = aggregate(*before, small)
assert len(result) == 2, f"Return a pair (observations, actions); got {len(result)} values."
shapes = [np.shape(part) for part in result]
assert shapes == [(9, PIXELS + 1), (9, 2)], (
    f"5 examples so far and 4 steps that count make shapes {[(9, PIXELS + 1), (9, 2)]}; got {shapes}."
)
assert all(np.isfinite(part).all() for part in result), "Some of what you return is not a number."

# %% grade_id="aggregate_values" points=1
# Hidden tests: is the old data kept, and the log, and does every place of the drives appear once?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
log = {"observation": rng.normal(size=(7, 4, PIXELS + 1)).astype("float32")}
log |= {"survey": rng.normal(size=(7, 4, 6)), "action": rng.normal(size=(7, 4, 2))}
log["driving"] = np.arange(7)[:, None] < np.array([7, 2, 5, 1])
log["action"][::2] = by_rule(log["survey"][::2].reshape(-1, 6)).reshape(4, 4, 2)
old = rng.normal(size=(6, PIXELS + 1)), rng.normal(size=(6, 2))
recorded = {name: values.copy() for name, values in log.items()}
places, actions = (np.asarray(part, float) for part in aggregate(*old, log))
changed = [name for name in recorded if not np.array_equal(log[name], recorded[name])]
assert not changed, f"The log should stay as it was recorded; changed: {', '.join(changed)}."
assert len(places) == len(actions) == 21, (
    f"6 examples and 15 steps that count, also those where clone and driver agree, make 21; got {len(places)} places, "
    f"{len(actions)} actions."
)
unchanged = [np.allclose(places[:6], old[0]), np.allclose(actions[:6], old[1])]
assert all(unchanged), (
    "The data so far should stand at the beginning; what is left out is forgotten."
)
visited = np.sort(log["observation"][log["driving"]][:, 0])
assert np.allclose(np.sort(places[6:, 0]), visited, atol=1e-5), (
    "The places added should be those that a car visited while it was driving, each once."
)
### END HIDDEN TESTS

# %% grade_id="aggregate_labels" points=2
# Hidden tests: whose answers are they, and do they belong to their places?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(2)
for steps, count in [(4, 3), (7, 1), (2, 5)]:
    log = {"observation": rng.normal(size=(steps, count, PIXELS + 1)).astype("float32")}
    log |= {"survey": rng.normal(size=(steps, count, 6))}
    log |= {"action": rng.normal(size=(steps, count, 2))}
    log["driving"] = np.ones((steps, count), bool)
    old = rng.normal(size=(6, PIXELS + 1)), rng.normal(size=(6, 2))
    places, actions = (np.asarray(part, float) for part in aggregate(*old, log))
    added = steps * count
    assert len(places) >= added, f"{added} places were visited; got {len(places)} examples."
    right = by_rule(log["survey"].reshape(-1, 6))
    gaps = np.abs(log["observation"].reshape(-1, 1, PIXELS + 1) - places[-added:]).max(axis=2)
    answer = actions[-added:][gaps.argmin(axis=1)]
    at = int(np.abs(answer - right).sum(axis=1).argmax())
    assert np.allclose(answer, right, atol=1e-4), (
        f"For one of the visited places the driver says {right[at].round(2)}; your data say {answer[at].round(2)}. "
        "Who is asked, and about which place?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The new places get the clone's own actions as labels, so it is taught to repeat its mistakes.
def aggregate(seen, answers, log):
    kept = log["driving"]
    return np.concatenate([seen, log["observation"][kept]]), np.concatenate(
        [answers, log["action"][kept]]
    )


# %% tags=["misconception"]
# The new data replace the old, so what the recording taught is forgotten.
def aggregate(seen, answers, log):
    kept = log["driving"]
    return log["observation"][kept], by_rule(log["survey"][kept])


# %% tags=["misconception"]
# Steps after the end of a drive are added too, which belong to no drive.
def aggregate(seen, answers, log):
    survey = log["survey"].reshape(-1, 6)
    places = log["observation"].reshape(len(survey), -1)
    return np.concatenate([seen, places]), np.concatenate([answers, by_rule(survey)])


# %% tags=["misconception"]
# Observations are listed car by car and answers step by step, so that they do not belong together.
def aggregate(seen, answers, log):
    places = np.swapaxes(log["observation"], 0, 1)[log["driving"].T]
    new_answers = by_rule(log["survey"][log["driving"]])
    return np.concatenate([seen, places]), np.concatenate([answers, new_answers])


# %% tags=["misconception"]
# Steps without a drive are set to zero in the log itself: the right data come out, and the recording is spoilt for whoever reads it next.
def aggregate(seen, answers, log):
    kept = log["driving"]
    for name in ("observation", "survey", "action"):
        log[name][~kept] = 0
    new_seen, new_answers = log["observation"][kept], by_rule(log["survey"][kept])
    return np.concatenate([seen, new_seen]), np.concatenate([answers, new_answers])


# %% tags=["misconception"]
# Only the places where the clone was wrong are added, so the data hold mostly emergencies.
def aggregate(seen, answers, log):
    kept = log["driving"]
    places, right = log["observation"][kept], by_rule(log["survey"][kept])
    wrong = np.abs(log["action"][kept] - right).max(axis=1) > 0.05
    return np.concatenate([seen, places[wrong]]), np.concatenate([answers, right[wrong]])


# %% tags=["alternative"]
# A loop over the cars.
def aggregate(seen, answers, log):
    places, labels = [seen], [answers]
    for car in range(log["driving"].shape[1]):
        kept = log["driving"][:, car]
        places.append(log["observation"][kept, car])
        labels.append(by_rule(log["survey"][kept, car]))
    return np.vstack(places), np.vstack(labels)


# %% [markdown]
# Four rounds of 12 drives each, twelve minutes of driving in all. *Does the share of drives that leave the lane fall with the first round, or only later?* One line a round will tell.


# %% tags=["demo"]
def mend(model, seen, answers, rounds=4, seed=0):
    """DAgger: the model drives, the careful driver comments, the model is trained on all of it."""
    for turn in range(rounds):
        log = drive(camera_driver(model), World(), 12, seed=1_000 * (turn + 1) + seed)
        places, right = labelled(log)
        seen, answers = np.concatenate([seen, places]), np.concatenate([answers, right])
        model.fit(seen, answers, batch_size=64, epochs=8, verbose=0)
        metres, left = score(drive(camera_driver(model), count=64, seed=3))
        print(f"round {turn + 1}: {metres:.0f} m, leaves the lane in {left:.0%}")


student = keras.models.clone_model(clone)
student.set_weights(clone.get_weights())
student.compile(keras.optimizers.Adam(1e-3), loss="mse")
mend(student, seen, answers)
student_log = drive(camera_driver(student), seed=3)

# %% tags=["demo", "nbval-check-output"]
# 27 seeds: leaves the lane in 0 to .016, 214 to 224 m.
student_metres, student_left = score(student_log)
print("leaves the lane less than half as often as the clone:", student_left < clone_left / 2)
print("and in less than 3 of 100 drives:", student_left < 0.03)
print(
    f"the careful driver, {rules[15][0]:.0f} m; the student within 15 m of it:",
    abs(student_metres - rules[15][0]) < 15,
)


# %% tags=["demo"]
def draw_offsets(axis, log, title, shown=60):
    """Each car's distance from the middle of its lane over time."""
    aside = -log["survey"][:, :shown, 0]
    seconds = np.arange(environments.STEPS) * environments.DT
    for car in range(shown):
        kept = log["driving"][:, car]
        gone = not kept.all()
        color, width = (plots.VERMILION, 1.5) if gone else (plots.SKY, 0.7)
        axis.plot(seconds[kept], aside[kept, car], color=color, lw=width, zorder=2 + gone)
        if gone:
            axis.plot(seconds[kept][-1], np.sign(aside[kept, car][-1]) * 2, "x", color=plots.BLACK)
    for edge in (-2, 2):
        axis.axhline(edge, color=plots.BLACK, lw=3)
    axis.set(xlabel="time (s)", ylim=(-2.3, 2.3), xlim=(0, 15))
    axis.set_title(title, fontsize=11)


# %% tags=["demo", "thumbnail"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
draw_offsets(axes[0], clone_log, "trained on good driving only")
draw_offsets(axes[1], student_log, "after four rounds of questions")
axes[0].set_ylabel("left of the lane's middle (m)")
fig.suptitle(
    "The clone drifts off, and nobody has shown it how to get back", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="""Two charts of the distance from the middle of the lane over 15 seconds, 60 cars each, between two thick black lines
    at 2 m. Left, after training on good driving only, several red lines wander off and end in a cross on the edge of the lane.
    Right, after four rounds of questions, nearly all lines stay near the middle.""",
)

# %% [markdown]
# The left half is what a test error cannot see. Or was it a matter of more data? So a third network gets as many drives in the same wind, recorded from the careful driver: five times the first recording, and nothing that the clone ran into.

# %% tags=["demo"]
patient = network()
patient.compile(keras.optimizers.Adam(1e-3), loss="mse")
places, right = labelled(drive(rule_at(15), World(), 48, seed=500))
places, right = np.concatenate([seen, places]), np.concatenate([answers, right])
patient.fit(places, right, batch_size=64, epochs=12, verbose=0)
patient_left = score(drive(camera_driver(patient), seed=3))[1]
print(f"leaves the lane: clone {clone_left:.0%}, five times the data {patient_left:.0%}, ", end="")
print(f"as much data from its own drives {student_left:.0%}")

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: five times the data .008 to .15 (mean .06).
print("five times the data, fewer departures than the clone:", patient_left < clone_left)
fewer = student_left < max(patient_left, 0.012)
print("its own drives with answers, fewer still or at most 1 in 100:", fewer)

# %% [markdown]
# More of the same does help; the drives of its own help more. Two notes on honesty. A person can hardly say what they *would have* done in a car that somebody else
# steers, so real projects make the recovery data in other ways: two more cameras, mounted further left and right, whose pictures get a corrected answer (NVIDIA, 2016), or disturbances while a person drives.
# And our driver reads a survey that the camera lacks, as a safety driver reads the world better than a lens.

# %% [markdown]
# ## Learning from the consequences
#
# The student drives at 15 m/s because its teacher did. Now it shall find out by itself what is good, as in lesson 22; but steering is not a choice among a few actions, so a table of
# their values will not do. A **policy gradient** changes the policy directly. Let it act a little at random: to the network's answer $\mu$ we add
# noise with standard deviation $\sigma$, .1 for the steering and .3 for the pedal. Some of these random deviations turn out well and some badly. Then: *make what went better than expected more probable, and what went worse less.*
#
# ### Exercise 2: what came of it
#
# How good was an action? It can only have changed what came after it. Its **reward-to-go** is the discounted sum of the rewards from its
# step on:
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2 r_{t+2} + \ldots$$
#
# Complete `to_go(rewards, discount)` for rewards of shape (steps, cars), which may be whole numbers. Return $G$, of the same shape. (Rewards after the end of a drive are zero already.)


# %% grade_id="to_go" solution=true
def to_go(rewards, discount):
    """Discounted sums of rewards from each step on, (steps, cars)."""
    ### BEGIN SOLUTION
    sums, following = np.zeros(rewards.shape), 0.0
    for step in reversed(range(len(rewards))):
        following = rewards[step] + discount * following
        sums[step] = following
    return sums
    ### END SOLUTION


# %% grade_id="to_go_form" points=1
result = np.asarray(to_go(np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 8.0]]), 0.5))
assert result.shape == (3, 2), f"As many numbers as rewards, shape (3, 2); got {result.shape}."
assert np.allclose(result[2], [4, 8]), (
    f"After the last step nothing comes any more, so its own rewards 4 and 8 remain; got {result[2]}."
)
assert np.allclose(result[1], 4), (
    f"A step earlier 2 and half of 4 make 4, and 0 and half of 8 make 4 too; got {result[1]}."
)

# %% grade_id="to_go_values" points=2
# Hidden tests: random rewards of several cars, several discounts.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(2)
for steps, count, discount in [(3, 2, 0.5), (6, 1, 0.9), (5, 4, 1.0), (4, 3, 0.0)]:
    rewards = rng.normal(1, 2, (steps, count)).round(1)
    result = np.asarray(to_go(rewards.copy(), discount), float)
    for step in range(steps):
        powers = discount ** np.arange(steps - step)
        want = powers @ rewards[step:]
        assert np.allclose(result[step], want), (
            f"rewards of the first car {rewards[:, 0].tolist()}, discount {discount}, step {step}: expected "
            f"{want[0]:.3f}, got {result[step, 0]:.3f}. Which rewards can this action have changed, and how much does each count?"
        )
### END HIDDEN TESTS

# %% grade_id="to_go_whole" points=1
# Hidden tests: rewards that are whole numbers.
### BEGIN HIDDEN TESTS
result = np.asarray(to_go(np.array([[1, 0], [3, 2], [2, 1]]), 0.5), float)
assert np.allclose(result, [[3, 1.25], [4, 2.5], [2, 1]]), (
    "Whole rewards 1, 3, 2 of one car and 0, 2, 1 of another, discount .5: expected 3, 4, 2 and 1.25, 2.5, 1; got "
    f"{result[:, 0].tolist()} and {result[:, 1].tolist()}. What type of number does your array hold?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Every step gets the return of the whole drive, although an action cannot change what came before it.
def to_go(rewards, discount):
    powers = discount ** np.arange(len(rewards))
    return np.tile(powers @ rewards, (len(rewards), 1))


# %% tags=["misconception"]
# The sums run forward in time and add up what came before the action.
def to_go(rewards, discount):
    sums, so_far = np.zeros(rewards.shape), 0.0
    for step in range(len(rewards)):
        so_far = rewards[step] + discount * so_far
        sums[step] = so_far
    return sums


# %% tags=["misconception"]
# Rewards are discounted by the time since the start of the drive, so late actions hardly count.
def to_go(rewards, discount):
    weighted = rewards * (discount ** np.arange(len(rewards)))[:, None]
    return np.cumsum(weighted[::-1], axis=0)[::-1]


# %% tags=["misconception"]
# An action's own reward is left out, or discounted as if it came a step later.
def to_go(rewards, discount):
    sums, following = np.zeros(rewards.shape), 0.0
    for step in reversed(range(len(rewards))):
        following = discount * (rewards[step] + following)
        sums[step] = following
    return sums


# %% tags=["misconception"]
# Nothing is discounted: a reward at the end counts as much as the next one.
def to_go(rewards, discount):
    return np.cumsum(rewards[::-1], axis=0)[::-1]


# %% tags=["misconception"]
# An array made like the rewards holds whole numbers where these are whole, and cuts off what the discount leaves behind the point.
def to_go(rewards, discount):
    sums, following = np.zeros_like(rewards), 0.0
    for step in reversed(range(len(rewards))):
        following = rewards[step] + discount * following
        sums[step] = following
    return sums


# %% tags=["misconception"]
# The sum stops after the terms that the formula spells out.
def to_go(rewards, discount):
    sums = np.array(rewards, float)
    sums[:-1] += discount * rewards[1:]
    sums[:-2] += discount**2 * rewards[2:]
    return sums


# %% tags=["alternative"]
# A matrix of powers of the discount, times the rewards.
def to_go(rewards, discount):
    steps = np.arange(len(rewards))
    delay = steps[None, :] - steps[:, None]
    return np.where(delay >= 0, float(discount) ** np.maximum(delay, 0), 0.0) @ rewards


# %% [markdown]
# ### Exercise 3: better than expected
#
# All rewards-to-go are positive as long as nobody leaves the lane. Made more probable in that proportion, everything would become more probable, and the
# small differences that matter would drown. So one subtracts a **baseline**, what was to be expected at that step anyway: here the mean
# reward-to-go of all cars that were still driving at the same step. What remains is the **advantage**. The loss is
#
# $$\mathcal{L} = -\frac{1}{N} \sum_{t, i\ \text{driving}} \log \pi(a_{t,i}) \cdot \big(G_{t,i} - b_t\big)$$
#
# where $\log \pi(a_{t,i})$ is the logarithm of the probability density with which the policy chose the action of car $i$ at step $t$, $b_t$ is the baseline, and $N$ is the number of
# terms in the sum. The method is called **REINFORCE** (Williams, 1992).
#
# Complete `policy_loss(log_probs, returns, driving)`; all three have shape (steps, cars), `driving` is bool, `returns` holds $G$. Return one number. There may be steps
# in which no car drives any more.


# %% grade_id="policy_loss" solution=true
def policy_loss(log_probs, returns, driving):
    """The loss of REINFORCE with the mean of the cars that drive as a baseline."""
    ### BEGIN SOLUTION
    counts = np.maximum(driving.sum(axis=1, keepdims=True), 1)
    baseline = (returns * driving).sum(axis=1, keepdims=True) / counts
    advantages = (returns - baseline) * driving
    return -(log_probs * advantages).sum() / driving.sum()
    ### END SOLUTION


# %% grade_id="policy_loss_form" points=1
everyone = np.ones((2, 2), bool)
result = policy_loss(np.log([[0.5, 0.5], [0.5, 0.5]]), np.array([[3.0, 1.0], [8.0, 2.0]]), everyone)
assert np.ndim(result) == 0, f"Return one number; got shape {np.shape(result)}."
assert np.isclose(float(result), 0, atol=1e-4), (
    f"All actions equally probable, advantages 1, -1, 3, -3: the terms cancel and the loss is 0; got {float(result):.3f}."
)

# %% grade_id="policy_loss_values" points=2
# Hidden tests: every car drives; one chance or one return changes.
### BEGIN HIDDEN TESTS
logs = np.array([[-1.0, -3.0], [-2.0, -2.0]])
got = float(policy_loss(logs, np.array([[5.0, 1.0], [4.0, 4.0]]), everyone))
assert np.isclose(got, -1.0, atol=1e-4), (
    "Of two cars the one with the likelier action (log -1) got 5, the other (log -3) got 1; the mean is 3, the advantages are 2 and "
    f"-2, and the second step adds nothing: -(-1 · 2 + -3 · -2) / 4 = -1. Got {got:.3f}."
)
rng = np.random.default_rng(3)
logs, returns = rng.normal(-1, 1, (5, 4)), rng.normal(20, 5, (5, 4))
all_drive = np.ones((5, 4), bool)
base = float(policy_loss(logs, returns, all_drive))
want = -np.mean(logs * (returns - returns.mean(axis=1, keepdims=True)))
assert np.isclose(base, want, atol=1e-3), (
    f"Five steps, four cars, all driving: expected {want:.3f}, got {base:.3f}."
)
shifted = float(policy_loss(logs, returns + np.arange(5.0)[:, None], all_drive))
assert np.isclose(shifted, base, atol=1e-3), (
    f"If all cars get more at the same step, nobody did better than expected: the loss should stay {base:.3f}; got {shifted:.3f}."
)
### END HIDDEN TESTS

# %% grade_id="policy_loss_ended" points=2
# Hidden tests: some drives have ended, and in the last step nobody drives.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
logs, returns = rng.normal(-1, 1, (6, 5)), rng.normal(20, 5, (6, 5))
ends = np.array([2, 5, 3, 5, 1])
driving = np.arange(6)[:, None] < ends
returns = np.where(driving, returns, 0)
want, terms = 0.0, driving.sum()
for step in range(5):
    kept = driving[step]
    want -= (logs[step, kept] * (returns[step, kept] - returns[step, kept].mean())).sum() / terms
with np.errstate(invalid="ignore", divide="ignore"):
    got = float(policy_loss(logs, returns, driving))
assert np.isfinite(got), (
    f"In the last step no car drives; the loss should be {want:.3f}, got {got}."
)
assert np.isclose(got, want, atol=1e-3), (
    f"Drives end after {ends.tolist()} steps: expected {want:.3f}, got {got:.3f}. Who belongs to the mean at a step, and over how many "
    f"terms is the loss averaged?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# No baseline is subtracted, so everything that earns anything becomes more probable.
def policy_loss(log_probs, returns, driving):
    return -(log_probs * returns * driving).sum() / driving.sum()


# %% tags=["misconception"]
# The sign is wrong: gradient descent would make good actions less probable.
def policy_loss(log_probs, returns, driving):
    counts = np.maximum(driving.sum(axis=1, keepdims=True), 1)
    baseline = (returns * driving).sum(axis=1, keepdims=True) / counts
    return (log_probs * (returns - baseline) * driving).sum() / driving.sum()


# %% tags=["misconception"]
# The baseline is one mean over all steps, although less is to come at late steps than at early ones.
def policy_loss(log_probs, returns, driving):
    baseline = (returns * driving).sum() / driving.sum()
    return -(log_probs * (returns - baseline) * driving).sum() / driving.sum()


# %% tags=["misconception"]
# Cars whose drive has ended count in the mean with their zeros, so whoever still drives looks good.
def policy_loss(log_probs, returns, driving):
    advantages = (returns - returns.mean(axis=1, keepdims=True)) * driving
    return -(log_probs * advantages).sum() / driving.sum()


# %% tags=["misconception"]
# The sum is divided by all steps of all cars, also those in which nobody drove.
def policy_loss(log_probs, returns, driving):
    counts = np.maximum(driving.sum(axis=1, keepdims=True), 1)
    baseline = (returns * driving).sum(axis=1, keepdims=True) / counts
    return -np.mean(log_probs * (returns - baseline) * driving)


# %% tags=["misconception"]
# The baseline is each car's own mean over time, and not what the other cars had at that step.
def policy_loss(log_probs, returns, driving):
    counts = np.maximum(driving.sum(axis=0), 1)
    baseline = (returns * driving).sum(axis=0) / counts
    return -(log_probs * (returns - baseline) * driving).sum() / driving.sum()


# %% tags=["misconception"]
# The mean is taken over the cars that drive, but the sum runs over those that have ended too.
def policy_loss(log_probs, returns, driving):
    counts = np.maximum(driving.sum(axis=1, keepdims=True), 1)
    baseline = (returns * driving).sum(axis=1, keepdims=True) / counts
    return -(log_probs * (returns - baseline)).sum() / driving.sum()


# %% tags=["alternative"]
# A loop over the steps, leaving out those without cars.
def policy_loss(log_probs, returns, driving):
    total = 0.0
    for logs, sums, kept in zip(log_probs, returns, driving, strict=True):
        if kept.any():
            total += (logs[kept] * (sums[kept] - sums[kept].mean())).sum()
    return -total / np.count_nonzero(driving)


# %% tags=["alternative"]
# In Keras operations, through which a gradient can flow.
def policy_loss(log_probs, returns, driving):
    ops = keras.ops
    mask = ops.cast(driving, "float32")
    logs, sums = ops.cast(log_probs, "float32"), ops.cast(returns, "float32")
    mean = ops.sum(sums * mask, 1, keepdims=True) / ops.maximum(ops.sum(mask, 1, keepdims=True), 1)
    return -ops.sum(logs * (sums - mean) * mask) / ops.sum(mask)


# %% [markdown]
# ### The same loss, seen as imitation
#
# For noise of a bell curve, $\log \pi(a) = -\tfrac12 \sum \big((a - \mu)/\sigma\big)^2$ plus a constant. Put into the loss, that is *a squared error between what the network says and what it
# did, weighted by the advantage*: the network imitates itself, its good moments with a positive weight and its bad ones with a negative one. So no loop of our own
# is needed: Keras takes the weights as `sample_weight`, and scales the loss by itself under mixed precision. Advantages are divided by
# their standard deviation, so that the size of a step does not depend on the unit of the reward.

# %% tags=["demo"]
from tqdm import tqdm

SIGMA = np.array([0.1, 0.3], "float32")


def noisy(model, rng, sigma):
    """The model as a policy that tries something a little different each time."""
    drives = camera_driver(model)

    def policy(observations, survey):
        right = drives(observations, survey)
        return right + sigma * rng.normal(size=right.shape).astype("float32")

    return policy


# %% tags=["demo"]
def advantages_of(log, discount=0.98):
    """How much better than the other cars at that step, in standard deviations."""
    sums, following = np.zeros(log["reward"].shape), 0.0
    for step in reversed(range(len(sums))):
        sums[step] = following = log["reward"][step] + discount * following
    kept = log["driving"]
    counts = np.maximum(kept.sum(axis=1, keepdims=True), 1)
    above = (sums - (sums * kept).sum(axis=1, keepdims=True) / counts) * kept
    return (above / above[kept].std()).astype("float32")


def copy_of(model):
    """A second model with the same weights."""
    twin = network()
    twin.set_weights(model.get_weights())
    return twin


# %% tags=["demo"]
def practise(model, world, rounds, count=64, seed=0, sigma=SIGMA, title="Practising"):
    """Improve a model by REINFORCE. Returns mean return, departures and speed of each round."""

    def surprise(did, says):
        return keras.ops.sum(keras.ops.square((did - says) / sigma), axis=-1) / 2

    model.compile(keras.optimizers.Adam(3e-4), loss=surprise)
    policy, history = noisy(model, np.random.default_rng(seed), sigma), []
    for turn in tqdm(range(rounds), desc=title, delay=2, leave=False):
        log = drive(policy, world, count, seed=10_000 * (seed + 1) + turn)
        model.train_on_batch(
            log["observation"].reshape(-1, PIXELS + 1),
            log["action"].reshape(-1, 2),
            sample_weight=advantages_of(log).ravel(),
        )
        history.append((*score(log), 20 * log["observation"][log["driving"]][:, -1].mean()))
    return np.array(history)


# %% [markdown]
# Twenty-two rounds of 64 drives: almost six hours of driving in a few seconds. *The return pays metres and punishes departures. What will it do with the speed?*

# %% tags=["demo"]
racer = copy_of(student)
history = practise(racer, World(), rounds=22)
racer_metres, racer_left = score(drive(camera_driver(racer), seed=1))
print(
    f"{racer_metres:.0f} m, leaves the lane in {racer_left:.0%}; its teacher {rules[15][0]:.0f} m"
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: 318 to 362 m, speed at the end 20.4 to 24.2 m/s; the tuned rule 359 m, on other roads 354 to 362 m.
print("more metres than its teacher, by more than 50:", racer_metres > rules[15][0] + 50)
print("faster than 18 m/s at the end of practice:", history[-5:, 2].mean() > 18)
best_rule = max(metres for metres, _ in rules.values())
print("beats the rule with its speed tuned by more than 30 m:", racer_metres > best_rule + 30)

# %% tags=["demo"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4))
left.plot(1 + np.arange(22), history[:, 0], color=plots.BLUE)
for speed, color in ((15, plots.GREEN), (24, plots.ORANGE)):
    left.axhline(rules[speed][0], color=color, ls="--")
    place = {"x": 22, "ha": "right", "y": rules[speed][0] - 6, "va": "top"}
    if speed == 24:
        place = {"x": 0.6, "ha": "left", "y": rules[speed][0] + 6, "va": "bottom"}
    left.text(s=f"rule at {speed} m/s", fontsize=10, **place)
left.set(xlabel="rounds of practice", ylabel="return (m), with noise", ylim=(0, 390))
right.plot(1 + np.arange(22), 100 * history[:, 1], color=plots.VERMILION)
right.set(xlabel="rounds of practice", ylabel="drives that leave the lane (%)", ylim=(0, None))
fig.suptitle("It learns to go faster, until the tyres set a limit", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Left, the return over 22 rounds of practice: it starts near the rule at 15 m/s and climbs towards the rule at 24 m/s.
    Right, the share of drives that leave the lane while practising: zero for most of the time, with the first departures appearing at the end, when it is fast.""",
)

# %% [markdown]
# It has found by trial that metres pay, and it goes about as fast as the tyres allow. Nobody told it to. More practice gained little in the few longer runs that we tried: it then drives at the limit, where a little noise decides
# between a record and a departure. And the rule with one tuned number does as well, with far less effort. Where a survey exists, take the rule. What learning has to offer is that it needed the camera and a reward and nothing else.

# %% [markdown]
# ## From the simulation to the road
#
# Models trained in a virtual world are taken to a real one, and tuned there on a little real driving. We have no real car. Our "road" is the same simulation with other
# numbers: what this can show is how a policy bears a difference of a *known kind*; a true road differs in ways nobody has listed.

# %% tags=["demo"]
ROAD = World(friction=0.6, lag=0.4, noise=0.2)
WORLDS = {
    "simulation": World(),
    "wet": World(friction=0.5),
    "slow steering": World(lag=0.5),
    "poor camera": World(noise=0.3),
    "the road": ROAD,
}
drivers = {
    "rule, 15 m/s": rule_at(15),
    "rule, 24 m/s": rule_at(24),
    "student": camera_driver(student),
    "racer": camera_driver(racer),
}


def test_in(names, policy):
    """World: (return, share of departures), for a policy in some worlds."""
    return {name: score(drive(policy, WORLDS[name], seed=5)) for name in names}


BOTH = ("simulation", "the road")

# %% [markdown]
# "The road" is a bit of all three: friction .6 where the simulation has .9, a steering lag of .4 s where it has .2, twice the camera's noise. *Which of the four drivers will suffer
# most, and from what?*

# %% tags=["demo"]
table = {name: test_in(WORLDS, policy) for name, policy in drivers.items()}
print(f"{'leaves the lane (%)':20s}" + "".join(f"{name:>15s}" for name in WORLDS))
for name, results in table.items():
    print(f"{name:20s}" + "".join(f"{100 * left:15.0f}" for _, left in results.values()))

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: student 0 to .12, racer .35 to .98; of the racer's metres .18 to .74 remain; fast rule .59 to .72.
road = {name: results["the road"] for name, results in table.items()}
print("student on the road, leaves it in less than 25 of 100 drives:", road["student"][1] < 0.25)
print("racer on the road, in more than 20 of 100:", road["racer"][1] > 0.2)
print("fast rule on the road, in more than 50 of 100:", road["rule, 24 m/s"][1] > 0.5)
share = road["racer"][0] / table["racer"]["simulation"][0]
print("racer, less than nine tenths of its metres left:", share < 0.9)

# %% [markdown]
# The racer has learned the simulation's tyres. It goes as fast as *they* allow, and the wet road does not. Its row of the table shows two more losses, with slow steering and with a poor camera: at its speed
# there is less time to make good what comes late or is seen badly. The fast rule, tuned in the same simulation, fails the same way: the gap
# is a matter of tuning to a model of the world, with a network or without. The careful ones have a margin and keep it.
#
# ### Practise in many worlds
#
# If we do not know the road's numbers, we can draw them at random for each drive: friction from .4 to 1, lag from .1 to .6 s, noise from .05 to .3. A policy that does well on average
# in all of these may do well on the road, which is one of them. This is **domain randomisation**; a robot hand learned to turn a cube that way in 2018. *What will it cost in
# the plain simulation?*

# %% tags=["demo"]
MANY = World(friction=(0.4, 1.0), lag=(0.1, 0.6), noise=(0.05, 0.3))
ranger = copy_of(student)
practise(ranger, MANY, rounds=22, seed=1, title="Many worlds")
table["ranger"] = test_in(BOTH, camera_driver(ranger))

# %% [markdown]
# ### A little driving on the road
#
# The last step is **fine-tuning** on the road itself. There are two ways to do it, and we try both on the racer. It may go on practising by trial and error, 10 rounds of 16 drives with half the noise; here every
# departure would be a real one, so we count them. Or it may be shown: a careful driver drives 12 times on the road at 20 m/s, three minutes in all, and the racer is trained on the recording. *Which one will help?*

# %% tags=["demo"]
tried = copy_of(racer)
trials = practise(tried, ROAD, 10, count=16, seed=2, sigma=SIGMA / 2, title="On the road")
table["racer, tried"] = test_in(BOTH, camera_driver(tried))

lesson = drive(rule_at(20), ROAD, 12, seed=200)
for name, model in (("racer", racer), ("ranger", ranger)):
    shown = copy_of(model)
    shown.compile(keras.optimizers.Adam(1e-3), loss="mse")
    kept = lesson["driving"]
    shown.fit(
        lesson["observation"][kept], lesson["action"][kept], batch_size=64, epochs=10, verbose=0
    )
    table[f"{name}, shown"] = test_in(BOTH, camera_driver(shown))

# %% tags=["demo"]
for name, results in table.items():
    (here, _), (there, leave) = (results[world] for world in BOTH)
    print(f"{name:15s} simulation {here:4.0f} m; road {there:4.0f} m, {leave:4.0%} leave the lane")
print(f"departures while it tried, in 160 drives: {16 * trials[:, 1].sum():.0f}")

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: ranger 36 to 79 m behind in simulation, leaves the road in 0 to .14; departures while trying 97 to 158, after it .55 to 1;
# shown 0 to .22 and 235 to 287 m, the racer before it 58 to 238 m; each at least 20 m more than before.
road = {name: results["the road"] for name, results in table.items()}
slower = table["ranger"]["simulation"][0] < table["racer"]["simulation"][0] - 20
print("ranger, more than 20 m behind the racer in simulation:", slower)
print(
    "ranger on the road, departs less than half as often:", road["ranger"][1] < road["racer"][1] / 2
)
print("racer that tried, departures in 160 drives, more than 60:", 16 * trials[:, 1].sum() > 60)
print("and still leaves the road in more than 30 of 100:", road["racer, tried"][1] > 0.3)
print("racer that was shown, in less than 45 of 100:", road["racer, shown"][1] < 0.45)
print("and goes farther there than before:", road["racer, shown"][0] > road["racer"][0])

# %% [markdown]
# Three minutes of good driving did what 160 drives of trial and error did not: the racer, whose steering was learned in simulation, needs a new idea of
# speed and little else. Trial and error had hardly a drive that lasted, and from crashes alone one learns slowly what would have been right. It also cost a
# departure in most drives; nobody would pay that on a street. So the order is: simulate first, randomise what you do not know, and on the road learn from
# people.
#
# The ranger pays for its caution in simulation, with speed, and needs no drive on the road at all to be safer there; the recording adds little to it. That the road's numbers lay inside the ranges we drew from was our doing. On a true road nobody promises that.

# %% [markdown]
# ## A rule that overrules
#
# No reward and no training promises anything about the next bend. So real systems put a simple rule around the network that can be read, tested and proven. Ours looks at the map and brakes
# if the car is too fast for the sharpest bend ahead. To follow a bend of curvature $\kappa$ (1 over its radius) at speed $v$ needs the sideways acceleration $v^2 |\kappa|$.
#
# ### Exercise 4: too fast for the bend
#
# Complete `overrule(actions, survey, limit)`. `actions` (cars, 2) is what the network wants; column 0 is the steering, column 1 the pedal. `survey` (cars, 6): column 4 is the curvature of the sharpest bend
# ahead (1/m; positive bends to the left, negative ones to the right), column 5 the speed (m/s). Where $v^2 |\kappa|$ is above `limit` (m/s²), set the pedal to −1, full braking. Change nothing else,
# and leave the array that you were given as it is. Return an array (cars, 2).


# %% grade_id="overrule" solution=true
def overrule(actions, survey, limit):
    """Actions (cars, 2), with full braking where the car is too fast for the bend ahead."""
    ### BEGIN SOLUTION
    needed = survey[:, 5] ** 2 * np.abs(survey[:, 4])
    safe = np.array(actions)
    safe[needed > limit, 1] = -1
    return safe
    ### END SOLUTION


# %% grade_id="overrule_form" points=1
wanted = np.array([[0.2, 0.5], [-0.1, 0.4]])
ahead = np.array([[0, 0, 0, 0, 0.01, 30.0], [0, 0, 0, 0, 0.01, 10.0]])
result = np.asarray(overrule(wanted.copy(), ahead, 4.0))
assert result.shape == (2, 2), f"One action a car makes shape (2, 2); got {result.shape}."
assert np.allclose(result, [[0.2, -1], [-0.1, 0.4]]), (
    "Curvature .01 at 30 m/s needs 9 m/s², at 10 m/s it needs 1; the limit is 4. Expected [[.2, -1], [-.1, .4]]; "
    f"got {result.round(2).tolist()}."
)

# %% grade_id="overrule_cases" points=3
# Hidden tests: left and right bends, straights, drivers that brake already, and is the given array left alone?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
for limit in (2.0, 4.0, 7.5):
    wanted, ahead = rng.uniform(-1, 1, (60, 2)), rng.normal(size=(60, 6))
    ahead[:, 4], ahead[:, 5] = rng.uniform(-0.014, 0.014, 60), rng.uniform(0, 35, 60)
    ahead[:10, 4] = 0
    given = wanted.copy()
    result = np.asarray(overrule(given, ahead, limit), float)
    assert np.array_equal(given, wanted), (
        "The array of the network's actions was changed; return a new one."
    )
    assert np.allclose(result[:, 0], wanted[:, 0]), (
        "The steering should stay as the network wants it."
    )
    for car in range(60):
        force = ahead[car, 5] ** 2 * abs(ahead[car, 4])
        want = -1 if force > limit else wanted[car, 1]
        assert np.isclose(result[car, 1], want), (
            f"curvature {ahead[car, 4]:.4f}, speed {ahead[car, 5]:.1f} m/s, which needs {force:.1f} m/s², limit {limit}, wanted pedal "
            f"{wanted[car, 1]:.2f}: expected {want:.2f}, got {result[car, 1]:.2f}. Do left and right bends count alike?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Bends to the right have a negative curvature and are never found too sharp.
def overrule(actions, survey, limit):
    safe = np.array(actions)
    safe[survey[:, 5] ** 2 * survey[:, 4] > limit, 1] = -1
    return safe


# %% tags=["misconception"]
# The needed acceleration grows with the square of the speed and is taken to grow with the speed itself.
def overrule(actions, survey, limit):
    safe = np.array(actions)
    safe[survey[:, 5] * np.abs(survey[:, 4]) > limit, 1] = -1
    return safe


# %% tags=["misconception"]
# The pedal is released and not pressed down to brake, so the car rolls into the bend as fast as it was.
def overrule(actions, survey, limit):
    safe = np.array(actions)
    safe[survey[:, 5] ** 2 * np.abs(survey[:, 4]) > limit, 1] = 0
    return safe


# %% tags=["misconception"]
# One car that is too fast makes all cars brake.
def overrule(actions, survey, limit):
    safe = np.array(actions)
    if (survey[:, 5] ** 2 * np.abs(survey[:, 4]) > limit).any():
        safe[:, 1] = -1
    return safe


# %% tags=["misconception"]
# The rule writes into the array that it was given, so the record of what the network wanted is lost.
def overrule(actions, survey, limit):
    actions[survey[:, 5] ** 2 * np.abs(survey[:, 4]) > limit, 1] = -1
    return actions


# %% tags=["misconception"]
# Only cars that accelerate are made to brake; one that brakes a little already goes too fast into the bend.
def overrule(actions, survey, limit):
    safe = np.array(actions)
    too_fast = survey[:, 5] ** 2 * np.abs(survey[:, 4]) > limit
    safe[too_fast & (actions[:, 1] > 0), 1] = -1
    return safe


# %% tags=["alternative"]
# Compares the speed with the highest that the bend allows.
def overrule(actions, survey, limit):
    bend = np.maximum(np.abs(survey[:, 4]), 1e-12)
    pedal = np.where(survey[:, 5] > np.sqrt(limit / bend), -1.0, actions[:, 1])
    return np.column_stack([actions[:, 0], pedal])


# %% [markdown]
# The racer once more, in the simulation and on the road, with the rule around it and a limit of 4 m/s², which tyres of friction .41 bear. *What does it cost
# where the racer did well, and what does it save where it did not?*


# %% tags=["demo"]
def guarded(policy, limit=4.0):
    """A policy with the rule around it."""

    def safe(observations, survey):
        wanted = np.array(policy(observations, survey))
        too_fast = survey[:, 5] ** 2 * np.abs(survey[:, 4]) > limit
        wanted[too_fast, 1] = -1
        return wanted

    return safe


table["racer, overruled"] = test_in(BOTH, guarded(camera_driver(racer)))
for name in ("racer", "racer, overruled"):
    for world, (far, left) in table[name].items():
        if world in BOTH:
            print(f"{name:17s} {world:11s} {far:4.0f} m, {left:4.0%} leave the lane")

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: 0 to .20 times as many departures, 1.16 to 5.2 times as many metres; in the simulation .84 to .92 times in the last five.
plain, safe = table["racer"], table["racer, overruled"]
print(
    "departures on the road, less than half of those without it:",
    safe["the road"][1] < plain["the road"][1] / 2,
)
print(
    "metres on the road, more with the rule:",
    safe["the road"][0] > plain["the road"][0],
)
print(
    "metres in the simulation, fewer with the rule:", safe["simulation"][0] < plain["simulation"][0]
)

# %% [markdown]
# One readable line of physics, without any training, takes away most of the racer's departures on the road. It costs metres in the world for which the racer was tuned, and pays where the world differs. It has two assumptions of its own:
# a map that is right, and tyres that bear 4 m/s².

# %% [markdown]
# ## What none of them has seen
#
# On a winter morning there are 30 m of ice somewhere on each road, friction .15. No sensor shows it, and no training had it. *Which of the drivers will come through?*

# %% tags=["demo"]
ICE = World(ice=30)
icy = {
    "rule, 15 m/s": rule_at(15),
    "student": camera_driver(student),
    "racer": camera_driver(racer),
    "ranger": camera_driver(ranger),
    "racer, overruled": guarded(camera_driver(racer)),
}
ice = {}
for name, policy in icy.items():
    ice[name] = score(drive(policy, World(), seed=8)), score(drive(policy, ICE, seed=8))

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: racer .44 to .65, the others .13 to .52.
for name, (_, frozen) in ice.items():
    print(f"{name:17s} leaves the lane on ice in more than 8 of 100 drives:", frozen[1] > 0.08)
print("racer on ice, in more than 30 of 100:", ice["racer"][1][1] > 0.3)
change = 0.001 * (ice["racer"][0][0] - ice["racer"][1][0]) / ice["racer"][0][0]
print(
    "ice in one drive of 1,000 lowers the racer's mean return by less than .1 %:",
    abs(change) < 0.001,
)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for place, (dry, frozen) in enumerate(ice.values()):
    axis.plot([100 * dry[1], 100 * frozen[1]], [place] * 2, color="#999999", lw=1.5, zorder=1)
    axis.scatter(100 * dry[1], place, color=plots.BLUE, s=60, label="dry" if not place else None)
    axis.scatter(
        100 * frozen[1],
        place,
        color=plots.VERMILION,
        marker="s",
        s=60,
        label="30 m of ice" if not place else None,
    )
axis.set_yticks(range(len(ice)), list(ice))
axis.invert_yaxis()
axis.set(xlabel="drives that leave the lane (%)", xlim=(-2, None))
axis.legend(loc="upper right")
axis.set_title("Nobody was prepared for ice; the fastest fares worst")
plots.show(
    fig,
    alt="""For five drivers the share of drives that leave the lane on a dry road and with 30 metres of ice. On the dry road all
    are near zero or a few per cent. With ice all are higher, the racer the highest, the careful rule and the student lowest.""",
)

# %% [markdown]
# All of them leave the lane, also the ones that looked perfect; what helped most was to be slow already. The rule around the racer lets it race along straights and brakes for bends that wet tyres would hold; ice breaks its assumption. And look at the last
# line printed above the figure: where ice comes in one drive of a thousand, the mean return, the number that everybody optimises and reports, hardly moves. **What is rare vanishes in a mean.** The people it
# hurts do not: somebody walks along that road.
#
# How many drives without a departure would convince you? If none of $n$ independent drives went wrong, the chance of a departure may still, at 95 % confidence, be as large as about $3/n$.

# %% tags=["demo", "nbval-check-output"]
for n in (128, 10_000, 1_000_000):
    print(
        f"{n:9,d} drives without a departure: the chance may be up to {100 * (1 - 0.05 ** (1 / n)):.4f} %"
    )

# %% [markdown]
# Our tables rest on 128 drives each, so a zero in them means *up to 2.3 %*, not *never*. People in the United States drive about 100 million miles for each death in traffic; by this rule a fleet needs some 300 million miles
# without one to show that it is no worse, and all of them with the same software. This is why simulations, readable rules and stated limits matter, and why the question *where has it been tested, and on whose streets?* belongs to
# each such system: a car that was tried among adults on dry roads of one city has shown nothing for children, wheelchairs, or snow.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Give the reward's punishment another size (`environments.DEPARTURE = 300`) and practise again. How fast does the racer go?
# 2. Put ice into `MANY` (`ice=(0, 30)`). Does the ranger learn to be careful, although it cannot see the ice?
# 3. Clone a driver from four times as many calm drives, without questions. How much of the drift remains?
#
# To read: Ross, Gordon and Bagnell (2011), *A reduction of imitation learning and structured prediction to no-regret online learning* (DAgger); Sutton and Barto, *Reinforcement Learning*, chapter 13; Kalra and Paddock (2016),
# *Driving to safety* (RAND), on how many miles it takes.
#
# ### At full size
#
# Gymnasium has a car of its own, seen from above in pictures of 96 × 96 pixels. It needs a physics engine that this course does not install; the call says so where it is missing.

# %% tags=["demo"]
import gymnasium as gym

try:
    track = gym.make_vec("CarRacing-v3", num_envs=8)
    print(track.single_observation_space)
except gym.error.Error as error_message:
    print(error_message)

# %% [markdown]
# What changes there: a small convolutional network in front; a learned baseline (a *critic*) in place of the mean over the cars, since
# they no longer start alike; steps that are kept small (PPO), since one bad update can ruin all; millions of steps on a GPU, where `course.setup(precision="auto")`
# computes in float16 and Keras scales the loss of `train_on_batch` by itself. Research on streets uses simulators such as CARLA, and recorded drives of many cities.
