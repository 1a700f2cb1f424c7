"""Fields of settings: what each is called, may be, and means; and the error of one that is missing or bad."""

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo


class SettingsError(Exception):
    """A setting is missing or bad. The text is one line: which, what was found, what is allowed, an example."""

    def __init__(self, what: str, *, found: str, allowed: str, example: str) -> None:
        super().__init__(f"{what} {found}; allowed: {allowed}; example: {example}")


class SettingsPart(BaseModel):
    """Some of the settings; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(name: str, default: Any, *, allowed: str, example: str, meaning: str, unit: str = "", **limits: Any) -> Any:
    """A field of `Settings`. `default` is Ellipsis where there is none; `limits` are pydantic's `ge` and `le`."""
    extra: JsonDict = {"allowed": allowed, "unit": unit}
    return Field(default, alias=name, description=meaning, examples=[example], json_schema_extra=extra, **limits)


def number(name: str, default: int, *, between: tuple[int, int], unit: str, example: str, meaning: str) -> Any:
    """A field of `Settings` for a whole number."""
    low, high = between
    allowed = f"a whole number from {low} to {high}"
    return setting(name, default, allowed=allowed, example=example, meaning=meaning, unit=unit, ge=low, le=high)


def field_named(part: type[BaseModel], name: str) -> FieldInfo:
    """The field of a setting's name; StopIteration when there is none."""
    return next(field for field in part.model_fields.values() if field.alias == name)


def extra_of(field: FieldInfo) -> dict[str, str]:
    """Its `allowed` and `unit`."""
    return cast(dict[str, str], field.json_schema_extra)


def example_of(field: FieldInfo) -> str:
    """A value that it may have."""
    return str((field.examples or [""])[0])
