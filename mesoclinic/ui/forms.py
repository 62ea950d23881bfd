"""Form parts in the clinic's look: the grid, pick buttons, values with units, searchable code lists, dates."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Field, Layout
from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mesoclinic.ui import formatting, typed

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
    """A day in the clinic's own form, `1 Aug 2026`: the browser's field would follow the browser's country.

    Takes what people type (`mesoclinic.ui.typed.day`); what is no day stays as typed, for the error beside it.
    """

    input_type = "text"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "off", "data-day": True, **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        found = typed.day(value) if isinstance(value, str) else value
        return formatting.full_date(found) if isinstance(found, date) else value or None

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        text = super().value_from_datadict(data, files, name)
        found = typed.day(text) if isinstance(text, str) else None
        return found.isoformat() if found else text


class TimeInput(forms.TimeInput):
    """A time to the minute, always 24 hours: `17:30`."""

    input_type = "text"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "off", "data-clock": True, **(attrs or {})}, format="%H:%M")

    def format_value(self, value: Any) -> str | None:
        found = typed.clock(value) if isinstance(value, str) else value
        return f"{found:%H:%M}" if isinstance(found, time) else value or None

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        text = super().value_from_datadict(data, files, name)
        found = typed.clock(text) if isinstance(text, str) else None
        return f"{found:%H:%M}" if found else text


def _named(label: str) -> str:
    """A label inside a sentence: `Date of birth` as `date of birth`, `SMSLG` as it is."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def error_words(field: forms.Field, error: ValidationError) -> list[str]:
    """What to enter, in the clinic's words, where Django would only say what is wrong."""
    params = error.params or {}
    if not _is_stock(field, error):
        return list(error.messages)
    name = _named(str(field.label or ""))
    kind, code = type(field), error.code or ""
    if code == "required":
        chosen = isinstance(field, forms.ChoiceField)
        if not name:
            return [_("Enter a value.")]
        if _QUESTION.match(name):
            sentence = _("Choose: %(name)s") if chosen else _("Enter: %(name)s")
        else:
            sentence = _("Choose the %(name)s.") if chosen else _("Enter the %(name)s.")
        return [sentence % {"name": name}]
    if code == "invalid":
        for types, sentence in _INVALID:
            if issubclass(kind, types):
                return [str(sentence)]
    sentence = _SENTENCES.get(code, "")
    limit = params.get("limit_value", params.get("max", ""))
    shown = {"limit": limit() if callable(limit) else limit, "count": params.get("show_value", "")}
    return [str(sentence) % shown] if sentence else list(error.messages)


#: Labels that no article goes with: "What was found", "On at".
_QUESTION = re.compile(r"(what|who|why|when|where|how|on|off|not|from|to|at|is|your)\b|.*\?$", re.I)
#: What Django says of its own accord, by the text before translation.
_STOCK = re.compile(
    r"This field is required|Enter a valid|Enter a whole number|Enter a number|Ensure |Select a valid choice|Null characters"
)
_INVALID: tuple[tuple[Any, Any], ...] = (
    (forms.DateField, gettext_lazy("Enter a day, such as 1 Aug 2026.")),
    (forms.TimeField, gettext_lazy("Enter a time, such as 17:30.")),
    (forms.EmailField, gettext_lazy("Enter an e-mail address, such as name@example.org.")),
    (forms.DecimalField, gettext_lazy("Enter a number, such as 61.5.")),
    (forms.IntegerField, gettext_lazy("Enter a whole number, such as 3.")),
)
_SENTENCES: dict[str, Any] = {
    "min_value": gettext_lazy("Enter %(limit)s or more."),
    "max_value": gettext_lazy("Enter %(limit)s or less."),
    "max_length": gettext_lazy("Shorten it to %(limit)s characters; these are %(count)s."),
    "max_digits": gettext_lazy("Enter at most %(limit)s digits."),
    "max_decimal_places": gettext_lazy("Enter at most %(limit)s decimals."),
    "max_whole_digits": gettext_lazy("Enter at most %(limit)s digits before the point."),
    "invalid_choice": gettext_lazy("Choose one of the list."),
    "invalid_list": gettext_lazy("Choose from the list."),
    "null_characters_not_allowed": gettext_lazy("Take out the invisible characters."),
}


def _is_stock(field: forms.Field, error: ValidationError) -> bool:
    """Whether the text is Django's own: a form's own sentence is never replaced."""
    with translation.override("en"):
        # A lazy text is translated only now, so that this asks what Django says in its own language.
        return bool(_STOCK.match(str(error.message)))


def errors_of(field: forms.BoundField) -> list[str]:
    """The errors of a field on the page, each saying what to enter."""
    return [line for error in field.errors.as_data() for line in error_words(field.field, error)]
