"""Form parts in the clinic's look: the grid, pick buttons, values with units, searchable code lists, dates."""

from collections.abc import Iterable, Mapping
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Field, Layout
from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

#: More choices than this become a search field (design/README.md, section 6).
SEARCH_FROM = 15


class GridLayout(Layout):
    """Twelve columns. Give it `Col("name", 4)` and the like; a bare name takes the whole row.

    Several rows follow from the widths: what does not fit goes to the next one.
    """

    def __init__(self, *fields: Any) -> None:
        super().__init__(Div(*(Col(f) if isinstance(f, str) else f for f in fields), css_class="form-grid"))


class Col(Field):
    """A field `width` columns wide, 1 to 12."""

    def __init__(self, name: str, width: int = 12, **attrs: Any) -> None:
        wrapper = f"c-{width} {attrs.pop('wrapper_class', '')}".strip()
        super().__init__(name, wrapper_class=wrapper, **attrs)


def grid_helper(*fields: Any) -> FormHelper:
    """A crispy helper without a form tag of its own, laid out on the grid. Put it on `self.helper`."""
    helper = FormHelper()
    helper.form_tag = False
    # The page writes {% csrf_token %} into its own <form>.
    helper.disable_csrf = True
    if fields:
        helper.layout = GridLayout(*fields)
    return helper


class _ProjectTemplate:
    """Renders a widget with the project's templates; Django's form renderer does not look there."""

    template_name: str

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return render_to_string(template_name, context)


class _Pick(_ProjectTemplate):
    """Choices as buttons of at least 44 px. `hints` is the small second line by value."""

    is_pick = True
    template_name = "ui/widgets/pick.html"

    def __init__(
        self,
        attrs: dict[str, Any] | None = None,
        choices: Iterable[Any] = (),
        *,
        hints: Mapping[Any, Any] | None = None,
        swatch: str = "",
        wrap: bool = False,
    ) -> None:
        super().__init__(attrs, choices)  # type: ignore[call-arg]
        self.hints = {str(value): hint for value, hint in (hints or {}).items()}
        self.swatch = swatch
        self.wrap = wrap

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)  # type: ignore[misc]
        context["widget"]["wrap"] = self.wrap
        context["widget"]["invalid"] = context["widget"]["attrs"].get("aria-invalid") == "true"
        return context

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)  # type: ignore[misc]
        option["hint"] = self.hints.get(str(value), "")
        option["swatch"] = f"{self.swatch}{value}" if self.swatch and value not in {None, ""} else ""
        # The group speaks for errors and help; repeating both on every button would be noise.
        for attribute in ("aria-invalid", "aria-describedby", "class"):
            option["attrs"].pop(attribute, None)
        return option


class PickWidget(_Pick, forms.RadioSelect):  # type: ignore[misc]
    """One choice of up to seven, as buttons. Number keys choose by value.

    `PickWidget(hints={1: "<10 %"})`; `swatch="ph-"` draws the phototype's colour; `wrap=True` for long words.
    """


class PickMultiple(_Pick, forms.CheckboxSelectMultiple):  # type: ignore[misc]
    """Several choices as buttons, for instance weekdays."""


class UnitInput(_ProjectTemplate, forms.TextInput):
    """A number with its unit: `UnitInput("kg")`. A text field with a numeric keyboard keeps the decimals typed."""

    template_name = "ui/widgets/unit.html"

    def __init__(self, unit: Any, attrs: dict[str, Any] | None = None, *, whole: bool = False) -> None:
        defaults = {"inputmode": "numeric" if whole else "decimal", "autocomplete": "off"}
        super().__init__({**defaults, **(attrs or {})})
        self.unit = unit

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["unit"] = self.unit
        return context


class CodeSearch(forms.Select):
    """A list of codes with a search field on top; without script it stays a plain select.

    `synonyms` maps a value to more words that find it. Works for `ChoiceField` and `ModelChoiceField`.
    """

    def __init__(
        self,
        attrs: dict[str, Any] | None = None,
        choices: Iterable[Any] = (),
        *,
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__({"data-code-search": True, **(attrs or {})}, choices)
        self.synonyms = dict(synonyms or {})

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        words = self.synonyms.get(str(value))
        if words:
            option["attrs"]["data-search"] = words
        return option


class DateInput(forms.DateInput):
    """The browser's own date field, in its ISO form."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class TimeInput(forms.TimeInput):
    """The browser's own time field, to the minute."""

    input_type = "time"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%H:%M")
