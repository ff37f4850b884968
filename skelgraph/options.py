"""The check of options: the annotation of a parameter declares which values it takes, and every call is checked.

An option is declared where it is used, in the signature of a model, a layer or a settings class::

    def __init__(self, hidden_channels: Channels = 128, dropout: Rate = 0.0, hops: Literal["walk", "exact"] = "walk")

and the check, the message of its error and the list that ``skelgraph models NAME`` prints come from this declaration.
The rules are those of pydantic in strict mode: ``"False"`` is no bool, ``True`` is no integer, an integer is a number,
and NaN and infinity are not. NumPy's numbers count as Python's, and a list as a tuple, since JSON has lists only.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, PlainValidator, Strict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from skelgraph.errors import SkelgraphError, close_names
from skelgraph.text import shown

Channels = Annotated[int, Field(ge=1, le=2**16)]
"""Width of a layer."""
Count = Annotated[int, Field(ge=1, le=100)]
"""A number of parts of a network, at least one: blocks, heads."""
Amount = Annotated[int, Field(ge=0, le=100)]
"""A number that may be zero: hops, experts."""
Threads = Annotated[int, Field(ge=1, le=1024)]
"""A number of threads of the CPU."""
Joints = Annotated[int, Field(ge=1, le=10**6)]
"""How many joints a skeleton has."""
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""Any integer that a tensor can hold."""
Frames = Annotated[int, Field(ge=1, le=10**5)]
"""Length of a window in frames."""
InputForm = Literal["screen", "rays"]
"""What a network is given of keypoints: their places on the normalised screen, x from -1 to 1 over the width; or rays,
turned to the person, with the log of their size as a third number, see :func:`skelgraph.geometry.window_rays`."""
Side = Annotated[int, Field(ge=1, le=2**20)]
"""Width or height of a picture in pixels."""
FrameRate = Annotated[float, Field(gt=0, le=10_000)]
"""Frames per second."""
Rate = Annotated[float, Field(ge=0, le=1)]
"""A probability, such as a dropout rate."""
Share = Annotated[float, Field(gt=0, le=1)]
"""A part of a whole: more than nothing, at most all of it."""
Finite = float
"""Any number except NaN and infinity, which no annotation allows."""
Positive = Annotated[float, Field(gt=0)]
"""Any number above zero."""
NotNegative = Annotated[float, Field(ge=0)]
"""Zero or any number above."""


class OneOf:
    """The names in a registry at the time of the check: ``Annotated[str, OneOf(SCHEDULES)]``.

    Args:
        names: The registry.
        also: Other names of some, which are understood in their place.
    """

    def __init__(self, names: Collection[str], also: Mapping[str, str] | None = None) -> None:
        self.names = names
        self.also = {other: name for other, name in (also or {}).items() if other != name}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A text that is a name."""
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def _known(self, name: str) -> str:
        name = self.also.get(name, name)
        if name not in self.names:
            raise ValueError
        return name

    def __str__(self) -> str:
        """What is allowed, in words."""
        others = {name: repr(other) for other, name in self.also.items()}
        return _either(f"{name!r}{f' ({others[name]})' if name in others else ''}" for name in self.names)


class SumOf(OneOf):
    """Weighted sums of names in a registry, ``0.9*mse + 0.1*l1``: a name alone has the weight 1, others are above 0.

    Args:
        names: The registry; its names are identifiers.
        example: A sum, for the message.
        or_none: Whether the text ``none``, a sum of nothing, is allowed.
    """

    _TERM = r"(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*\s*)?([^\W\d]\w*)"

    def __init__(self, names: Collection[str], example: str, or_none: bool = False) -> None:
        super().__init__(names)
        self.example = example
        self.or_none = or_none

    def terms(self, text: str) -> list[tuple[float, str]]:
        """The weights and names in a sum.

        Raises:
            ValueError: If it is none.
        """
        if self.or_none and text == "none":
            return []
        if len(text) > 1000 or not re.fullmatch(rf"\s*{self._TERM}(?:\s*\+\s*{self._TERM})*\s*", text):
            raise ValueError
        terms = [(float(weight or 1), name) for weight, name in re.findall(self._TERM, text)]
        if not all(name in self.names and 0 < weight < float("inf") for weight, name in terms):
            raise ValueError
        return terms

    def _known(self, name: str) -> str:
        self.terms(name)
        return name

    def __str__(self) -> str:
        """What is allowed, in words."""
        return f"a weighted sum of {super().__str__()}, such as {self.example!r}{', or none' * self.or_none}"


Function = TypeVar("Function", bound=Callable[..., Any])

_NAMES = {bool: "true or false", int: "an integer", float: "a finite number", str: "a text", type(None): "none"}
_SEQUENCES = (tuple, list, Sequence)
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def checked(function: Function) -> Function:
    """Check the arguments of every call by their annotations: booleans, numbers, texts, literals, sequences of them,
    instances of classes and functions.

    A parameter whose annotation cannot be checked (``Any``, a name that is imported for type checkers only) is passed
    on as it is.

    Raises:
        SkelgraphError: By the decorated function, if an argument is not what its annotation says; the message names
            the argument, what was found and what is expected.
    """
    signature = inspect.signature(function)
    is_method = next(iter(signature.parameters), None) == "self"

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        label = type(args[0]).__name__ if is_method and args else function.__name__
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            error.args = (f"{label}: {error}{_meant_keyword(function, signature, args[:1], kwargs)}",)
            raise
        given = check_options(function, bound.arguments, label)
        bound.arguments.update(given)
        return function(*bound.args, **bound.kwargs)

    return wrapper  # type: ignore[return-value]


def _meant_keyword(
    function: Callable[..., Any], signature: inspect.Signature, first: Sequence[Any], given: Collection[str]
) -> str:
    """Which keyword an unknown one may have meant: of the function, or, where it is a constructor, of a call."""
    known, called = [*signature.parameters], []
    if function.__name__ == "__init__" and first and callable(first[0]):
        call = inspect.signature(type(first[0]).__call__)
        called = [name for name in call.parameters if name not in known]
    near = next((close_names(name, known + called)[:1] for name in given if name not in known), [])
    return "".join(f"; did you mean {name}{', of a call' if name in called else ''}?" for name in near)


class CheckedOptions:
    """Makes the constructor of every subclass :func:`checked`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: D105
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = checked(cls.__init__)  # type: ignore[method-assign]


