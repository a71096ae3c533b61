from typing import Annotated, Any, ClassVar, Literal

import pydantic
import pytest
from jsonschema import Draft202012Validator

from artifact_pipelines.declarations import Declaration, OneOf


class Shape(Declaration):
    TAG: ClassVar[str] = "shape"


class Circle(Shape):
    shape: Literal["circle"] = "circle"
    radius: int = pydantic.Field(gt=0)
    label: str = ""


class Square(Shape):
    CODE_VERSION: ClassVar[str] = "2"
    shape: Literal["square"] = "square"
    side: int = 1


class Drawing(pydantic.BaseModel):
    shapes: dict[str, Annotated[Shape, OneOf((Circle, Square))]]
    frame: Annotated[Shape, OneOf((Circle, Square), default=Square)] = Square()


def errors_of(value: Any) -> list[tuple[str, str]]:
    with pytest.raises(pydantic.ValidationError) as caught:
        Drawing.model_validate(value)
    return [(".".join(str(key) for key in error["loc"]), error["msg"]) for error in caught.value.errors()]


def test_tag_chooses_the_declaration() -> None:
    drawing = Drawing.model_validate({"shapes": {"a": {"shape": "circle", "radius": 2}, "b": {"shape": "square"}}})
    assert drawing.shapes == {"a": Circle(radius=2), "b": Square()}


@pytest.mark.parametrize("value", [{"side": 3}, {"side": 3, "shape": "square"}])
def test_tag_may_be_left_out_where_a_default_is_declared(value: Any) -> None:
    assert Drawing.model_validate({"shapes": {}, "frame": value}).frame == Square(side=3)


def test_null_means_left_out() -> None:
    drawing = Drawing.model_validate(
        {"shapes": {"a": {"shape": "square", "side": None}}, "frame": {"shape": None, "side": 3}}
    )
    assert drawing == Drawing(shapes={"a": Square()}, frame=Square(side=3))


def test_code_may_pass_a_declaration_that_no_file_may_name() -> None:
    class Dot(Shape):
        shape: Literal["dot"] = "dot"

    assert Drawing(shapes={"a": Dot()}).shapes == {"a": Dot()}


def test_declaration_survives_a_dump() -> None:
    drawing = Drawing.model_validate({"shapes": {"a": {"shape": "circle", "radius": 2}}, "frame": {"side": 3}})
    dumped = drawing.model_dump(exclude_unset=True)
    assert dumped == {"shapes": {"a": {"shape": "circle", "radius": 2}}, "frame": {"side": 3}}
    assert Drawing.model_validate(dumped) == drawing


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ({"shapes": {"a": {"shape": "star"}}}, "shapes.a.shape", "Input should be 'circle' or 'square'"),
        ({"shapes": {"a": {"shape": ["star"]}}}, "shapes.a.shape", "Input should be 'circle' or 'square'"),
        ({"shapes": {"a": {"radius": 1}}}, "shapes.a.shape", "Input should be 'circle' or 'square'"),
        ({"shapes": {"a": "circle"}}, "shapes.a", "Input should be a valid dictionary"),
        ({"shapes": {"a": {"shape": "circle"}}}, "shapes.a.radius", "Field required"),
        ({"shapes": {"a": {"shape": "circle", "radius": 0}}}, "shapes.a.radius", "Input should be greater than 0"),
        ({"shapes": {"a": {"shape": "square", "radius": 1}}}, "shapes.a.radius", "Extra inputs are not permitted"),
        ({"shapes": {}, "frame": {"side": "x"}}, "frame.side", "Input should be a valid integer"),
        ({"shapes": {}, "frame": "square"}, "frame", "Input should be a valid dictionary"),
    ],
)
def test_error_names_the_field_and_what_is_allowed(value: Any, where: str, message: str) -> None:
    [(found, text)] = errors_of(value)
    assert found == where
    assert text.startswith(message)


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ({"shapes": {"a": {"shape": "star"}}}, ["shapes", "a", "shape"], "'star' is not one of ['circle', 'square']"),
        ({"shapes": {"a": {"radius": 1}}}, ["shapes", "a"], "'shape' is a required property"),
        ({"shapes": {"a": {"shape": "circle", "radius": 0}}}, ["shapes", "a", "radius"], "less than or equal to the"),
        ({"shapes": {"a": {"shape": "square", "radius": 1}}}, ["shapes", "a"], "'radius' was unexpected"),
        ({"shapes": {}, "frame": {"side": "x"}}, ["frame", "side"], "is not of type 'integer'"),
        ({"shapes": {}, "frame": {"sides": 1}}, ["frame"], "'sides' was unexpected"),
    ],
)
def test_json_schema_names_the_field_too(value: Any, where: list[str], message: str) -> None:
    """`dg check yaml` validates by the JSON schema, before a file is loaded."""
    validator = Draft202012Validator(Drawing.model_json_schema())
    [error] = validator.iter_errors(value)
    assert list(error.absolute_path) == where
    assert message in error.message


def test_json_schema_accepts_every_declaration() -> None:
    validator = Draft202012Validator(Drawing.model_json_schema())
    shapes = {"a": {"shape": "circle", "radius": 1}, "b": {"shape": "square", "side": 2}}
    for frame in ({}, {"side": 1}, {"shape": "circle", "radius": 1}):
        validator.validate({"shapes": shapes, "frame": frame})


def test_code_version_shows_the_declaration_without_its_defaults() -> None:
    assert Circle(radius=2).code_version() == 'circle 1 {"radius":2}'
    assert Circle(radius=2, label="").code_version() == Circle(radius=2).code_version()
    assert Square().code_version() == "square 2 {}"
    assert Square(side=2).code_version() != Square().code_version()
