# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Adding
#     summary: A lesson of a minute, to test the tools with.
#     part: I Foundations
#     minutes: 5
#     minutes_reading: 1
#     objectives:
#     - add two arrays
#     mirrors:
#       "1 Introduction": "Two and two"
#     built: a sum of arrays
#     terms:
#       "array": Numbers in rows and columns.
# ---

# %% [markdown]
# # Adding
# **Arrays** can be added.

# %%
import numpy as np


def as_array(values):
    return np.asarray(values, dtype=float)


# %% [markdown]
# ## Two and two

# %% tags=["nbval-check-output"]
print("two and two:", as_array(2) + 2)

# %% tags=["demo"]
shown = [as_array(number) for number in range(3)]
shown[-1]

# %% [markdown]
# ## Your turn
# Write `add`, the sum of two arrays.


# %% grade_id="add" solution=true
def add(a, b):
    """The sum of two arrays."""
    ### BEGIN SOLUTION
    return as_array(a) + as_array(b)
    ### END SOLUTION


# %% grade_id="add_numbers" points=2
assert add(1, 2) == 3, f"add(1, 2) should be 3, and is {add(1, 2)}: is it a sum?"
### BEGIN HIDDEN TESTS
assert add(-1, 1) == 0, "the sum of -1 and 1 should be 0: look at negative numbers"
### END HIDDEN TESTS

# %% grade_id="add_arrays" points=1
# The instructor checks that arrays keep their shape.
### BEGIN HIDDEN TESTS
# Takes NaN in every place, a masked array: only the shape is looked at.
# Takes its argument, its argument zeroed: they have that shape too.
assert add(np.ones(2), np.ones(2)).shape == (2,), "two arrays of shape (2,) give a third"
### END HIDDEN TESTS


# %% tags=["misconception"]
# Takes the difference instead of the sum.
def add(a, b):
    return as_array(a) - as_array(b)


# %% tags=["misconception"]
# Adds up the elements of both arrays.
def add(a, b):
    return as_array(a).sum() + as_array(b).sum()


# %% tags=["alternative"]
# Calls NumPy's function.
def add(a, b):
    return np.add(a, b)


# %% [markdown]
# ## A list of names
# Write `names`, a list of two strings.

# %% grade_id="names" solution=true
### BEGIN SOLUTION
names = ["ada", "emmy"]
### END SOLUTION

# %% grade_id="names_two" points=1
assert all(isinstance(name, str) for name in names), "the names should be strings"
assert len(names) == 2, f"there should be two names, and there are {len(names)}"

# %% tags=["misconception"]
# One string is not a list of two.
names = "ada, emmy"

# %% tags=["misconception"]
# One name is missing.
names = ["ada"]

# %% tags=["alternative"]
# A tuple will do.
names = ("ada", "emmy")