def check_options(function: Callable[..., Any], values: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return those of ``values`` that a function has checkable annotations for, checked; lists become tuples where a
    tuple is declared.

    Args:
        function: The function or class whose parameters declare what the options may be.
        values: Values by the name of their parameter.
        label: Whose options they are, for the message.

    Raises:
        SkelgraphError: If a value is not what its annotation says.
    """
    hints = option_types(function)
    return {name: check_option(name, value, hints[name], label) for name, value in values.items() if name in hints}


def check_option(name: str, value: Any, hint: Any, label: str = "") -> Any:
    """Return a value that fits an annotation.

    Args:
        name: Name of the option, for the message.
        value: What was given.
        hint: A type of :func:`option_types`.
        label: Whose option it is, for the message.

    Raises:
        SkelgraphError: If the value does not fit.
    """
    try:
        return _adapter(hint).validate_python(_native(value, _depth(hint)))
    except (ValidationError, OverflowError, UnicodeError):
        near = _near(value, hint)
        hint_text = f" (did you mean {', '.join(map(repr, near))}?)" if near else ""
        prefix = f"{label}: " if label else ""
        raise SkelgraphError(f"{prefix}{name} is {shown(value)}; expected {describe(hint)}{hint_text}") from None


def _near(value: Any, hint: Any) -> list[str]:
    """The names that a text, or the first unknown one of several or in a sum of names, may have meant."""
    names = choices(hint)
    words = [word for word in (value if isinstance(value, list | tuple) else [value]) if isinstance(word, str)]
    for rule in _sums(hint):
        names = [*rule.names]
        words = [word for text in words for word in re.findall(r"[^\W\d]\w*", text[:1000])]
    unknown = next((word for word in words if word not in names), None)
    return [] if unknown is None else close_names(unknown, names)


def constructor(cls: type) -> inspect.Signature:
    """What a class is made with. Python 3.10 takes for it the ``__new__`` of a base where a class inherits its
    ``__init__``, as a network may that derives from another one."""
    _self, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    return inspect.Signature(parameters)


def option_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the parameters of a function (of the constructor of a class) that can be checked."""
    constructor = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    return _option_types(inspect.unwrap(constructor))


@functools.cache
def _option_types(function: Callable[..., Any]) -> dict[str, Any]:
    holder = sys.modules.get(getattr(function, "__module__", ""))  # none of the constructor of object
    module = vars(holder) if holder is not None else {}
    hints = {}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = parameter.annotation
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or hint is parameter.empty:
            continue
        if isinstance(hint, str):
            try:
                hint = eval(hint, module)  # as typing.get_type_hints, but each on its own
            except Exception:  # imported for type checkers only, or no Python of this version: nothing to check
                continue
        if _is_checkable(hint):
            hints[name] = hint
    return hints


def meanings(cls: type) -> dict[str, str]:
    """The descriptions of the constructor's arguments in the docstring of a class and of its bases, as plain text."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        _, _, section = (inspect.cleandoc(base.__doc__ or "") + "\n\n").partition("\nArgs:\n")
        section = section.partition("\n\n")[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            texts[name] = _without_markup(" ".join(text.split()))
    return texts


def _without_markup(text: str) -> str:
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"\1", text)  # :class:`~skelgraph.nn.SemGraphConv`
    text = re.sub(r":\w+:`\\?([^`]+)`", r"\1", text)  # :math:`\lambda`
    return re.sub(r"``([^`]*)``|`([^`<]*) <[^`]*>`_", r"\1\2", text)


def describe(hint: Any) -> str:
    """What an annotation allows, in words: ``an integer from 1 to 65536``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [
            limit for field in arguments[1:] for limit in (field.metadata if isinstance(field, FieldInfo) else [field])
        ]
        if isinstance(limits[0], OneOf | str):
            return str(limits[0])
        if get_origin(arguments[0]) in _SEQUENCES:
            return f"{describe(arguments[0])},{_range(limits)} of them"
        return ("a number" if arguments[0] is float else describe(arguments[0])) + _range(limits)
    if origin is Literal:
        return _either(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return _either(map(describe, arguments))
    if origin is Callable:
        return "a function"
    if origin in _SEQUENCES:
        items = [argument for argument in arguments if argument is not ...]
        if origin is tuple and ... not in arguments:
            return f"{len(items)} values: {', '.join(map(describe, items))}"
        return f"a sequence of values, each {describe(items[0])}"
    return _NAMES.get(hint, f"a {getattr(hint, '__name__', hint)}")


def _range(limits: Sequence[Any]) -> str:
    """The limits of annotated-types (``Ge``, ``Gt``, ``Le``, ``Lt``, ``MinLen``, ``MaxLen``) in words."""
    low, above, high, below = (
        next((getattr(limit, kind) for limit in limits for kind in kinds if hasattr(limit, kind)), None)
        for kinds in (("ge", "min_length"), ("gt",), ("le", "max_length"), ("lt",))
    )
    both = low is not None and high is not None
    words: dict[str, tuple[Any, ...]] = (
        {"from {} to {}": (low, high)} if both else {"of at least {}": (low,), "of at most {}": (high,)}
    )
    words |= {"above {}": (above,), "below {}": (below,)}
    return " " + " and ".join(word.format(*numbers) for word, numbers in words.items() if None not in numbers)


def _either(words: Any) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_schema(hint), config=_STRICT)


def _schema(hint: Any) -> Any:
    """The annotation for pydantic, with classes checked by ``isinstance`` instead of by pydantic's own rules."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal or hint in _NAMES or hint is None:
        return hint
    if origin is Annotated:
        return Annotated[(_schema(arguments[0]), *arguments[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_schema, arguments))]  # noqa: UP007 - of any number of types
    if origin is Callable:
        return Callable
    if origin is None:
        return Annotated[Any, PlainValidator(functools.partial(_instance, hint))]
    schema = origin[tuple(item if item is ... else _schema(item) for item in arguments)]
    return Annotated[schema, Strict(False)] if origin is tuple else schema  # JSON has lists only


def _instance(cls: type, value: Any) -> Any:
    if not isinstance(value, cls):
        raise ValueError
    return value


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types that a composed annotation is made of."""
    if get_origin(hint) is Annotated:
        return (get_args(hint)[0],)
    return tuple(argument for argument in get_args(hint) if argument is not ...)


def _is_checkable(hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is None or origin in (Literal, Callable):
        return True
    if origin in (Annotated, Union, types.UnionType, *_SEQUENCES):
        return all(map(_is_checkable, _parts(hint)))
    return origin is None and isinstance(hint, type) and hint is not Any


def _depth(hint: Any) -> int:
    """How deeply nested sequences an annotation allows."""
    origin = get_origin(hint)
    if origin in (Literal, Callable):
        return 0
    return max(map(_depth, _parts(hint)), default=0) + (origin in _SEQUENCES)


def _native(value: Any, depth: int) -> Any:
    """NumPy's numbers as Python's, and its arrays as lists, as deeply as sequences are expected."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return value.item()
    if isinstance(value, range) and len(value[: 10**5]) == len(value[: 10**5 + 1]):
        value = list(value)
    if depth and isinstance(value, list | tuple | np.ndarray):
        items = [_native(item, depth - 1) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def choices(hint: Any) -> list[str]:
    """The texts that an annotation names: those of a literal, or the names of a registry; none of sums of names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated and isinstance(arguments[1], OneOf):
        return [] if isinstance(arguments[1], SumOf) else list(arguments[1].names)
    if origin is Literal:
        return [value for value in arguments if isinstance(value, str)]
    return [value for part in _parts(hint) for value in choices(part)]


def _sums(hint: Any) -> list[SumOf]:
    """The sums of names that an annotation allows."""
    if get_origin(hint) is Annotated:
        return [rule for rule in get_args(hint)[1:] if isinstance(rule, SumOf)]
    return [rule for part in _parts(hint) for rule in _sums(part)]
