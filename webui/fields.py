"""How do fields look: a choice of one, boxes of which several are checked, a number?"""

from collections.abc import Mapping, Sequence

from webui.html import Child, Markup, h


def select(title: str, key: str, options: Mapping[str, str], chosen: str, **more: object) -> Markup:
    """One of the options, by value and what is said for it. `data_also` is set in the page's state with it."""
    return h(
        "div",
        h("label", title, for_=f"f-{key}"),
        h(
            "select",
            *[h("option", text, value=value, selected=value == chosen) for value, text in options.items()],
            id=f"f-{key}",
            data_state=key,
            data_value=chosen,
            **more,
        ),
        class_="field",
    )


def field(title: str, key: str, value: str, **more: object) -> Markup:
    """A line to type in."""
    given = {"type": "text", "autocomplete": "off", **more}
    return h(
        "div",
        h("label", title, for_=f"f-{key}"),
        h("input", id=f"f-{key}", data_state=key, value=value, data_value=value, **given),
        class_="field",
    )


def area(title: str, key: str, text: str, **more: object) -> Markup:
    """Several lines to type in."""
    return h(
        "div",
        h("label", title, for_=f"f-{key}"),
        h("textarea", text, id=f"f-{key}", data_state=key, data_value=text, **more),
        class_="field wide",
    )


def boxes(title: str, key: str, options: Mapping[str, Child], chosen: Sequence[str]) -> Markup:
    """Several of the options: each box's value, and what is said for it."""
    return h(
        "div",
        h("div", title, class_="title", id=f"b-{key}"),
        h(
            "div",
            *[_box(key, value, said, value in chosen) for value, said in options.items()],
            data_boxes=key,
            class_="boxes",
            role="group",
            aria_labelledby=f"b-{key}",
        ),
        class_="field wide",
    )


def _box(key: str, value: str, said: Child, checked: bool) -> Markup:
    # The id tells boxes apart where one is put before another, and the focus stays with its own.
    box = h("input", type="checkbox", value=value, checked=checked, data_state=key, data_list=True, id=f"{key}-{value}")
    return h("label", box, " ", h("span", said), class_="box")
