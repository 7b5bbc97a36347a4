"""Wheel names as values."""

import pytest

from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.wheel_name import WheelName, normalised_name

LONG = "tidemark-0.1.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"


def test_a_wheel_name_is_taken_apart_and_put_together_again() -> None:
    name = WheelName.parse(LONG)
    assert (name.distribution, name.version, name.build) == ("tidemark", "0.1.0", "")
    assert name.platforms == ("manylinux2014_x86_64", "manylinux_2_17_x86_64")
    assert str(name) == LONG
    assert name.tags == {"cp311-abi3-manylinux2014_x86_64", "cp311-abi3-manylinux_2_17_x86_64"}


def test_a_build_number_is_part_of_the_name() -> None:
    name = WheelName.parse("a_b-1.0-2x-py2.py3-none-any.whl")
    assert (name.build, name.pythons, name.platforms) == ("2x", ("py2", "py3"), ("any",))
    assert str(name) == "a_b-1.0-2x-py2.py3-none-any.whl"


@pytest.mark.parametrize("text", ["a-1.0.tar.gz", "a-1.0-py3-none.whl", "a-1.0-x-py3-none-any.whl", "a.whl", ""])
def test_what_is_no_wheel_name_is_refused_in_words(text: str) -> None:
    with pytest.raises(CartwheelError, match="not a wheel's name; expected NAME-VERSION"):
        WheelName.parse(text)


@pytest.mark.parametrize(("name", "file"), [("Tide.Mark", "tide_mark"), ("a--b_.c", "a_b_c"), ("x", "x")])
def test_a_project_name_is_written_with_underscores_in_file_names(name: str, file: str) -> None:
    assert normalised_name(name) == file
