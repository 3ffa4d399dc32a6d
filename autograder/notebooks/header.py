"""The header of a lesson's source: what an author says about the lesson."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

Text = Annotated[str, StringConstraints(min_length=1)]
Minutes = Annotated[int, Field(gt=0)]


class Header(BaseModel):
    """The lesson's data, from the YAML at the top of its source.

    Attributes:
        title: of the lesson, as in the heading at its top.
        summary: one sentence that says what the reader will have done at the end.
        part: the part of the course that the lesson belongs to.
        minutes: the time that the lesson takes with its exercises.
        minutes_reading: the time that it takes to read and run without them.
        objectives: what the reader can do afterwards.
        mirrors: for each section of an article, "1 Introduction", the heading that answers it.
        datasets: the data sets of ``course.datasets`` that the lesson uses.
        full_size: public TFDS data sets that it names.
        needs: the folders of lessons to read first.
        built: what the reader will have built, as it follows "You will have built".
        terms: the terms and names of Keras that the lesson introduces, each with a sentence that
            says what it means; how they are written, ``notebooks.terms`` says.
        explains: terms of lessons that this one does not need, and that it explains itself.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    title: Text
    summary: Text
    part: Text
    minutes: Minutes
    minutes_reading: Minutes
    objectives: Annotated[list[Text], Field(min_length=1)]
    mirrors: Annotated[dict[Text, Text], Field(min_length=1)]
    datasets: list[Text] = Field(default_factory=list)
    full_size: list[Text] = Field(default_factory=list)
    needs: list[Text] = Field(default_factory=list)
    built: Text | None = None
    terms: dict[Text, Text] = Field(default_factory=dict)
    explains: list[Text] = Field(default_factory=list)

    @field_validator("minutes_reading")
    @classmethod
    def _within_minutes(cls, reading: int, info: ValidationInfo) -> int:
        whole = info.data.get("minutes")
        if whole is not None and reading > whole:
            raise ValueError(
                f"`minutes_reading` is {reading} and `minutes` only {whole}: `minutes` must be the "
                "time with the exercises, `minutes_reading` the time without"
            )
        return reading

    @field_validator("terms")
    @classmethod
    def _sentences(cls, terms: dict[str, str]) -> dict[str, str]:
        for key, meaning in terms.items():
            if not all(name.strip() for name in key.split(",")):
                raise ValueError(f"`{key}` has an empty name: remove the comma too much")
            if not meaning.endswith("."):
                raise ValueError(f"what `{key}` means must be a sentence: end it with a stop")
        return terms
