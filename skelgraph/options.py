"""The one checker of options: what a parameter may be is said by its annotation, and checked when it is called.

An option is declared where it is used, in the signature of a model, a layer or a settings class::

    def __init__(self, hidden_channels: Channels = 128, dropout: Rate = 0.0, hops: Literal["walk", "exact"] = "walk")

and the same declaration makes the check, the message of its error and the list that ``skelgraph models NAME`` prints.
The rules are those of pydantic in strict mode: ``"False"`` is no bool, ``True`` no integer, an integer is a number.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from skelgraph.errors import SkelgraphError
from skelgraph.text import shown

Channels = Annotated[int, Field(ge=1, le=2**16)]
"""Width of a layer."""
Count = Annotated[int, Field(ge=1, le=1000)]
"""How many of something a network has: blocks, heads, hops."""
Frames = Annotated[int, Field(ge=1, le=10**5)]
"""Length of a window in frames."""
Rate = Annotated[float, Field(ge=0, le=1)]
"""A probability, such as a dropout rate."""
Finite = Annotated[float, Field(ge=-sys.float_info.max, le=sys.float_info.max)]
"""Any number but NaN and infinity."""

Function = TypeVar("Function", bound=Callable[..., Any])

_SCALARS = (bool, int, float, str, type(None))
_SEQUENCES = (tuple, list, Sequence)
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def checked(function: Function) -> Function:
    """Check the arguments of every call by their annotations: booleans, numbers, texts, literals and sequences of them.

    Parameters annotated otherwise (tensors, skeletons, functions) are the function's own business.

    Raises:
        SkelgraphError: By the decorated function, if an argument is not what its annotation says; the message names
            the argument, what was found and what is expected.
    """
    signature = inspect.signature(function)
    is_method = next(iter(signature.parameters), None) == "self"

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        label = type(args[0]).__name__ if is_method else function.__name__
        given = check_options(function, bound.arguments, label)
        bound.arguments.update(given)
        return function(*bound.args, **bound.kwargs)

    return wrapper  # type: ignore[return-value]


class CheckedOptions:
    """Makes the constructor of every subclass :func:`checked`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: D105
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = checked(cls.__init__)  # type: ignore[method-assign]


def check_options(function: Callable[..., Any], values: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return those of ``values`` that the annotations of a function speak of, checked; lists become tuples where a
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
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list) and _is_sequence(hint):
        value = tuple(value)
    try:
        return _adapter(hint).validate_python(value)
    except ValidationError:
        near = difflib.get_close_matches(value, _literals(hint), n=3, cutoff=0.5) if isinstance(value, str) else []
        hint_text = f" (did you mean {', '.join(map(repr, near))}?)" if near else ""
        prefix = f"{label}: " if label else ""
        raise SkelgraphError(f"{prefix}{name} is {shown(value)}; expected {describe(hint)}{hint_text}") from None


def option_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the parameters of a function (of the constructor of a class) that can be checked."""
    return _option_types(inspect.unwrap(getattr(function, "__init__") if isinstance(function, type) else function))  # noqa: B009


@functools.cache
def _option_types(function: Callable[..., Any]) -> dict[str, Any]:
    module = vars(sys.modules[function.__module__]) if function.__module__ in sys.modules else {}
    hints = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        if isinstance(hint, str):
            try:
                hint = eval(hint, module)  # as typing.get_type_hints, but each on its own
            except NameError:  # imported for type checkers only: nothing to check
                continue
        if name != "return" and _is_plain(hint):
            hints[name] = hint
    return hints


def describe(hint: Any) -> str:
    """What an annotation allows, in words: ``an integer from 1 to 65536``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [
            limit for field in arguments[1:] for limit in (field.metadata if isinstance(field, FieldInfo) else [field])
        ]
        return describe(arguments[0]) + _range(arguments[0], limits)
    if origin is Literal:
        return _either(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return _either(map(describe, arguments))
    if origin in _SEQUENCES:
        items = [argument for argument in arguments if argument is not ...]
        if origin is tuple and ... not in arguments:
            return f"{len(items)} values: {', '.join(map(describe, items))}"
        return f"a sequence of values, each {describe(items[0])}"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a text", type(None): "none"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _range(base: Any, limits: Sequence[Any]) -> str:
    """The limits of annotated-types (``Ge``, ``Gt``, ``Le``, ``Lt``) in words."""
    low, above, high, below = (
        next((getattr(limit, kind) for limit in limits if hasattr(limit, kind)), None)
        for kind in ("ge", "gt", "le", "lt")
    )
    if base is float and high == sys.float_info.max:
        return " that is finite"
    both = low is not None and high is not None
    words: dict[str, tuple[Any, ...]] = (
        {"from {} to {}": (low, high)} if both else {"of at least {}": (low,), "of at most {}": (high,)}
    )
    words |= {"above {}": (above,), "below {}": (below,)}
    return "".join(" " + word.format(*numbers) for word, numbers in words.items() if None not in numbers)


def _either(words: Any) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=_STRICT)


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types that a composed annotation is made of."""
    if get_origin(hint) is Annotated:
        return (get_args(hint)[0],)
    return tuple(argument for argument in get_args(hint) if argument is not ...)


def _is_plain(hint: Any) -> bool:
    if hint in _SCALARS or hint is None or get_origin(hint) is Literal:
        return True
    composed = get_origin(hint) in (Annotated, Union, types.UnionType, *_SEQUENCES)
    return composed and all(_is_plain(part) for part in _parts(hint))


def _is_sequence(hint: Any) -> bool:
    if get_origin(hint) in (Annotated, Union, types.UnionType):
        return any(_is_sequence(part) for part in _parts(hint))
    return get_origin(hint) in (tuple, Sequence)


def _literals(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [value for value in get_args(hint) if isinstance(value, str)]
    return [value for part in _parts(hint) for value in _literals(part)]
